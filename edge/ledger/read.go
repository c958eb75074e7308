package ledger

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Row is an entry as this ledger holds it.
type Row struct {
	Position uint64
	// Index is the city index; for an own entry that of the receipt which
	// covers it. 0: the city has not confirmed it.
	Index uint64
	Entry record.Entry
	Body  record.Body
}

// ChainState is one own chain and how much of it the city has confirmed.
type ChainState struct {
	Chain record.ChainID
	Order uint64
	Head  record.Head
	City  record.Seq // by its receipt
	// Held is how far the city holds the chain, by its receipt or because it
	// gave the entries back.
	Held record.Seq
}

// Chains are all own chains, in the order in which their incarnations began.
func (l *Ledger) Chains() []ChainState {
	l.smu.RLock()
	defer l.smu.RUnlock()
	out := make([]ChainState, 0, len(l.chains))
	for name, c := range l.chains {
		out = append(out, ChainState{Chain: record.ChainID{Origin: l.o.Origin, Incarnation: c.Inc, Lane: c.Lane}, Order: c.Order,
			Head: record.Head{Incarnation: c.Inc, Lane: c.Lane, Seq: c.Seq, Hash: c.Hash}, City: l.receipts[name].Seq, Held: max(l.receipts[name].Seq, c.Given)})
	}
	slices.SortFunc(out, func(a, b ChainState) int {
		if a.Order != b.Order {
			return int(int64(a.Order) - int64(b.Order))
		}
		return int(a.Chain.Lane) - int(b.Chain.Lane)
	})
	return out
}

// Read gives consecutive entries of an own chain from a seq on, with the
// wrapped keys of their sealed parts.
func (l *Ledger) Read(c record.ChainID, from record.Seq, maxCount, maxBytes int) ([]record.Entry, []record.WrappedKey, error) {
	var out []record.Entry
	var keys []record.WrappedKey
	size := 0
	err := l.db.View(func(tx *badger.Txn) error {
		prefix := chainKey(rowEntry, c.Incarnation, c.Lane)
		want := from
		err := scan(tx, prefix, entryKey(rowEntry, c.Incarnation, c.Lane, from), func(k, v []byte) error {
			if record.Seq(binary.BigEndian.Uint64(k[13:])) != want || len(out) >= maxCount || (size > 0 && size+len(v) > maxBytes) {
				return errStop
			}
			want++
			size += len(v)
			e, _, err := record.DecodeEntry(slices.Clone(v[8:]))
			out = append(out, e)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range out {
			b, err := record.DecodeBody(e.Body)
			if err != nil {
				return err
			}
			if s := b.Payload.Sealed; s != nil {
				if k, err := wrappedKey(tx, s.Key); err != nil {
					return err
				} else if k != nil {
					keys = append(keys, *k)
				}
			}
		}
		return nil
	})
	return out, keys, err
}

func wrappedKey(tx *badger.Txn, id record.KeyID) (*record.WrappedKey, error) {
	v, err := get(tx, idKey(rowKey, id[:]))
	if err != nil || v == nil {
		return nil, err
	}
	k, err := record.DecodeWrappedKey(v)
	return &k, err
}

// Key is the wrapped key of a sealed part; nil when it is gone.
func (l *Ledger) Key(id record.KeyID) (k *record.WrappedKey, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		k, err = wrappedKey(tx, id)
		return err
	})
	return k, err
}

// Once is the stored answer for an id.
func (l *Ledger) Once(id record.ID) (s Stored, ok bool, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		s, ok, err = getOnce(tx, id)
		return err
	})
	return s, ok, err
}

// Note is a small row; nil when it is not there.
func (l *Ledger) Note(key []byte) (v []byte, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		v, err = get(tx, append([]byte{rowNote}, key...))
		return err
	})
	return v, err
}

// Incident gives every entry about an incident that is here, own and foreign,
// in the order of their positions.
func (l *Ledger) Incident(id record.ID) (rows []Row, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		rows, err = l.incident(tx, id, l.position.Load())
		return err
	})
	return rows, err
}

func (l *Ledger) incident(tx *badger.Txn, id record.ID, upTo uint64) ([]Row, error) {
	var at []uint64
	prefix := idKey(rowIncident, id[:])
	err := scan(tx, prefix, nil, func(k, _ []byte) error {
		at = append(at, binary.BigEndian.Uint64(k[17:]))
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Row
	for _, pos := range at {
		if pos > upTo {
			continue
		}
		r, err := l.row(tx, pos)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// row reads the entry at a position.
func (l *Ledger) row(tx *badger.Txn, pos uint64) (Row, error) {
	r := Row{Position: pos}
	ref, err := get(tx, positionKey(pos))
	if err != nil {
		return r, err
	}
	if ref == nil {
		return r, fmt.Errorf("%w: nothing at position %d", errRow, pos)
	}
	v, err := get(tx, ref)
	if err != nil {
		return r, err
	}
	head := 8
	if ref[0] == rowForeign {
		head = 16
	}
	if len(v) < head {
		return r, fmt.Errorf("%w: entry at position %d", errRow, pos)
	}
	if head == 16 {
		r.Index = binary.BigEndian.Uint64(v[8:])
	}
	if r.Entry, _, err = record.DecodeEntry(v[head:]); err != nil {
		return r, err
	}
	if r.Body, err = record.DecodeBody(r.Entry.Body); err != nil {
		return r, err
	}
	if ref[0] == rowEntry {
		l.smu.RLock()
		name := chainName{r.Entry.Link.Incarnation, r.Entry.Link.Lane}
		c, given := l.receipts[name], l.chains[name]
		l.smu.RUnlock()
		switch seq := r.Entry.Link.Seq; {
		case given != nil && seq <= given.Given:
			r.Index = given.GivenAt
		case seq <= c.Seq:
			r.Index = c.CityIndex
		}
	}
	return r, nil
}

// After gives up to limit entries after a position, in order.
func (l *Ledger) After(pos uint64, limit int) (rows []Row, err error) {
	upTo := l.position.Load()
	err = l.db.View(func(tx *badger.Txn) error {
		for p := pos + 1; p <= upTo && len(rows) < limit; p++ {
			r, err := l.row(tx, p)
			if err != nil {
				return err
			}
			rows = append(rows, r)
		}
		return nil
	})
	return rows, err
}

// Receipt is the latest receipt of an own chain.
func (l *Ledger) Receipt(c record.ChainID) (record.Receipt, bool) {
	l.smu.RLock()
	defer l.smu.RUnlock()
	r, ok := l.receipts[chainName{c.Incarnation, c.Lane}]
	return r, ok
}
