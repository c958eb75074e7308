package fsm

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// Malformed input that came to the city's door is kept raw, replicated like
// what was taken. It is no entry and has no place in the city's order.
const (
	// sources are rings side by side; a source always falls into the same one,
	// so that one sender of nonsense pushes out what few others sent.
	quarantineRings = 64
	// quarantineRing is how many each keeps; with MaxMalformed 128 MiB in all.
	quarantineRing = 16
	// MaxMalformed bounds one input with what is said of it: the largest report
	// as base64, and a page of words.
	MaxMalformed = 128 << 10
	// maxSource bounds a source's name, in bytes.
	maxSource = 255
)

// Malformed keeps input of a source that was refused for good. at is when it
// came, milliseconds since the Unix epoch, UTC.
func Malformed(source string, at int64, raw []byte) []byte {
	b := binary.BigEndian.AppendUint64(header(cmdMalformed, nil), uint64(at))
	b = append(b, byte(min(len(source), maxSource)))
	return append(append(b, source[:min(len(source), maxSource)]...), raw...)
}

// ring is the row of one ring: how much it ever took, and when each slot was filled.
type ring struct {
	taken uint64
	at    [quarantineRing]uint64
}

func decodeRing(v []byte) (r ring, err error) {
	if len(v) != 8*(1+quarantineRing) {
		return r, errRow
	}
	r.taken = binary.BigEndian.Uint64(v)
	for i := range r.at {
		r.at[i] = binary.BigEndian.Uint64(v[8+8*i:])
	}
	return r, nil
}

func (r *ring) encode() []byte {
	v := u64(make([]byte, 0, 8*(1+quarantineRing)), r.taken)
	for _, at := range r.at {
		v = u64(v, at)
	}
	return v
}

func ringKey(n byte) []byte           { return []byte{rowMalformed, n} }
func slotKey(n byte, slot int) []byte { return []byte{rowMalformed, n, byte(slot)} }

func (b *batch) malformed(rest []byte) (Result, error) {
	if len(rest) < 9 || len(rest) < 9+int(rest[8]) || len(rest) > 9+maxSource+MaxMalformed {
		return Result{Status: Refused, Detail: fmt.Sprintf("malformed input of %d bytes cannot be kept, at most %d", len(rest), MaxMalformed)}, nil
	}
	at, source, raw := binary.BigEndian.Uint64(rest), rest[9:9+int(rest[8])], rest[9+int(rest[8]):]
	sum := sha256.Sum256(source)
	n := sum[0] % quarantineRings
	v, err := get(b.tx, ringKey(n))
	if err != nil {
		return Result{}, err
	}
	var r ring
	if v != nil {
		if r, err = decodeRing(v); err != nil {
			return Result{}, err
		}
	}
	done := Result{Status: OK, Index: b.meta.index}
	if r.taken > 0 { // proposed again, because its outcome was not known
		old, err := get(b.tx, slotKey(n, int((r.taken-1)%quarantineRing)))
		if err != nil || bytes.Equal(old, raw) {
			return done, err
		}
	}
	slot := int(r.taken % quarantineRing)
	r.at[slot] = at
	r.taken++
	if err := b.set(slotKey(n, slot), raw); err != nil {
		return Result{}, err
	}
	return done, b.set(ringKey(n), r.encode())
}

// Quarantined gives what was kept of malformed input, newest first.
func (m *Machine) Quarantined(limit int) (out [][]byte, err error) {
	type slot struct {
		at  uint64
		key []byte
	}
	err = m.view(func(tx *badger.Txn) error {
		var all []slot
		for n := range byte(quarantineRings) {
			v, err := get(tx, ringKey(n))
			if err != nil {
				return err
			}
			if v == nil {
				continue
			}
			r, err := decodeRing(v)
			if err != nil {
				return err
			}
			for i := range min(r.taken, quarantineRing) {
				all = append(all, slot{r.at[i], slotKey(n, int(i))})
			}
		}
		slices.SortFunc(all, func(a, c slot) int { return cmp.Or(cmp.Compare(c.at, a.at), bytes.Compare(a.key, c.key)) })
		for _, s := range all[:min(limit, len(all))] {
			v, err := get(tx, s.key)
			if err != nil {
				return err
			}
			if v == nil {
				return errRow
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}
