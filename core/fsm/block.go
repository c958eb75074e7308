package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/packed"
	"wardline/sync/record"
)

// Entries stand in blocks (rowEntry): those that one command, or a part of one,
// put behind each other, up to blockBytes. A row of the store costs as much as some
// kilobytes in one, three times over (log, memtable, tables), so a block of a drain is
// cheaper than its entries apart by far. Where a block ends follows from the commands
// alone, never from where a transaction ends. One element: its length (unsigned varint),
// then what it is listed as (1 byte), the city index of the first (unsigned varint, 0
// unless it is a repeat), and the entry. A block is stored packed (sync/packed) where that saves something; a block
// begins with a length above 127, so never with packed.Mark.

// blockBytes is where a block is full: what a reader of one entry reads.
const blockBytes = 16 << 10

// maxUnpacked bounds what a stored block may unpack to: a full one and an entry of the largest.
const maxUnpacked = 1 << 20

// block is consecutive entries of the city, from first to before end.
type block struct {
	first, end uint64
	data       []byte
}

// row is an entry as the city lists it.
type row struct {
	index  uint64
	listed record.Kind
	first  uint64
	entry  record.Entry
}

// add appends an entry and gives its bytes there.
func (k *block) add(listed record.Kind, first uint64, e record.Entry) {
	var head [2 * binary.MaxVarintLen64]byte
	h := binary.AppendUvarint(append(head[:0], byte(listed)), first)
	size := len(h) + record.LinkSize + uvarintLen(uint64(len(e.Body))) + len(e.Body)
	k.data = binary.AppendUvarint(k.data, uint64(size))
	k.data = e.Append(append(k.data, h...))
	k.end++
}

func uvarintLen(n uint64) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], n)
}

// each calls f for the entries from an index on and finds the end. The entries are
// parts of the block.
func (k *block) each(from uint64, f func(row) error) error {
	p := k.data
	for k.end = k.first; len(p) > 0; k.end++ {
		size, w := binary.Uvarint(p)
		if w <= 0 || size > uint64(len(p)-w) {
			return fmt.Errorf("%w: block at city index %d", errRow, k.first)
		}
		if k.end >= from {
			r, err := decodeRow(k.end, p[w:w+int(size)])
			if err != nil {
				return err
			}
			if err := f(r); err != nil {
				return err
			}
		}
		p = p[w+int(size):]
	}
	return nil
}

func decodeRow(index uint64, v []byte) (row, error) {
	if len(v) < 2 {
		return row{}, errRow
	}
	first, w := binary.Uvarint(v[1:])
	if w <= 0 {
		return row{}, errRow
	}
	e, rest, err := record.DecodeEntry(v[1+w:])
	if err == nil && len(rest) != 0 {
		err = errRow
	}
	return row{index, record.Kind(v[0]), first, e}, err
}

// at finds one entry in the block.
func (k block) at(index uint64) (r row, err error) {
	err = k.each(index, func(x row) error { r = x; return errStop })
	switch {
	case err == errStop:
		return r, nil
	case err == nil:
		err = nothingAt(index)
	}
	return row{}, err
}

var errNothing = fmt.Errorf("%w: nothing there", errRow)

func nothingAt(index uint64) error { return fmt.Errorf("%w: city index %d", errNothing, index) }

// blockOf finds the block that holds an index: the last that begins at or before it.
func blockOf(tx *badger.Txn, prefix byte, index uint64) (k block, err error) {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.Reverse, opt.PrefetchValues = []byte{prefix}, true, false
	it := tx.NewIterator(opt)
	defer it.Close()
	it.Seek(indexKey(prefix, index))
	if !it.Valid() || len(it.Item().Key()) != 9 {
		return k, nothingAt(index)
	}
	k.first = binary.BigEndian.Uint64(it.Item().Key()[1:])
	if prefix != rowEntry {
		k.data, err = it.Item().ValueCopy(nil)
		return k, err
	}
	err = it.Item().Value(func(v []byte) (err error) {
		k.data, err = unpackBlock(k.first, v)
		return err
	})
	return k, err
}

