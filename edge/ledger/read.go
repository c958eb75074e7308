package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
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
func (l *Ledger) Read(c record.ChainID, from record.Seq, maxCount, maxBytes int) (out []record.Entry, keys []record.WrappedKey, err error) {
	name, size, want := chainName{c.Incarnation, c.Lane}, 0, from
	l.smu.RLock()
	head := record.Seq(0)
	if row := l.chains[name]; row != nil {
		head = row.Seq
	}
	l.smu.RUnlock()
	err = l.db.View(func(tx *badger.Txn) error {
		return eachRange(tx, name, from, func(r chainRange) error {
			if r.first > want {
				return errStop
			}
			took, full := map[uint16]bool{}, false // by their places in the block
			found, err := l.eachHeld(tx, r.block, func(raw []byte, at place) error {
				n, seq := chainOf(raw)
				if n != name || seq != want {
					return nil
				}
				if full = seq > head || len(out) >= maxCount || (size > 0 && size+len(raw) > maxBytes); full {
					return errStop
				}
				h, err := decodeHeld(slices.Clone(raw), at)
				if err != nil {
					return err
				}
				out, size, want = append(out, h.entry), size+len(raw), want+1
				took[uint16(at.pos-at.block)] = true
				return nil
			})
			if err == nil && len(took) > 0 {
				keys, err = blockKeys(tx, r.block, keys, func(n uint16, _ record.KeyID) bool { return took[n] })
			}
			if err == nil && (full || !found || want <= r.last) {
				err = errStop
			}
			return err
		})
	})
	return out, keys, err
}

// blockKeys appends the wrapped keys of a block's entries that are wanted, by
// their places in the block and their ids.
func blockKeys(tx *badger.Txn, block uint64, out []record.WrappedKey, want func(n uint16, id record.KeyID) bool) ([]record.WrappedKey, error) {
	it, err := tx.Get(blockKeysKey(block))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	err = it.Value(func(v []byte) error {
		for len(v) > 0 {
			if len(v) < 2+record.WrappedSize {
				return fmt.Errorf("%w: keys of block %d", errRow, block)
			}
			if want(binary.BigEndian.Uint16(v), record.KeyID(v[2:])) {
				k, err := record.DecodeWrappedKey(v[2 : 2+record.WrappedSize])
				if err != nil {
					return err
				}
				out = append(out, k)
			}
			v = v[2+record.WrappedSize:]
		}
		return nil
	})
	return out, err
}

// Key is the wrapped key of a sealed part of an entry at a position; nil when it is gone.
func (l *Ledger) Key(pos uint64, id record.KeyID) (k *record.WrappedKey, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		keys, err := blockKeys(tx, l.blockOf(tx, pos), nil, func(_ uint16, of record.KeyID) bool { return of == id })
		if err != nil || len(keys) > 0 {
			if len(keys) > 0 {
				k = &keys[0]
			}
			return err
		}
		v, err := get(tx, idKey(rowKey, id[:])) // of what the city sent
		if err != nil || v == nil {
			return err
		}
		w, err := record.DecodeWrappedKey(v)
		k = &w
		return err
	})
	return k, err
}

