package edge

import (
	"encoding/binary"
	"errors"
	"fmt"

	"wardline/edge/ledger"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/uplink"
	"wardline/sync/view"
)

// store gives the ledger to the uplink.
type store struct{ s *Station }

func (x store) Origin() record.Origin    { return x.s.origin }
func (x store) Changed() <-chan struct{} { return x.s.ledger.Changed() }

func (x store) Chains() []uplink.ChainState {
	list := x.s.ledger.Chains()
	out := make([]uplink.ChainState, len(list))
	for i, c := range list {
		out[i] = uplink.ChainState{Chain: c.Chain, Order: c.Order, Head: c.Head, City: c.City}
	}
	return out
}

func (x store) Read(c record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	list, keys, err := x.s.ledger.Read(c, from, maxCount, maxBytes)
	if err != nil {
		return nil, nil, err
	}
	out, lost := sealing.Rewrap(keys, x.s.keys.Wrapper, w)
	if lost > 0 {
		x.s.log.Error("keys of sealed parts cannot be read with this station's key file", "keys", lost)
	}
	return list, out, nil
}

func (x store) SaveReceipt(r record.Receipt) error { return x.s.ledger.SaveReceipt(r) }

func (x store) Reincarnate(c record.ChainID, from record.Seq) error {
	x.s.alarm(fmt.Sprintf("this disk and the city held different entries at %s %s %d; ours are sent again", c.Incarnation, c.Lane, from))
	return x.s.ledger.Reincarnate(c, from)
}

func (x store) Ahead(c record.ChainID, have, city record.Seq) {
	x.s.alarm(fmt.Sprintf("this disk was rolled back: it has %d entries of %s %s, the city has %d; they come back by the downlink", have, c.Incarnation, c.Lane, city))
}

// sink gives the ledger to the downlink.
type sink struct{ s *Station }

var cursorKey = []byte("downlink/cursor")

func (x sink) Origin() record.Origin { return x.s.origin }

func (x sink) Heads() []record.Head {
	var out []record.Head
	for _, c := range x.s.ledger.Chains() {
		out = append(out, c.Head)
	}
	return out
}

func (x sink) Cursor() (downlink.Cursor, error) {
	var c downlink.Cursor
	v, err := x.s.ledger.Note(cursorKey)
	if err != nil || v == nil {
		return c, err
	}
	if len(v) != 40 {
		return c, errors.New("edge: damaged downlink cursor")
	}
	c.Seq = record.Seq(binary.BigEndian.Uint64(v))
	copy(c.Hash[:], v[8:])
	return c, nil
}

func (x sink) Apply(p downlink.Part, w *record.Wrapper) error {
	var f ledger.Foreign
	told := false // of rules or wards
	var claims []record.Body
	for _, e := range p.Entries {
		entry, rest, err := record.DecodeEntry(e.Raw)
		if err != nil || len(rest) != 0 {
			return fmt.Errorf("edge: entry %d from the city cannot be read: %w", e.Index, err)
		}
		f.Entries = append(f.Entries, ledger.CityEntry{Index: e.Index, Entry: entry})
		if body, err := record.DecodeBody(entry.Body); err == nil { // else the ledger says so
			told = told || body.Kind.Directory()
			if body.Kind == record.KindClaim {
				claims = append(claims, body)
			}
		}
	}
	keys, lost := sealing.Rewrap(p.Keys, w, x.s.keys.Wrapper)
	if lost > 0 {
		x.s.log.Error("keys of sealed parts could not be read on the downlink", "keys", lost)
	}
	f.Keys = keys
	if p.Cursor != nil {
		v := binary.BigEndian.AppendUint64(nil, uint64(p.Cursor.Seq))
		f.Notes = []ledger.Note{{Key: cursorKey, Value: append(v, p.Cursor.Hash[:]...)}}
	}
	if err := x.s.ledger.Foreign(f); err != nil {
		return err
	}
	for i := range claims {
		x.s.claimed(&claims[i])
	}
	if !told {
		return nil
	}
	return x.s.readDirectory()
}

// stationLog is what lists and live streams follow.
type stationLog struct{ l *ledger.Ledger }

func (x stationLog) Position() uint64         { return x.l.Position() }
func (x stationLog) Changed() <-chan struct{} { return x.l.Changed() }

func (x stationLog) After(pos uint64, limit int) ([]view.Committed, error) {
	rows, err := x.l.After(pos, limit)
	out := make([]view.Committed, len(rows))
	for i, r := range rows {
		out[i] = view.Committed{Position: r.Position, Body: r.Body}
	}
	return out, err
}

func (x stationLog) Bodies(id record.ID) ([]record.Body, error) {
	rows, err := x.l.Incident(id)
	out := make([]record.Body, len(rows))
	for i, r := range rows {
		out[i] = r.Body
	}
	return out, err
}
