package fsm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

const (
	// maxAlerts bounds the warnings that are kept in the list, those that have
	// expired with them; the entries stay in the log.
	maxAlerts = 4096
	// alertKept is how long a warning stays in the list after it expired, milliseconds.
	alertKept = 30 * 86_400_000
	// maxForget bounds how many of them one new warning takes out.
	maxForget = 8
)

func alertKey(id record.ID) []byte { return idKey(rowAlert, id[:]) }

func reachedKey(id record.ID, w record.WardCode) []byte {
	return append(idKey(rowReached, id[:]), w...)
}

// alertRow is a warning's place in the log and the end of it.
type alertRow struct {
	id    record.ID
	index uint64
	until int64
}

func decodeAlert(k, v []byte) (r alertRow, err error) {
	if len(k) != 17 || len(v) != 16 {
		return r, errRow
	}
	copy(r.id[:], k[1:])
	r.index, r.until = binary.BigEndian.Uint64(v), int64(binary.BigEndian.Uint64(v[8:]))
	return r, nil
}

func alerts(tx *badger.Txn) (list []alertRow, err error) {
	err = scan(tx, []byte{rowAlert}, nil, true, func(k, v []byte) error {
		r, err := decodeAlert(k, v)
		list = append(list, r)
		return err
	})
	slices.SortFunc(list, func(a, b alertRow) int {
		if a.index < b.index {
			return -1
		}
		return 1
	})
	return list, err
}

