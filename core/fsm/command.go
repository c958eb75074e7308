package fsm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"wardline/sync/record"
)

// Commands as they stand in the Raft log: a version, a type, the rest. Part of
// the stored format.
const (
	commandVersion = 1

	cmdBatch   = 1
	cmdBody    = 2
	cmdTick    = 3
	cmdDownAck = 4
	cmdStation = 5

	cmdMalformed = 6
)

// ErrCommand says that a command cannot be read. It was written by a newer
// program, or it is damaged; every node finds the same.
var ErrCommand = errors.New("fsm: command cannot be read")

func header(kind byte, keys []record.WrappedKey) []byte {
	b := []byte{commandVersion, kind}
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, k := range keys {
		b = k.Append(b)
	}
	return b
}

// Batch is consecutive entries of one chain of a station, as encoded by
// record.Entry.Append, with the wrapped keys of their sealed parts.
func Batch(entries []byte, keys []record.WrappedKey) []byte {
	return append(header(cmdBatch, keys), entries...)
}

// Body is an entry that the core itself is to write: a report at the city's
// door, an officer's action, an alarm, rules.
func Body(body []byte, keys []record.WrappedKey) []byte {
	return append(header(cmdBody, keys), body...)
}

// Tick advances the city's time to ms, milliseconds since the Unix epoch, UTC:
// the median of the nodes' clocks.
func Tick(ms int64) []byte {
	return binary.BigEndian.AppendUint64(header(cmdTick, nil), uint64(ms))
}

// DownAck says that a ward's station has taken its outbox up to seq.
func DownAck(w record.WardCode, seq record.Seq) []byte {
	return append(binary.BigEndian.AppendUint64(header(cmdDownAck, nil), uint64(seq)), w...)
}

// Station says that a ward's station has come: from now on it hears of rules
// and wards by its outbox.
func Station(w record.WardCode) []byte { return append(header(cmdStation, nil), w...) }

type command struct {
	kind byte
	keys [][]byte // wrapped keys, each with its id in front
	rest []byte
}

func decodeCommand(p []byte) (command, error) {
	var c command
	if len(p) < 3 || p[0] != commandVersion {
		return c, ErrCommand
	}
	c.kind = p[1]
	n, w := binary.Uvarint(p[2:])
	if w <= 0 || n > uint64(len(p))/record.WrappedSize {
		return c, ErrCommand
	}
	p = p[2+w:]
	c.keys = make([][]byte, 0, n)
	for range n {
		if len(p) < record.WrappedSize {
			return c, ErrCommand
		}
		c.keys = append(c.keys, p[:record.WrappedSize])
		p = p[record.WrappedSize:]
	}
	c.rest = p
	return c, nil
}

// Result is what applying one command came to. It travels back to whoever
// proposed it.
type Result struct {
	// Status is one of the words below.
	Status string `json:"status"`
	// Seq, Hash and Index say where the entry, or a batch's last one, stands.
	Seq   record.Seq  `json:"seq,omitempty"`
	Hash  record.Hash `json:"hash,omitzero"`
	Index uint64      `json:"index,omitempty"`
	// Expected is the seq that a gap asks for; At is where a fork begins.
	Expected record.Seq `json:"expected,omitempty"`
	At       record.Seq `json:"at,omitempty"`
	Detail   string     `json:"detail,omitempty"`
	// Body is the body as it was committed, for an entry of the core.
	Body []byte `json:"body,omitempty"`
	// Refusal explains Refused for an action.
	Refusal *record.Refusal `json:"refusal,omitempty"`
	// Word explains Refused for a machine's enrolment (trust.Meaning).
	Word string `json:"word,omitempty"`
}

// The words of Result.Status.
const (
	// OK: committed, or committed before with the same content.
	OK = "ok"
	// Repeat: a report that this door had before; the place is the first one's.
	Repeat = "repeat"
	// Other: the id stands for another content; the report is kept under
	// another id, in Body.
	Other = "other"
	// Gap: entries before these are missing; nothing was taken.
	Gap = "gap"
	// Fork: another entry stands at this seq; nothing from there on was taken.
	Fork = "fork"
	// Stale: nothing was taken; wrap the keys anew with the key that is in use by now.
	Stale = "stale"
	// Refused: for good; the same again will be refused again.
	Refused = "refused"
)

func (r Result) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		return []byte(`{"status":"refused","detail":"result cannot be written"}`)
	}
	return b
}

// DecodeResult reads a result.
func DecodeResult(b []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("fsm: result: %w", err)
	}
	return r, nil
}
