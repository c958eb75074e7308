package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/packed"
	"wardline/sync/record"
)

// Row is an entry as the city lists it. Listed differs from the body's kind
// for a repeat, which names its First.
type Row struct {
	Index  uint64
	Listed record.Kind
	First  uint64
	Entry  record.Entry
	Body   record.Body
}

func (r row) out() (Row, error) {
	b, err := record.DecodeBody(r.entry.Body)
	return Row{r.index, r.listed, r.first, r.entry, b}, err
}

// After gives up to limit entries after a city index, in order. They are shared
// with others and not to be changed.
func (m *Machine) After(after uint64, limit int) (rows []Row, err error) {
	if last, ok := m.tail.after(after, limit); ok {
		rows = make([]Row, len(last))
		for i, r := range last {
			rows[i] = r.out()
		}
		return rows, nil
	}
	err = m.view(func(tx *badger.Txn) error {
		return entries(tx, after+1, func(r row) error {
			if len(rows) >= limit {
				return errStop
			}
			o, err := r.out()
			rows = append(rows, o)
			return err
		})
	})
	return rows, err
}

// Leaf is what an entry comes to in a proof.
type Leaf struct {
	Hash   record.Hash
	Listed record.Kind
}

// Leaves gives up to limit entries after a city index, in order, by their hashes.
func (m *Machine) Leaves(after uint64, limit int) (leaves []Leaf, err error) {
	if last, ok := m.tail.after(after, limit); ok {
		leaves = make([]Leaf, len(last))
		for i, r := range last {
			leaves[i] = Leaf{r.hash, r.listed}
		}
		return leaves, nil
	}
	err = m.view(func(tx *badger.Txn) error {
		return entries(tx, after+1, func(r row) error {
			if len(leaves) >= limit {
				return errStop
			}
			leaves = append(leaves, Leaf{r.entry.Hash(), r.listed})
			return nil
		})
	})
	return leaves, err
}

// Incident gives every committed entry about an incident.
func (m *Machine) Incident(id record.ID) (rows []Row, err error) {
	err = m.view(func(tx *badger.Txn) error {
		at, err := incidentIndexes(tx, id)
		if err != nil {
			return err
		}
		for _, n := range at {
			r, err := m.entry(tx, n)
			if err != nil {
				return err
			}
			rows = append(rows, r)
		}
		return nil
	})
	return rows, err
}

// entry gives the entry at a city index; it is shared, not to be changed.
func (m *Machine) entry(tx *badger.Txn, index uint64) (Row, error) {
	if r, ok := m.tail.at(index); ok {
		return r, nil
	}
	r, err := entryAt(tx, index)
	if err != nil {
		return Row{}, err
	}
	return r.out()
}

// Entry gives the entry at a city index.
func (m *Machine) Entry(index uint64) (out Row, err error) {
	if r, ok := m.tail.at(index); ok {
		return r, nil
	}
	err = m.view(func(tx *badger.Txn) error {
		out, err = m.entry(tx, index)
		return err
	})
	return out, err
}

// Heads are the heads of all chains that the city holds of an origin.
func (m *Machine) Heads(o record.Origin) (heads []record.Head, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return scan(tx, originKey(rowChain, o), nil, true, func(k, v []byte) error {
			c, err := decodeChain(v)
			if err != nil {
				return err
			}
			at := k[1+record.MaxOrigin:]
			if c.seq > 0 {
				heads = append(heads, record.Head{Incarnation: record.Incarnation(binary.BigEndian.Uint64(at)),
					Lane: record.LaneID(binary.BigEndian.Uint32(at[8:])), Seq: c.seq, Hash: c.hash})
			}
			return nil
		})
	})
	return heads, err
}

// chainFrom calls f for the entries of a chain from a seq on, in order; errStop of f
// ends it.
func chainFrom(tx *badger.Txn, id record.ChainID, seq record.Seq, f func(row) error) error {
	prefix := chainKey(rowSpan, id)
	return scan(tx, prefix, u64(bytes.Clone(prefix), uint64(seq)), true, func(k, v []byte) error {
		last := record.Seq(binary.BigEndian.Uint64(k[len(prefix):]))
		ended := false // by f
		err := entries(tx, beIndex(v), func(r row) error {
			if r.entry.Link.Chain() != id || r.entry.Link.Seq < seq {
				return nil
			}
			if err := f(r); err != nil {
				ended = true
				return err
			}
			if r.entry.Link.Seq >= last {
				return errStop
			}
			return nil
		})
		if err == nil && ended {
			err = errStop
		}
		return err
	})
}

// ChainEntries gives consecutive entries of a chain from a seq on, as far as
// the city holds them: what a rolled-back disk lacks.
func (m *Machine) ChainEntries(id record.ChainID, from record.Seq, limit int) (rows []Row, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return chainFrom(tx, id, from, func(r row) error {
			if len(rows) >= limit {
				return errStop
			}
			o, err := r.out()
			rows = append(rows, o)
			return err
		})
	})
	return rows, err
}

// Key is the wrapped key of the sealed part of the entry at a city index; nil when
// it is gone.
func (m *Machine) Key(index uint64, id record.KeyID) (k *record.WrappedKey, err error) {
	err = m.view(func(tx *badger.Txn) error {
		keys, err := blockOf(tx, rowKey, index)
		if errors.Is(err, errNothing) {
			return nil
		}
		if err != nil {
			return err
		}
		for v := keys.data; len(v) >= record.WrappedSize; v = v[record.WrappedSize:] {
			if record.KeyID(v) == id {
				w, err := record.DecodeWrappedKey(v[:record.WrappedSize])
				k = &w
				return err
			}
		}
		return nil
	})
	return k, err
}

// Digest is what a state sums up to: the log's running sum, and a sum over all
// replicated rows in the order of their keys, of one reading at one index.
type Digest struct {
	Index      uint64
	Log, State record.Hash
}

// nodeLocal says whether a row is this node's own or a key: outside the digest.
// The applied mark is left out too: two nodes at one city index may have
// applied a different number of Raft entries that changed nothing.
func nodeLocal(key []byte) bool {
	return key[0] == rowKey || key[0] == rowMeta || key[0] == '!'
}

// Digest reads the whole state once.
func (m *Machine) Digest() (d Digest, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, []byte{rowMeta})
		if err != nil {
			return err
		}
		var me meta
		if v != nil {
			if me, err = decodeMeta(v); err != nil {
				return err
			}
		}
		d.Index, d.Log = me.index, me.log
		h := sha256.New()
		var n [8]byte
		err = scan(tx, nil, nil, true, func(k, v []byte) error {
			if nodeLocal(k) {
				return nil
			}
			if k[0] == rowEntry { // what stands there, however it is packed
				var err error
				if v, err = packed.Unpack(v, maxUnpacked); err != nil {
					return fmt.Errorf("%w: %w", errRow, err)
				}
			}
			binary.BigEndian.PutUint32(n[:], uint32(len(k)))
			binary.BigEndian.PutUint32(n[4:], uint32(len(v)))
			h.Write(n[:])
			h.Write(k)
			h.Write(v)
			return nil
		})
		h.Sum(d.State[:0])
		return err
	})
	return d, err
}