// Once is the stored answer for an id.
func (l *Ledger) Once(id record.ID) (s Stored, ok bool, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		s, ok, err = l.getOnce(tx, id)
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
	var list []place
	v, err := get(tx, idKey(rowOnce, id[:]))
	if err != nil {
		return nil, err
	}
	if v != nil {
		at, err := decodePlace(v)
		if err != nil {
			return nil, err
		}
		h, err := l.heldAt(tx, at)
		if err != nil && !errors.Is(err, errLost) {
			return nil, err
		}
		if list = append(list, at); h.flags&flagRouted != 0 {
			list = append(list, place{at.pos + 1, at.block})
		}
	}
	err = scan(tx, idKey(rowIncident, id[:]), nil, func(k, v []byte) error {
		if len(k) != 25 || len(v) != 8 {
			return fmt.Errorf("%w: incident %x", errRow, k)
		}
		list = append(list, place{binary.BigEndian.Uint64(k[17:]), binary.BigEndian.Uint64(v)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b place) int { return cmp.Compare(a.pos, b.pos) })
	var out []Row
	for _, at := range list {
		if at.pos > upTo {
			continue
		}
		h, err := l.heldAt(tx, at)
		if errors.Is(err, errLost) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := l.row(&h)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// row is an entry as readers get it.
func (l *Ledger) row(h *held) (Row, error) {
	r := Row{Position: h.pos, Index: h.index, Entry: h.entry}
	var err error
	if r.Body, err = record.DecodeBody(h.entry.Body); err != nil || h.flags&flagForeign != 0 {
		return r, err
	}
	name := chainName{h.entry.Link.Incarnation, h.entry.Link.Lane}
	l.smu.RLock()
	c, given := l.receipts[name], l.chains[name]
	l.smu.RUnlock()
	switch seq := h.entry.Link.Seq; {
	case given != nil && seq <= given.Given:
		r.Index = given.GivenAt
	case seq <= c.Seq:
		r.Index = c.CityIndex
	}
	return r, nil
}

// After gives up to limit entries after a position, in order.
func (l *Ledger) After(pos uint64, limit int) (rows []Row, err error) {
	err = l.each(pos, func(raw []byte, at place) error {
		h, err := decodeHeld(slices.Clone(raw), at)
		if err != nil {
			return err
		}
		r, err := l.row(&h)
		if rows = append(rows, r); err == nil && len(rows) >= limit {
			err = errStop
		}
		return err
	})
	return rows, err
}

// Bodies is After for who needs no more than what the entries say: f is called for
// up to limit bodies.
func (l *Ledger) Bodies(pos uint64, limit int, f func(pos uint64, b record.Body)) error {
	return l.each(pos, func(raw []byte, at place) error {
		h, err := decodeHeld(raw, at)
		if err != nil {
			return err
		}
		b, err := record.DecodeBody(h.entry.Body)
		if err != nil {
			return err
		}
		f(at.pos, b)
		if limit--; limit <= 0 {
			return errStop
		}
		return nil
	})
}

// Unrouted gives up to limit reports that were taken here, after a position, and have no routing of this
// station right behind them; next is the position up to which it looked, at most look entries.
func (l *Ledger) Unrouted(pos uint64, limit, look int) (rows []Row, next uint64, err error) {
	next = pos
	err = l.each(pos, func(raw []byte, at place) error {
		next = at.pos
		if look--; look <= 0 {
			return errStop
		}
		if raw[0]&(flagForeign|flagRouted) != 0 {
			return nil
		}
		h, err := decodeHeld(raw, at)
		if err != nil {
			return err
		}
		_, _, kind, err := record.Peek(h.entry.Body)
		if err != nil || kind != record.KindReport {
			return err
		}
		h.entry.Body = slices.Clone(h.entry.Body)
		r, err := l.row(&h)
		if rows = append(rows, r); err == nil && len(rows) >= limit {
			err = errStop
		}
		return err
	})
	return rows, next, err
}

// each calls f for the entries after a position, in order, until f gives errStop; what it gets is valid
// only during the call.
func (l *Ledger) each(pos uint64, f func(raw []byte, at place) error) error {
	upTo := l.position.Load()
	if pos >= upTo {
		return nil
	}
	return l.db.View(func(tx *badger.Txn) error {
		next, stopped := pos+1, false
		visit := func(raw []byte, at place) error {
			if at.pos < next {
				return nil
			}
			next = at.pos + 1
			err := f(raw, at)
			stopped = errors.Is(err, errStop)
			return err
		}
		for first := next; next <= upTo && !stopped; first = next {
			found, err := l.eachHeld(tx, first, visit)
			if err == nil && !found { // in the middle of a block
				_, err = l.eachHeld(tx, l.blockOf(tx, first), visit)
			}
			if err != nil {
				return err
			}
			if next == first { // lost
				if next = seekBlock(tx, first, false); next == 0 {
					return nil
				}
			}
		}
		return nil
	})
}

// Receipt is the latest receipt of an own chain.
func (l *Ledger) Receipt(c record.ChainID) (record.Receipt, bool) {
	l.smu.RLock()
	defer l.smu.RUnlock()
	r, ok := l.receipts[chainName{c.Incarnation, c.Lane}]
	return r, ok
}

// getOnce reads what is known of a report's first arrival.
func (l *Ledger) getOnce(tx *badger.Txn, id record.ID) (Stored, bool, error) {
	v, err := get(tx, idKey(rowOnce, id[:]))
	if err != nil || v == nil {
		return Stored{}, false, err
	}
	at, err := decodePlace(v)
	if err != nil {
		return Stored{}, false, err
	}
	h, err := l.heldAt(tx, at)
	if errors.Is(err, errLost) {
		return Stored{}, false, nil // it is taken anew
	}
	if err != nil {
		return Stored{}, false, err
	}
	body, err := record.DecodeBody(h.entry.Body)
	return storedOf(&h, h.entry.Hash(), &body), err == nil, err
}

// get reads a row; nil when it is not there.
func get(tx *badger.Txn, key []byte) ([]byte, error) {
	it, err := tx.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return it.ValueCopy(nil)
}
