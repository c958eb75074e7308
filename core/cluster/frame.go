package cluster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What nodes ask each other beside Raft goes in frames: length of what follows
// (4 bytes), request number (8), tag (1: what is asked, or how it went), body;
// numbers are big endian. Requests on one connection run side by side and are answered in any order.
const (
	frameHead = 9
	// maxFrame is an item with its lane and time-out, or a list of members.
	maxFrame = frameHead + maxEntryBytes + 64
)

var errFrame = errors.New("malformed frame")

type frame struct {
	id   uint64
	tag  byte
	body []byte
}

func appendFrame(b []byte, f frame) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(frameHead+len(f.body)))
	b = binary.BigEndian.AppendUint64(b, f.id)
	b = append(b, f.tag)
	return append(b, f.body...)
}

func readFrame(r *bufio.Reader) (frame, error) {
	var h [4 + frameHead]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(h[:])
	if n < frameHead || n > maxFrame {
		return frame{}, fmt.Errorf("%w: length %d", errFrame, n)
	}
	f := frame{id: binary.BigEndian.Uint64(h[4:]), tag: h[12]}
	f.body = make([]byte, n-frameHead)
	if _, err := io.ReadFull(r, f.body); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	return f, nil
}

// What can be asked.
const (
	askPropose   = 1 // lane byte, item -> result
	askReadIndex = 2 // -> index, 8 bytes
	askStatus    = 3 // -> status
	askJoin      = 4 // joinRequest ->
	askPromote   = 5 // joinRequest ->
	askRemove    = 6 // node id ->
	askClock     = 7 // -> wall clock, milliseconds since the Unix epoch, UTC, 8 bytes
	askLocal     = 8 // a question -> what Deps.Local says
	askHeld      = 9 // heldReport -> heldBy
)

// The answers' tags. Errors carry a text; only the tag is acted upon.
var answerCodes = []struct {
	tag byte
	err error
}{
	{1, ErrUnknown}, {2, ErrNotLeader}, {3, ErrNoLeader}, {4, ErrBusy}, {5, ErrNoSpace},
	{6, ErrTooLarge}, {8, ErrRefused},
	{2, ErrClosed}, // to the one who asks, a leader that is closing leads no more
}

const answerOK = 0

// answerError is an error from another node: the sentinel and that node's words.
type answerError struct {
	is   error
	text string
}

// Error gives the other node's words.
func (e *answerError) Error() string { return e.text }

// Unwrap gives the sentinel.
func (e *answerError) Unwrap() error { return e.is }

// maxErrorText bounds the words of an error on the wire.
const maxErrorText = 512

func encodeError(err error) (tag byte, body []byte) {
	tag = 1 // what has no code of its own may have happened
	for _, c := range answerCodes {
		if errors.Is(err, c.err) {
			tag = c.tag
			break
		}
	}
	text := err.Error()
	return tag, []byte(text[:min(len(text), maxErrorText)])
}

func decodeError(tag byte, body []byte) error {
	for _, c := range answerCodes {
		if c.tag == tag {
			return &answerError{c.err, string(body)}
		}
	}
	return &answerError{ErrUnknown, fmt.Sprintf("answer %d is not known here: %s", tag, body)}
}
