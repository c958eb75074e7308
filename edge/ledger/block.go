package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/packed"
	"wardline/sync/record"
)

// A block is one row with the entries of consecutive positions, as one commit
// wrote them. A row of the store costs some microseconds on its way to the
// lowest level whatever its size; 256 reports in one row cost little more than one.
//
// Layout: the version, then each entry as uvarint length, flags, for a foreign
// one its city index (8 bytes, big-endian), the entry (record.Entry.Append), and
// what was kept beside the answer to its report. A large one is stored packed (sync/packed).
const blockVersion = 1

// maxBlock is where a block ends and the next begins, in bytes; one entry that is
// larger has a block of its own. With record.MaxBody it stays below the store's value threshold.
const maxBlock = 192 << 10

// maxUnpacked bounds what a stored block may unpack to: any block, and one entry of the largest alone.
const maxUnpacked = 1 << 20

// unpack gives a stored block as it was made.
func unpack(first uint64, v []byte) ([]byte, error) {
	v, err := packed.Unpack(v, maxUnpacked)
	if err != nil {
		return nil, fmt.Errorf("%w: block at position %d: %w", errRow, first, err)
	}
	return v, nil
}

// Flags of an entry in a block.
const (
	flagForeign byte = 1 << iota // of another origin
	flagOnce                     // its report's id is recognised
	flagRouted                   // the station's own routing of it stands at the next position
)

// place is where an entry stands: its position, and the first of its block.
type place struct{ pos, block uint64 }

// held is an entry as a block holds it; Entry.Body is a part of the block.
type held struct {
	place
	flags byte
	index uint64 // city index of a foreign one
	entry record.Entry
	extra []byte
}

func appendHeld(b []byte, h *held) []byte {
	size := 1 + record.LinkSize + uvarintLen(uint64(len(h.entry.Body))) + len(h.entry.Body) + len(h.extra)
	if h.flags&flagForeign != 0 {
		size += 8
	}
	b = binary.AppendUvarint(b, uint64(size))
	b = append(b, h.flags)
	if h.flags&flagForeign != 0 {
		b = u64(b, h.index)
	}
	return append(h.entry.Append(b), h.extra...)
}

