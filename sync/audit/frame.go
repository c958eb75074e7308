package audit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"wardline/sync/record"
)

// The file: magic, then frames of a letter, a length (four bytes, big-endian) and
// a content. FORMAT.md says in which order.
const magic = "wardline audit 1\n"

// magicSuccession is the magic of a file in which the log's key was followed by another.
const magicSuccession = "wardline audit 2\n"

// The frames.
const (
	frameKey        = 'K' // the log's public key, 32 bytes
	frameSuccession = 'S' // a key names the next, a note
	frameStatement  = 'N' // a statement about a node's key, a note
	frameIncident   = 'I' // the incident that the export is about, 16 bytes; absent in one of the whole log
	frameCheckpoint = 'C' // a checkpoint, a note
	frameEntry      = 'E' // city index, listed kind, leaf, entry
	frameProof      = 'P' // that the entry before is in the checkpoint's tree: hashes
	frameReceipt    = 'R' // a node's receipt
	frameEnd        = 'Z' // how many statements, checkpoints, entries, receipts
)

// Limits: what a file that was made to hurt can cost.
const (
	maxNote = 1 << 10 // bytes of a signed note; ours have about 250
	maxNode = 64      // bytes of a node's name
	// maxStatements bounds the nodes that a city ever had, each with every key it had.
	maxStatements = 1024
	// maxChains bounds what is remembered, about 150 bytes each: 168 stations that start
	// anew every day for four years write 3 lanes in each life, 740,000 chains.
	maxChains = 1 << 20
	entryHead = 8 + 1 + 32
	// maxFrame bounds a frame's content: the largest entry.
	maxFrame = entryHead + record.LinkSize + binary.MaxVarintLen32 + record.MaxBody
	maxProof = 64 // hashes on a path of the largest tree
)

// ErrForm says that a file is no export, or one that was damaged where no
// single entry can be named.
var ErrForm = errors.New("the file is damaged")

func appendFrame(b []byte, kind byte, content []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(content)))
	return append(b, content...)
}

// frames reads a file frame by frame.
type frames struct {
	r       *bufio.Reader
	at      int64 // of the next byte
	begun   int64 // of the frame last read
	buf     []byte
	ended   bool
	opened  bool
	version int // of the form
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 32<<10)} }

// ErrNewer says that a newer program wrote the file.
var ErrNewer = errors.New("a newer wardline wrote this file; verify it with that one")

// next gives the next frame; its content is good until the next call. After the
// last byte it is io.EOF.
func (f *frames) next() (kind byte, content []byte, err error) {
	if !f.opened {
		if err := f.open(); err != nil {
			return 0, nil, err
		}
	}
	f.begun = f.at
	var head [5]byte
	n, err := io.ReadFull(f.r, head[:])
	f.at += int64(n)
	if err != nil {
		return 0, nil, cut(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("%w: a part of %d bytes, at most %d", ErrForm, size, maxFrame)
	}
	if int(size) > cap(f.buf) {
		f.buf = make([]byte, max(int(size), 4<<10))
	}
	f.buf = f.buf[:size]
	n, err = io.ReadFull(f.r, f.buf)
	f.at += int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return head[0], f.buf, cut(err)
}

func (f *frames) open() error {
	f.opened = true
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f.r, head)
	f.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	switch {
	case string(head) == magic:
		f.version = 1
		return nil
	case string(head) == magicSuccession:
		f.version = 2
		return nil
	case n == len(magic) && string(head[:15]) == magic[:15] && head[15] > magicSuccession[15] && head[15] <= '9' && head[16] == '\n':
		return ErrNewer
	}
	return fmt.Errorf("%w: it does not begin as an export of a city's log does", ErrForm)
}

func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends in the middle", ErrForm)
	}
	return err
}