// unpackBlock gives the entries of a stored block, in memory of their own.
func unpackBlock(first uint64, v []byte) ([]byte, error) {
	data, err := packed.Copy(v, maxUnpacked)
	if err != nil {
		return nil, fmt.Errorf("%w: block at city index %d: %w", errRow, first, err)
	}
	return data, nil
}

func entryAt(tx *badger.Txn, index uint64) (row, error) {
	k, err := blockOf(tx, rowEntry, index)
	if err != nil {
		return row{}, err
	}
	return k.at(index)
}

// entries calls f for every entry from a city index on, 1 or more; errStop of f ends it.
// What f is given stays valid.
func entries(tx *badger.Txn, from uint64, f func(row) error) error {
	k, err := blockOf(tx, rowEntry, from)
	next := k.first // there is no gap between two blocks
	if errors.Is(err, errNothing) {
		next, err = from, nil // before the first block, or nothing is there
	}
	if err != nil {
		return err
	}
	return scan(tx, []byte{rowEntry}, indexKey(rowEntry, next), true, func(key, v []byte) error {
		if len(key) != 9 {
			return errRow
		}
		k := block{first: binary.BigEndian.Uint64(key[1:])}
		if k.first != next {
			return nothingAt(next)
		}
		var err error
		if k.data, err = unpackBlock(k.first, v); err != nil {
			return err
		}
		err = k.each(from, f)
		next = k.end
		return err
	})
}

// entryAt reads an entry, those of this transaction included.
func (b *batch) entryAt(index uint64) (row, error) {
	i, found := slices.BinarySearchFunc(b.blocks, index, func(k block, n uint64) int {
		switch {
		case k.end <= n:
			return -1
		case k.first > n:
			return 1
		}
		return 0
	})
	if found {
		return b.blocks[i].at(index)
	}
	return entryAt(b.old, index)
}

// open is the block that takes the next entry.
func (b *batch) open() *block {
	if !b.part.open {
		b.part.open = true
		b.blocks = append(b.blocks, block{first: b.meta.index, end: b.meta.index, data: make([]byte, 0, min(blockBytes+4096, 1024+2*b.part.size))})
	}
	return &b.blocks[len(b.blocks)-1]
}

// closeBlock sets the rows of the open block: its entries, and the wrapped keys
// of their sealed parts.
func (b *batch) closeBlock() error {
	if !b.part.open {
		return nil
	}
	b.part.open = false
	k := &b.blocks[len(b.blocks)-1]
	if err := b.set(indexKey(rowEntry, k.first), packed.Pack(nil, k.data)); err != nil {
		return err
	}
	if len(b.part.keys) > 0 {
		if err := b.set(indexKey(rowKey, k.first), b.part.keys); err != nil {
			return err
		}
		b.part.keys = nil
	}
	return nil
}

// part is what a command, or a part of one, has drawn and not yet set as rows.
type part struct {
	size  int  // of the command, in bytes
	open  bool // the last block takes more
	keys  []byte
	out   map[record.WardCode]*outGroup
	dues  map[dueSlot][]byte
	given [][]byte // the command's wrapped keys
	next  int      // where the next one probably stands
}

// seal sets what the command, or the part of it, has drawn.
func (b *batch) seal() error {
	if err := b.closeBlock(); err != nil {
		return err
	}
	if err := b.closeOutbox(); err != nil {
		return err
	}
	return b.closeDues()
}

// keep notes the wrapped key of an entry's sealed part, if it came with the command.
func (b *batch) keep(s *record.Sealed) {
	p := &b.part
	for range p.given {
		k := p.given[p.next]
		if p.next++; p.next == len(p.given) {
			p.next = 0
		}
		if record.KeyID(k) == s.Key {
			p.keys = append(p.keys, k...)
			b.weigh(len(k))
			return
		}
	}
}
