package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/tables"
)

// The rows of wrapped keys are each node's own: which keys stand in them follows from
// the log, their bytes do not. A node empties them of what was erased, and wraps what
// is left anew, beside the log and never while an apply is under way.

// rowForgotten = index of the last erasure that this node has carried out.
var rowForgotten = []byte("!e")

// forgetBatch is how many erasures one transaction carries out, rewrapRows how many rows it
// wraps anew: some milliseconds, for which an apply may wait.
const (
	forgetBatch = 16
	rewrapRows  = 32
	// maxForgetRows bounds the rows that one erasure empties in one transaction.
	maxForgetRows = 2048
)

// rowRewrapped = generation of the wrapping key for which all rows were wrapped anew.
var rowRewrapped = []byte("!w")

// errUnchanged of own's function says that there is nothing to commit.
var errUnchanged = errors.New("fsm: nothing to change")

// ownTxn counts what its rows cost (tables.Ordered).
type ownTxn struct {
	*badger.Txn
	cost int64
}

// Set sets a row.
func (t *ownTxn) Set(k, v []byte) error {
	t.cost += tables.Cost(k, v)
	return t.Txn.Set(k, v)
}

// Delete deletes a row.
func (t *ownTxn) Delete(k []byte) error {
	t.cost += tables.Cost(k, nil)
	return t.Txn.Delete(k)
}

// own changes rows that are this node's own, in a transaction that counts as one of
// an apply (whole.go), so that a lost one is noticed.
func (m *Machine) own(f func(tx *ownTxn) error) error {
	m.local.Lock()
	defer m.local.Unlock()
	m.mu.RLock()
	defer m.mu.RUnlock()
	tx := &ownTxn{Txn: m.db.NewTransaction(true)}
	defer tx.Discard()
	if err := f(tx); err != nil {
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	}
	txn := m.txn + 1
	if err := errors.Join(tx.Set(txnSlot(txn), u64(nil, txn)), tx.Set(txnLast, u64(nil, txn))); err != nil {
		return err
	}
	if err := m.ordered.Commit(tx.Txn, tx.cost); err != nil {
		return fmt.Errorf("fsm: commit: %w", err)
	}
	m.txn = txn
	return nil
}

// Forget deletes the keys of everything whose erasure is applied; it returns the city
// index up to which nothing erased has a key here.
func (m *Machine) Forget() (uint64, error) {
	for {
		upTo := m.CityIndex()
		var done uint64
		var list []ErasureRow
		err := m.view(func(tx *badger.Txn) error {
			v, err := get(tx, rowForgotten)
			if err != nil {
				return err
			}
			done = beIndex(v)
			list, err = erasuresAfter(tx, done, forgetBatch)
			return err
		})
		if err != nil || len(list) == 0 {
			return upTo, err
		}
		for _, e := range list {
			for {
				more, err := m.forget(e)
				if err != nil {
					return done, err
				}
				if !more {
					break
				}
			}
		}
	}
}

