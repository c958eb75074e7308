package fsm

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// stationCame notes a ward's station, once. What is in effect reaches it whole
// with its first resync; its outbox says so with one row per rules and wards, so that a
// station with an empty cursor always finds something to follow, and one for all accounts.
func (b *batch) stationCame(w record.WardCode) (Result, error) {
	if !w.Valid() {
		return Result{Status: Refused, Detail: fmt.Sprintf("%q is no ward", w)}, nil
	}
	key := append([]byte{rowStation}, w...)
	v, err := get(b.tx, key)
	if err != nil || v != nil {
		return Result{Status: OK, Index: b.meta.index}, err
	}
	if err := b.set(key, []byte{1}); err != nil {
		return Result{}, err
	}
	active, err := activeAt(b.tx)
	if err != nil {
		return Result{}, err
	}
	for _, n := range active {
		if err := b.outboxEntry(w, n); err != nil {
			return Result{}, err
		}
	}
	err = b.outbox(w, b.meta.index, binary.AppendUvarint([]byte{refAccounts}, b.meta.index))
	return Result{Status: OK, Index: b.meta.index}, err
}

// announce puts rules, wards or accounts that take effect into every station's outbox.
func (b *batch) announce(index uint64) error {
	var wards []record.WardCode
	err := scan(b.tx, []byte{rowStation}, nil, false, func(k, _ []byte) error {
		wards = append(wards, record.WardCode(k[1:]))
		return nil
	})
	if err != nil {
		return err
	}
	for _, w := range wards {
		if err := b.outboxEntry(w, index); err != nil {
			return err
		}
	}
	return nil
}

// activeAt are the city indexes of the rules and the wards in effect.
func activeAt(tx *badger.Txn) (list []uint64, err error) {
	err = scan(tx, []byte{rowActive}, nil, true, func(_, v []byte) error {
		list = append(list, beIndex(v))
		return nil
	})
	return list, err
}

// StationKnown says whether a ward's station has come before.
func (m *Machine) StationKnown(w record.WardCode) (known bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, append([]byte{rowStation}, w...))
		known = v != nil
		return err
	})
	return known, err
}

// Missed is how many missed deadlines were committed here since the start.
func (m *Machine) Missed() uint64 { return m.late.Load() }

// StationRow is a ward that has a station, with the rows of its outbox that the
// station has not taken.
type StationRow struct {
	Ward    record.WardCode
	Waiting uint64
}

// Stations are the wards with a station in the order of their codes, at most limit.
func (m *Machine) Stations(limit int) (list []StationRow, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowStation}, nil, false, func(k, _ []byte) error {
			if len(list) >= limit {
				return errStop
			}
			r := StationRow{Ward: record.WardCode(k[1:])}
			v, err := get(tx, chainKey(rowChain, outboxChain(r.Ward)))
			if err != nil {
				return err
			}
			if v != nil {
				c, err := decodeChain(v)
				if err != nil {
					return err
				}
				r.Waiting = uint64(c.seq - c.acked)
			}
			list = append(list, r)
			return nil
		})
	})
	return list, err
}

// Active calls f with every entry that a station needs to work alone as the city
// does: the rules that were activated, the parts of the wards in effect, the entry that
// activated them, and the accounts, in this order.
func (m *Machine) Active(f func(Row) error) error {
	var list []uint64
	err := m.view(func(tx *badger.Txn) (err error) {
		list, err = activeAt(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := m.Whole(n, f); err != nil {
			return err
		}
	}
	return m.Accounts(f)
}

// Whole calls f with the entry at a city index, after the parts of the wards
// that it activates.
func (m *Machine) Whole(index uint64, f func(Row) error) error {
	e, err := m.Entry(index)
	if err != nil {
		return err
	}
	if e.Body.Kind == record.KindActivate {
		for i := range e.Body.Payload.Parts {
			id := WardsPartID(e.Body.Payload.Data, i)
			var at uint64
			err := m.view(func(tx *badger.Txn) error {
				v, err := get(tx, idKey(rowBody, id[:]))
				at = beIndex(v)
				return err
			})
			if err != nil {
				return err
			}
			part, err := m.Entry(at)
			if err != nil {
				return err
			}
			if err := f(part); err != nil {
				return err
			}
		}
	}
	return f(e)
}

// Wards are the wards in effect as this node has applied them; nil: the built-in centres.
func (m *Machine) Wards() *routing.Wards { return m.activeWards.Load() }

// RulesAt are the rules in effect at a time, milliseconds since the Unix epoch,
// UTC, as this node has applied them.
func (m *Machine) RulesAt(at int64) *routing.Rules { return routing.Pick(*m.active.Load(), at) }