func uvarintLen(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// blockReader goes through a block. What it gives is valid as long as the block's bytes.
type blockReader struct {
	rest []byte
	next place
}

func readBlock(first uint64, v []byte) (blockReader, error) {
	if len(v) < 1 || v[0] != blockVersion {
		return blockReader{}, fmt.Errorf("%w: block at position %d", errRow, first)
	}
	return blockReader{v[1:], place{first, first}}, nil
}

// raw takes the next entry's bytes; nil at the end.
func (r *blockReader) raw() ([]byte, place, error) {
	if len(r.rest) == 0 {
		return nil, r.next, nil
	}
	n, w := binary.Uvarint(r.rest)
	if w <= 0 || n < 1+record.LinkSize || n > uint64(len(r.rest)-w) {
		return nil, r.next, fmt.Errorf("%w: entry at position %d", errRow, r.next.pos)
	}
	raw, at := r.rest[w:w+int(n)], r.next
	r.rest = r.rest[w+int(n):]
	r.next.pos++
	return raw, at, nil
}

func decodeHeld(raw []byte, at place) (h held, err error) {
	h.place, h.flags = at, raw[0]
	raw = raw[1:]
	if h.flags&flagForeign != 0 {
		if len(raw) < 8 {
			return h, fmt.Errorf("%w: entry at position %d", errRow, at.pos)
		}
		h.index, raw = binary.BigEndian.Uint64(raw), raw[8:]
	}
	h.entry, h.extra, err = record.DecodeEntry(raw)
	return h, err
}

// chainOf reads of which chain an entry is and its seq, without the rest.
func chainOf(raw []byte) (name chainName, seq record.Seq) {
	if raw[0]&flagForeign != 0 {
		return chainName{}, 0
	}
	l := raw[2+record.MaxOrigin:] // the link's version and origin
	return chainName{record.Incarnation(binary.BigEndian.Uint64(l)), record.LaneID(binary.BigEndian.Uint32(l[8:]))}, record.Seq(binary.BigEndian.Uint64(l[12:]))
}

// eachHeld calls f for the entries of the block that begins at position first; false when
// there is no such block. What f gets is valid only during the call.
func (l *Ledger) eachHeld(tx *badger.Txn, first uint64, f func(raw []byte, at place) error) (bool, error) {
	if b, ok := l.near.of(first); ok {
		if b.first != first {
			return false, nil
		}
		return true, eachOf(first, b.v, f)
	}
	it, err := tx.Get(blockKey(first))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var kept []byte
	err = it.Value(func(v []byte) error {
		block, err := unpack(first, v)
		switch {
		case err != nil:
			return err
		case len(block) < nearLeast:
			return eachOf(first, block, f)
		case v[0] != packed.Mark:
			block = slices.Clone(v)
		}
		kept = block
		return nil
	})
	if err != nil || kept == nil {
		return true, err
	}
	l.near.put(first, kept)
	return true, eachOf(first, kept, f)
}

func eachOf(first uint64, v []byte, f func(raw []byte, at place) error) error {
	r, err := readBlock(first, v)
	for err == nil {
		raw, at, rerr := r.raw()
		if rerr != nil || raw == nil {
			return rerr
		}
		err = f(raw, at)
	}
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// blockOf finds the block in which a position lies; 0 when there is none.
func (l *Ledger) blockOf(tx *badger.Txn, pos uint64) uint64 {
	if b, ok := l.near.of(pos); ok {
		return b.first
	}
	return seekBlock(tx, pos, true)
}

// seekBlock finds the last block that begins at a position or before it, or the first that begins there or behind
// it; 0 when there is none.
func seekBlock(tx *badger.Txn, pos uint64, back bool) uint64 {
	opt := badger.DefaultIteratorOptions
	opt.Reverse, opt.PrefetchValues, opt.Prefix = back, false, []byte{rowBlock}
	it := tx.NewIterator(opt)
	defer it.Close()
	if it.Seek(blockKey(pos)); !it.Valid() {
		return 0
	}
	return binary.BigEndian.Uint64(it.Item().Key()[1:])
}

// heldAt reads the entry at a place, copied out of the store.
func (l *Ledger) heldAt(tx *badger.Txn, at place) (h held, err error) {
	found := false
	_, err = l.eachHeld(tx, at.block, func(raw []byte, p place) error {
		if p.pos < at.pos {
			return nil
		}
		found = true
		if h, err = decodeHeld(append([]byte(nil), raw...), p); err != nil {
			return err
		}
		return errStop
	})
	if err == nil && !found {
		err = errLost
	}
	return h, err
}

// errLost says that a row names an entry that is not there. Open found that the disk lost it, and named
// it; readers go on without it.
var errLost = errors.New("ledger: the disk lost an entry")

// chainRange is the part of a chain that a block holds: the entries first to last.
type chainRange struct {
	first, last record.Seq
	block       uint64
}

func (c chainRange) encode() []byte { return u64(u64(make([]byte, 0, 16), uint64(c.first)), c.block) }

func decodeRange(k, v []byte) (chainRange, error) {
	if len(k) != 21 || len(v) != 16 {
		return chainRange{}, fmt.Errorf("%w: range %x", errRow, k)
	}
	return chainRange{record.Seq(binary.BigEndian.Uint64(v)), record.Seq(binary.BigEndian.Uint64(k[13:])), binary.BigEndian.Uint64(v[8:])}, nil
}

// eachRange calls f for the ranges of a chain that end at a seq or later, in order.
func eachRange(tx *badger.Txn, c chainName, from record.Seq, f func(chainRange) error) error {
	return scan(tx, chainKey(rowRange, c.inc, c.lane), rangeKey(c, from), func(k, v []byte) error {
		r, err := decodeRange(k, v)
		if err != nil {
			return err
		}
		return f(r)
	})
}

// ofChain reads one own entry; false when the disk has none there.
func (l *Ledger) ofChain(tx *badger.Txn, c chainName, seq record.Seq) (h held, ok bool, err error) {
	err = eachRange(tx, c, seq, func(r chainRange) error {
		if r.first > seq {
			return errStop
		}
		_, err := l.eachHeld(tx, r.block, func(raw []byte, at place) error {
			name, s := chainOf(raw)
			if name != c || s != seq {
				return nil
			}
			ok = true
			if h, err = decodeHeld(append([]byte(nil), raw...), at); err != nil {
				return err
			}
			return errStop
		})
		if err != nil {
			return err
		}
		return errStop
	})
	return h, ok, err
}
