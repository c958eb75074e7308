package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/record"
)

// Checkpoint is what the city's log was at some time: its size and the root of
// the Merkle tree over it.
type Checkpoint struct {
	// Size is the number of entries, the city index of the last.
	Size uint64
	Root tlog.Hash
	// At is when it was signed, milliseconds since the Unix epoch, UTC.
	At int64
}

// MaxSize bounds a log: what golang.org/x/mod/sumdb/tlog counts with, halved, because
// it stores two hashes for an entry.
const MaxSize = math.MaxInt64 / 2

// time is when it was signed, RFC 3339.
func (c Checkpoint) time() string { return time.UnixMilli(c.At).UTC().Format(timeForm) }

const timeForm = "2006-01-02T15:04:05.000Z"

// text is the checkpoint as it is signed (https://c2sp.org/tlog-checkpoint: origin, size,
// root; the time is an extension line).
func (c Checkpoint) text() string {
	return LogName + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n" +
		time.UnixMilli(c.At).UTC().Format(timeForm) + "\n"
}

// SignCheckpoint signs a checkpoint as a note; before is the key of before, while it signs too.
func (s *Signer) SignCheckpoint(c Checkpoint, before ...*Signer) ([]byte, error) {
	if c.Size > MaxSize {
		return nil, fmt.Errorf("audit: a log of %d entries, at most %d", c.Size, uint64(MaxSize))
	}
	return sign(c.text(), append([]*Signer{s}, before...)...)
}

// ErrCheckpoint says that a note is no checkpoint.
var ErrCheckpoint = errors.New("no checkpoint of a city's log")

// OpenCheckpoint verifies and reads a checkpoint. before is the key of before, which may have
// signed beside.
func (k Key) OpenCheckpoint(msg []byte, before ...Key) (Checkpoint, error) {
	text, err := k.open(msg, before...)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(text)
}

// CheckpointSize is how many entries a checkpoint says it counts; nothing of it is verified:
// with it the key is looked up that must have signed.
func CheckpointSize(msg []byte) (uint64, error) {
	lines := strings.SplitN(string(msg[:min(len(msg), maxNote)]), "\n", 3)
	if len(lines) != 3 || lines[0] != LogName {
		return 0, ErrCheckpoint
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > MaxSize {
		return 0, ErrCheckpoint
	}
	return size, nil
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[0] != LogName {
		return c, ErrCheckpoint
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > MaxSize {
		return c, ErrCheckpoint
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return c, ErrCheckpoint
	}
	at, err := time.Parse(timeForm, lines[3])
	if err != nil {
		return c, ErrCheckpoint
	}
	c = Checkpoint{Size: size, Root: tlog.Hash(root), At: at.UnixMilli()}
	if c.text() != text {
		return Checkpoint{}, ErrCheckpoint
	}
	return c, nil
}

// Leaf is an entry's leaf in the Merkle tree: the RFC 9162 hash of the entry's hash
// (32 bytes) followed by the name of the kind under which the city lists it, because
// first or repeat is what the city's order says of an entry and its own bytes do not.
func Leaf(hash record.Hash, listed record.Kind) tlog.Hash {
	var room [64]byte
	return tlog.RecordHash(append(append(room[:0], hash[:]...), listed.String()...))
}

// emptyRoot is the root of a tree without leaves: SHA-256 of nothing.
var emptyRoot = tlog.Hash(record.Hash{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55})

// Range is a Merkle tree that grows at its right edge and remembers that alone:
// one hash for each bit of its size.
type Range struct {
	size  uint64
	edge  [64]tlog.Hash // edge[i] stands when bit i of size is set
	level int           // 1 + the highest that was ever set
}

// Add appends a leaf.
func (r *Range) Add(leaf tlog.Hash) {
	h, i := leaf, 0
	for ; r.size>>i&1 == 1; i++ {
		h = tlog.NodeHash(r.edge[i], h)
	}
	r.edge[i] = h
	r.level = max(r.level, i+1)
	r.size++
}

// Size is the number of leaves.
func (r *Range) Size() uint64 { return r.size }

// Root is the tree's root.
func (r *Range) Root() tlog.Hash {
	var h tlog.Hash
	any := false
	for i := range r.level {
		switch {
		case r.size>>i&1 == 0:
		case !any:
			h, any = r.edge[i], true
		default:
			h = tlog.NodeHash(r.edge[i], h)
		}
	}
	if !any {
		return emptyRoot
	}
	return h
}