// cityBroadcast takes a warning that the command centre sends, and puts it into the
// outbox of each ward that it is for. An update or a cancel also goes to the wards of the
// one that it is about.
func (b *batch) cityBroadcast(body *record.Body) (Result, error) {
	detail, err := b.broadcastFits(body)
	if err != nil || detail != "" {
		return Result{Status: Refused, Detail: detail}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	if err := b.keepAlert(body, n); err != nil {
		return Result{}, err
	}
	units := body.Payload.Told
	if !body.Payload.Target.Zero() {
		old, err := b.alertBody(body.Payload.Target)
		if err != nil {
			return Result{}, err
		}
		units = slices.Concat(units, old.Payload.Told)
	}
	var done []record.WardCode
	for _, u := range units {
		w, ok := u.Ward()
		if !ok || slices.Contains(done, w) {
			continue
		}
		done = append(done, w)
		if err := b.outboxEntry(w, n); err != nil {
			return Result{}, err
		}
	}
	return b.where(OK, n, nil)
}

// broadcastFits says why a warning cannot be sent; empty when it can.
func (b *batch) broadcastFits(body *record.Body) (string, error) {
	p := &body.Payload
	if p.Until <= b.meta.time {
		return "alert.expires: lies in the past; give a later time", nil
	}
	if len(p.Told) == 0 {
		return "alert.area: it is for no ward", nil
	}
	if !p.Target.Zero() {
		v, err := get(b.tx, alertKey(p.Target))
		if err != nil {
			return "", err
		}
		if v == nil {
			return "alert.references: names a warning that the city does not have", nil
		}
	}
	if err := b.forgetAlerts(); err != nil {
		return "", err
	}
	list, err := alerts(b.tx)
	if len(list) >= maxAlerts {
		return fmt.Sprintf("the city has %d warnings that have not expired for a month", len(list)), err
	}
	return "", err
}

// wardBroadcast takes what a ward's station says: a warning that it sent while it was
// cut off, or how many devices one has reached. It came in a chain and is never refused.
func (b *batch) wardBroadcast(body *record.Body) error {
	w, ok := body.Origin.Ward()
	if !ok {
		return nil
	}
	n := b.meta.index
	if body.Kind == record.KindBroadcast {
		return b.keepAlert(body, n)
	}
	v, err := get(b.tx, alertKey(body.Payload.Target))
	if err != nil || v == nil {
		return err // its warning is not in the list any more
	}
	b.weigh(30)
	return b.set(reachedKey(body.Payload.Target, w), u64(nil, n))
}

func (b *batch) keepAlert(body *record.Body, index uint64) error {
	b.weigh(33)
	return b.set(alertKey(body.ID), u64(u64(nil, index), uint64(body.Payload.Until)))
}

func (b *batch) alertBody(id record.ID) (record.Body, error) {
	v, err := get(b.tx, alertKey(id))
	if err != nil {
		return record.Body{}, err
	}
	r, err := b.entryAt(beIndex(v))
	if err != nil {
		return record.Body{}, err
	}
	return record.DecodeBody(r.entry.Body)
}

// forgetAlerts takes a few out of the list that expired long ago.
func (b *batch) forgetAlerts() error {
	list, err := alerts(b.tx)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range list {
		if r.until+alertKept > b.meta.time || n == maxForget {
			continue
		}
		n++
		var keys [][]byte
		err := scan(b.tx, idKey(rowReached, r.id[:]), nil, false, func(k, _ []byte) error {
			keys = append(keys, slices.Clone(k))
			return nil
		})
		if err != nil {
			return err
		}
		for _, k := range append(keys, alertKey(r.id)) {
			if err := b.del(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reached is how far a warning is in one ward: the entry in which its station says it.
type Reached struct {
	Ward record.WardCode
	Row  Row
}

// Broadcast is a warning with what the wards' stations said of it.
type Broadcast struct {
	Row     Row
	Reached []Reached
}

// Broadcasts lists the warnings, the newest first, at most limit; with until, those alone
// that hold at that time, milliseconds since the Unix epoch, UTC.
func (m *Machine) Broadcasts(limit int, until int64) (out []Broadcast, err error) {
	err = m.view(func(tx *badger.Txn) error {
		list, err := alerts(tx)
		if err != nil {
			return err
		}
		slices.Reverse(list)
		for _, r := range list {
			if r.until <= until || len(out) >= limit {
				continue
			}
			x, err := broadcastAt(tx, r)
			if err != nil {
				return err
			}
			out = append(out, x)
		}
		return nil
	})
	return out, err
}

// Broadcast gives one warning.
func (m *Machine) Broadcast(id record.ID) (out Broadcast, known bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, alertKey(id))
		if err != nil || v == nil {
			return err
		}
		r, err := decodeAlert(alertKey(id), v)
		if err != nil {
			return err
		}
		known = true
		out, err = broadcastAt(tx, r)
		return err
	})
	return out, known, err
}

func broadcastAt(tx *badger.Txn, r alertRow) (out Broadcast, err error) {
	e, err := entryAt(tx, r.index)
	if err != nil {
		return out, err
	}
	if out.Row, err = e.out(); err != nil {
		return out, err
	}
	prefix := idKey(rowReached, r.id[:])
	err = scan(tx, prefix, nil, true, func(k, v []byte) error {
		e, err := entryAt(tx, beIndex(v))
		if err != nil {
			return err
		}
		x := Reached{Ward: record.WardCode(k[len(prefix):])}
		x.Row, err = e.out()
		out.Reached = append(out.Reached, x)
		return err
	})
	return out, err
}

// BroadcastsFor calls f with the warnings that hold and concern a ward: what its
// station must know.
func (m *Machine) BroadcastsFor(w record.WardCode, f func(Row) error) error {
	list, err := m.Broadcasts(maxAlerts, m.meta.Load().time)
	if err != nil {
		return err
	}
	unit := record.WardUnit(w)
	concerned := func(x *Broadcast) bool {
		if slices.Contains(x.Row.Body.Payload.Told, unit) {
			return true
		}
		old, known, err := m.Broadcast(x.Row.Body.Payload.Target)
		return err == nil && known && slices.Contains(old.Row.Body.Payload.Told, unit)
	}
	slices.Reverse(list)
	for i := range list {
		if concerned(&list[i]) {
			if err := f(list[i].Row); err != nil {
				return err
			}
		}
	}
	return nil
}
