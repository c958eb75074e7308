package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Freshener gives a wrapped key as it is to be stored: wrapped with the key in use. The
// committer calls it, so that what comes after a turn of the wrapping keys never brings
// one of before into the store. An error refuses the entry for now.
type Freshener func(record.WrappedKey) (record.WrappedKey, error)

func (b *batch) fresh(k record.WrappedKey) (record.WrappedKey, error) {
	if b.l.o.Fresh == nil {
		return k, nil
	}
	k, err := b.l.o.Fresh(k)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return k, err
}

const (
	keyInBlock = 2 + record.WrappedSize // place in the block, wrapped key
	// forgetEntries bounds the entries whose keys one transaction deletes, rewrapBytes
	// the rows that one wraps anew: some milliseconds, for which reports may wait.
	forgetEntries = 256
	rewrapBytes   = 96 << 10
)

// Forget deletes the keys of the sealed parts of an incident's entries that f names. It
// returns after the sync.
func (l *Ledger) Forget(id record.ID, f func(*record.Body) bool) error {
	rows, err := l.Incident(id)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool {
		return r.Body.Payload.Sealed == nil || r.Body.Incident != id || !f(&r.Body)
	})
	for len(rows) > 0 {
		took := 0
		err := l.alone(func(b *batch) (err error) {
			for began := b.bytes; took < len(rows) && took < forgetEntries && b.bytes-began < rewrapBytes && err == nil; {
				var n int
				n, err = b.dropKeys(rows[took:])
				took += n
			}
			return err
		})
		if err != nil {
			return err
		}
		rows = rows[took:]
	}
	return nil
}

// alone runs f in a batch of its own and waits for the sync.
func (l *Ledger) alone(f func(*batch) error) error {
	return l.wait(&request{lane: record.Urgent, solo: true, op: f, size: rewrapBytes})
}

// dropKeys deletes the keys of the first rows' sealed parts, as many as stand in one
// block, and of foreign ones; it gives how many that were.
func (b *batch) dropKeys(rows []Row) (n int, err error) {
	var block uint64
	gone := map[string]bool{} // place in the block, id
	err = b.l.db.View(func(tx *badger.Txn) error {
		block = b.l.blockOf(tx, rows[0].Position)
		for n < len(rows) && (n == 0 || b.l.blockOf(tx, rows[n].Position) == block) {
			gone[string(placedKey(rows[n].Position-block, rows[n].Body.Payload.Sealed.Key))] = true
			n++
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	for _, r := range rows[:n] {
		if err := b.drop(idKey(rowKey, r.Body.Payload.Sealed.Key[:])); err != nil {
			return n, err
		}
	}
	return n, b.dropFromBlock(block, gone)
}

func placedKey(at uint64, id record.KeyID) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, 18), uint16(at)), id[:]...)
}

func (b *batch) dropFromBlock(block uint64, gone map[string]bool) error {
	key := blockKeysKey(block)
	old, err := get(b.tx, key)
	if err != nil {
		return err
	}
	left := make([]byte, 0, len(old))
	for v := old; len(v) > 0; v = v[keyInBlock:] {
		if len(v) < keyInBlock {
			return fmt.Errorf("%w: keys of block %d", errRow, block)
		}
		if !gone[string(v[:18])] {
			left = append(left, v[:keyInBlock]...)
		}
	}
	switch len(left) {
	case len(old):
		return nil
	case 0:
		return b.drop(key)
	}
	return b.set(key, left)
}

// Rewrapped says how far one step of Rewrap came: Next is where the next begins, nil
// when all is done; of Lost keys no wrapping key is here, they stay as they are.
type Rewrapped struct {
	Next       []byte
	Keys, Lost int
}

// Rewrap wraps the stored keys anew by f, the next rows from a place on; f leaves out
// what is wrapped with the key in use. It returns after the sync.
func (l *Ledger) Rewrap(from []byte, f func(record.WrappedKey) (k record.WrappedKey, changed bool, err error)) (done Rewrapped, err error) {
	err = l.alone(func(b *batch) error {
		done = Rewrapped{}
		size := 0
		return l.db.View(func(tx *badger.Txn) error {
			return scan(tx, []byte{rowKey}, from, func(k, v []byte) error {
				if size += len(v) + 64; size > rewrapBytes && size > len(v)+64 {
					done.Next = bytes.Clone(k)
					return errStop
				}
				head := 0
				if len(k) == 9 {
					head = 2
				}
				row, n := bytes.Clone(v), 0
				for at := 0; at < len(row); at += head + record.WrappedSize {
					if len(row)-at < head+record.WrappedSize {
						return fmt.Errorf("%w: keys %x", errRow, k)
					}
					old, err := record.DecodeWrappedKey(row[at+head : at+head+record.WrappedSize])
					if err != nil {
						return err
					}
					next, changed, err := f(old)
					if err != nil {
						done.Lost++
						continue
					}
					if changed {
						copy(row[at+head:], next.Append(nil))
						n++
					}
				}
				if n == 0 {
					return nil
				}
				done.Keys += n
				return b.set(bytes.Clone(k), row)
			})
		})
	})
	return done, err
}