// forget carries out one erasure, or a part of it.
func (m *Machine) forget(e ErasureRow) (more bool, err error) {
	gone := map[uint64][]record.KeyID{} // by the place of an entry in its block
	err = m.view(func(tx *badger.Txn) error {
		at, err := incidentIndexes(tx, e.Incident)
		if err != nil {
			return err
		}
		entry, err := m.entry(tx, e.Index)
		if err != nil {
			return err
		}
		covers := record.Erasure{Epoch: entry.Body.Payload.Epoch}
		for _, n := range at {
			r, err := m.entry(tx, n)
			if err != nil {
				return err
			}
			s := r.Body.Payload.Sealed
			if s == nil || r.Body.Incident != e.Incident || !covers.Covers(&r.Body) {
				continue
			}
			row, err := blockOf(tx, rowKey, n)
			switch {
			case errors.Is(err, errNothing):
			case err != nil:
				return err
			case holds(row.data, s.Key):
				gone[row.first] = append(gone[row.first], s.Key)
			}
			if more = len(gone) >= maxForgetRows; more {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return more, m.own(func(tx *ownTxn) error {
		for first, ids := range gone {
			v, err := get(tx.Txn, indexKey(rowKey, first))
			if err != nil {
				return err
			}
			for _, id := range ids {
				v = without(v, id)
			}
			if len(v) == 0 {
				err = tx.Delete(indexKey(rowKey, first))
			} else {
				err = tx.Set(indexKey(rowKey, first), v)
			}
			if err != nil {
				return err
			}
		}
		if more {
			return nil
		}
		return tx.Set(rowForgotten, u64(nil, e.Index))
	})
}

// eachKey calls f for each wrapped key of a row.
func eachKey(row []byte, f func(k []byte)) {
	for ; len(row) >= record.WrappedSize; row = row[record.WrappedSize:] {
		f(row[:record.WrappedSize])
	}
}

func holds(row []byte, id record.KeyID) (found bool) {
	eachKey(row, func(k []byte) { found = found || record.KeyID(k) == id })
	return found
}

func without(row []byte, id record.KeyID) (out []byte) {
	eachKey(row, func(k []byte) {
		if record.KeyID(k) != id {
			out = append(out, k...)
		}
	})
	return out
}

// Rewrapped says how far one step of Rewrap came.
type Rewrapped struct {
	// Next is where the next step begins; 0 when all is done.
	Next uint64
	// Keys were wrapped anew.
	Keys int
	// Lost are the rows in which a key stands that was wrapped with none that is here.
	Lost []uint64
}

// Rewrap wraps the keys in the next rows with another wrapping key, from a row on.
func (m *Machine) Rewrap(from uint64, old sealing.Unwrapper, to *record.Wrapper) (done Rewrapped, err error) {
	err = m.own(func(tx *ownTxn) error {
		rows := 0
		err := m.db.View(func(read *badger.Txn) error {
			return scan(read, []byte{rowKey}, indexKey(rowKey, from), true, func(k, v []byte) error {
				if len(k) != 9 || len(v)%record.WrappedSize != 0 {
					return errRow
				}
				first := binary.BigEndian.Uint64(k[1:])
				if rows++; rows > rewrapRows {
					done.Next = first
					return errStop
				}
				next, n, lost, err := rewrapRow(v, old, to)
				if err != nil {
					return err
				}
				if lost {
					done.Lost = append(done.Lost, first)
				}
				if n == 0 {
					return nil
				}
				done.Keys += n
				return tx.Set(bytes.Clone(k), next)
			})
		})
		if err == nil && done.Keys == 0 {
			err = errUnchanged
		}
		return err
	})
	return done, err
}

// RewrappedAll notes that all rows are wrapped with a generation's key.
func (m *Machine) RewrappedAll(gen uint32) error {
	err := m.own(func(tx *ownTxn) error { return tx.Set(rowRewrapped, u64(nil, uint64(gen))) })
	if err == nil {
		m.rewrapped.Store(gen)
	}
	return err
}

// RewrappedTo is the generation for which all rows were wrapped anew, 0: none since
// the state came here.
func (m *Machine) RewrappedTo() uint32 { return m.rewrapped.Load() }

func rewrapRow(v []byte, old sealing.Unwrapper, to *record.Wrapper) (out []byte, n int, lost bool, err error) {
	out = make([]byte, 0, len(v))
	eachKey(v, func(raw []byte) {
		k, derr := record.DecodeWrappedKey(raw)
		if err = errors.Join(err, derr); err != nil {
			return
		}
		if k.Wrapper != to.ID {
			if p, uerr := old.Unwrap(k); uerr == nil {
				k = to.Wrap(k.Key, p)
				n++
			} else {
				lost = true
			}
		}
		out = k.Append(out)
	})
	return out, n, lost, err
}

// KeyRow is the row of wrapped keys that begins at a city index, for a node whose own
// one cannot be unwrapped any more; nil when nothing is there.
func (m *Machine) KeyRow(first uint64) (row []byte, err error) {
	err = m.view(func(tx *badger.Txn) error {
		row, err = get(tx, indexKey(rowKey, first))
		return err
	})
	return row, err
}

// MendKeys takes from another node's row what this node can unwrap, for the keys that
// stand in its own row and that it cannot; it gives how many are still lost.
func (m *Machine) MendKeys(first uint64, theirs []byte, old sealing.Unwrapper) (lost int, err error) {
	usable := func(raw []byte) bool {
		k, err := record.DecodeWrappedKey(raw)
		if err == nil {
			_, err = old.Unwrap(k)
		}
		return err == nil
	}
	err = m.own(func(tx *ownTxn) error {
		mine, err := get(tx.Txn, indexKey(rowKey, first))
		switch {
		case err != nil:
			return err
		case mine == nil:
			return errUnchanged
		}
		lost = 0
		out := make([]byte, 0, len(mine))
		eachKey(mine, func(k []byte) {
			if !usable(k) {
				lost++
				eachKey(theirs, func(t []byte) {
					if record.KeyID(t) == record.KeyID(k) && usable(t) {
						k = t
						lost--
					}
				})
			}
			out = append(out, k...)
		})
		return tx.Set(indexKey(rowKey, first), out)
	})
	return lost, err
}
