package routing

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Parts are how a set of wards travels in the log: each is one entry's data.
const (
	// MaxPart bounds one part with its head, so that an entry stays below the
	// 256 KiB of record.MaxBody and of one Raft entry.
	MaxPart = 200 << 10
	// MaxParts bounds the parts of one set: a million points of ten bytes each,
	// the most that neighbouring points can need, are 49 parts.
	MaxParts = 64

	partVersion = 1
	// partHead: "WLW", version, SHA-256 of the whole, number of the part, of parts.
	partHead = 3 + 1 + sha256.Size + 2 + 2
)

var partMagic = []byte("WLW")

// Errors of [Assemble].
var (
	// ErrPart says that a part is damaged or does not belong to the others.
	ErrPart = errors.New("routing: part of the wards")
	// ErrPartsMissing says that parts are not there yet; the text names the first.
	ErrPartsMissing = errors.New("routing: parts of the wards are missing")
)

// SetID names a set of wards by its content: the SHA-256 of its encoding.
type SetID [sha256.Size]byte

// String is the id in hexadecimal.
func (s SetID) String() string { return hex.EncodeToString(s[:]) }

// ID is the set's name by content, which every part carries.
func (w *Wards) ID() SetID { return sha256.Sum256(w.Encode()) }

// EncodeParts writes the set as parts of at most [MaxPart] bytes, which
// [Assemble] puts together again in any order. It fails when the set needs
// more than [MaxParts].
func (w *Wards) EncodeParts() ([][]byte, error) {
	all := w.Encode()
	id := sha256.Sum256(all)
	const room = MaxPart - partHead
	n := (len(all) + room - 1) / room
	if n > MaxParts {
		return nil, fmt.Errorf("%w: %d parts, at most %d: simplify the boundaries", ErrWards, n, MaxParts)
	}
	parts := make([][]byte, n)
	for i := range parts {
		data := all[i*room : min((i+1)*room, len(all))]
		p := make([]byte, 0, partHead+len(data))
		p = append(p, partMagic...)
		p = append(p, partVersion)
		p = append(p, id[:]...)
		p = binary.BigEndian.AppendUint16(p, uint16(i))
		p = binary.BigEndian.AppendUint16(p, uint16(n))
		parts[i] = append(p, data...)
	}
	return parts, nil
}

// PartInfo says which set a part belongs to, which it is (from 0) and of how many.
func PartInfo(part []byte) (id SetID, index, of int, err error) {
	if len(part) <= partHead || len(part) > MaxPart || !bytes.Equal(part[:3], partMagic) {
		return id, 0, 0, fmt.Errorf("%w: %d bytes that do not begin as one", ErrPart, len(part))
	}
	if part[3] != partVersion {
		return id, 0, 0, fmt.Errorf("%w: version %d, this program knows %d", ErrPart, part[3], partVersion)
	}
	copy(id[:], part[4:])
	index = int(binary.BigEndian.Uint16(part[partHead-4:]))
	of = int(binary.BigEndian.Uint16(part[partHead-2:]))
	if of == 0 || of > MaxParts || index >= of {
		return id, 0, 0, fmt.Errorf("%w: number %d of %d, want below at most %d", ErrPart, index, of, MaxParts)
	}
	return id, index, of, nil
}

// Assemble puts parts of one set together, in any order; a part may come
// twice. Errors are [ErrPartsMissing] while some are not there, [ErrPart] when
// one does not fit or the whole has another hash than the parts say, and those
// of [DecodeWards].
func Assemble(parts [][]byte) (*Wards, error) {
	var id SetID
	var have [][]byte
	for k, p := range parts {
		pid, index, of, err := PartInfo(p)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			id, have = pid, make([][]byte, of)
		}
		if pid != id || of != len(have) {
			return nil, fmt.Errorf("%w: number %d is of set %s of %d parts, the first of %s of %d", ErrPart, index, pid, of, id, len(have))
		}
		if have[index] != nil && !bytes.Equal(have[index], p[partHead:]) {
			return nil, fmt.Errorf("%w: number %d came twice with different content", ErrPart, index)
		}
		have[index] = p[partHead:]
	}
	if len(have) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrPartsMissing)
	}
	size := 0
	for i, p := range have {
		if p == nil {
			return nil, fmt.Errorf("%w: number %d of %d", ErrPartsMissing, i, len(have))
		}
		size += len(p)
	}
	all := bytes.Join(have, nil)
	if sha256.Sum256(all) != id {
		return nil, fmt.Errorf("%w: %d bytes together do not have the hash %s that the parts name", ErrPart, size, id)
	}
	return DecodeWards(all)
}
