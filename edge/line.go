package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"wardline/edge/ledger"
	"wardline/sync/downlink"
	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/uplink"
	"wardline/sync/view"
)

// Line gives the ledger to the two ends of the line. It stands apart from the
// station so that a drill runs it over a simulated network.
type Line struct {
	Origin record.Origin
	Ledger *ledger.Ledger
	Keys   sealing.Keys
	// Alarm says what the duty officer and the operator must see.
	Alarm func(string)
	// Claimed is called after the downlink brought a claim made elsewhere.
	Claimed func(*record.Body)
	// Lacks is called when the disk lacks entries of its own that the city holds.
	Lacks func()
	// Cloned is called when the city says that another disk of this name is at work.
	Cloned func()
	// Told is called after the downlink brought rules, wards, accounts or machines.
	Told func() error
	// Device is called after the downlink brought what the city says of a device; nil: nobody asks.
	Device func(index uint64, b *record.Body)
	// Broadcast is called after the downlink brought a public warning; nil: nobody asks.
	Broadcast func(index uint64, b *record.Body)
	// Points is called after the downlink brought places of help; nil: nobody asks.
	Points func() error
	Log    *slog.Logger
}

// Up is the ledger as the uplink needs it.
func (l *Line) Up() uplink.Store { return store{l} }

// Down is the ledger as the downlink needs it.
func (l *Line) Down() downlink.Sink { return sink{l} }

// store gives the ledger to the uplink.
type store struct{ l *Line }

func (x store) Origin() record.Origin    { return x.l.Origin }
func (x store) Changed() <-chan struct{} { return x.l.Ledger.Changed() }

func (x store) Chains() []uplink.ChainState {
	list := x.l.Ledger.Chains()
	out := make([]uplink.ChainState, len(list))
	for i, c := range list {
		out[i] = uplink.ChainState{Chain: c.Chain, Order: c.Order, Head: c.Head, City: c.City}
	}
	return out
}

func (x store) Read(c record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	list, keys, err := x.l.Ledger.Read(c, from, maxCount, maxBytes)
	if err != nil {
		return nil, nil, err
	}
	out, lost := sealing.Rewrap(keys, x.l.Keys, w)
	if lost > 0 {
		x.l.Log.Error("keys of sealed parts cannot be read with this station's key file", "keys", lost)
	}
	return list, out, nil
}

func (x store) SaveReceipt(r record.Receipt) error { return x.l.Ledger.SaveReceipt(r) }

func (x store) Reincarnate(c record.ChainID, from record.Seq) error {
	x.l.Alarm(fmt.Sprintf("this disk and the city held different entries at %s %s %d; ours are sent again", c.Incarnation, c.Lane, from))
	if err := x.l.Ledger.Reincarnate(c, from); err != nil {
		return err
	}
	x.l.Lacks()
	return nil
}

func (x store) Ahead(c record.ChainID, have, city record.Seq) {
	x.l.Log.Warn("the city holds more of a chain than this disk", "chain", c, "have", have, "city", city)
	x.l.Alarm(rolledBack(c.Incarnation))
	x.l.Lacks()
}

// rolledBack is said however it comes out: by the city's heads, or by what it gives back,
// whichever line stands first.
func rolledBack(life record.Incarnation) string {
	return fmt.Sprintf("this disk was rolled back, or another machine runs with a copy of it: the city holds entries of its life %s that were not here; they come back by the downlink", life)
}

func (x store) Refused(c record.ChainID, from record.Seq, detail string) {
	x.l.Alarm(fmt.Sprintf("the city refuses the entries from %s %s %d on; they stay here and are offered again: %s", c.Incarnation, c.Lane, from, detail))
}

// downEntry is what the city says, at a place in its order.
type downEntry struct {
	index uint64
	body  record.Body
}

// sink gives the ledger to the downlink.
type sink struct{ l *Line }

var cursorKey = []byte("downlink/cursor")

// clonedKey is the note that another disk of this name was at work: the city says it
// once for each life of that one, and this process may be another one by then.
var clonedKey = []byte("downlink/cloned")

func (x sink) Origin() record.Origin { return x.l.Origin }

func (x sink) Heads() []record.Head {
	var out []record.Head
	for _, c := range x.l.Ledger.Chains() {
		out = append(out, c.Head)
	}
	return out
}

func (x sink) Cursor() (downlink.Cursor, error) {
	var c downlink.Cursor
	v, err := x.l.Ledger.Note(cursorKey)
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
	told := false   // of rules or wards
	points := false // of places of help
	cloned := false // by its own word
	var claims []record.Body
	var devices, warnings, erasures []downEntry
	var alarms []string
	own := map[record.ChainID]record.Seq{} // what is here of this station's own chains
	for _, c := range x.l.Ledger.Chains() {
		own[c.Chain] = c.Head.Seq
	}
	for _, e := range p.Entries {
		entry, rest, err := record.DecodeEntry(e.Raw)
		if err != nil || len(rest) != 0 {
			return fmt.Errorf("edge: entry %d from the city cannot be read: %w", e.Index, err)
		}
		f.Entries = append(f.Entries, ledger.CityEntry{Index: e.Index, Entry: entry})
		if l := entry.Link; l.Origin == x.l.Origin && l.Seq > own[l.Chain()] {
			if said := rolledBack(l.Incarnation); !slices.Contains(alarms, said) {
				alarms = append(alarms, said)
			}
			own[l.Chain()] = l.Seq
		}
		if body, err := record.DecodeBody(entry.Body); err == nil { // else the ledger says so
			switch {
			case body.Kind == record.KindDevice:
				devices = append(devices, downEntry{e.Index, body})
			case body.Kind == record.KindPoints:
				points = true
			case body.Kind.Broadcast():
				warnings = append(warnings, downEntry{e.Index, body})
			default:
				told = told || body.Kind.Directory()
			}
			if body.Kind == record.KindErasure && body.Origin == record.CoreOrigin {
				erasures = append(erasures, downEntry{e.Index, body})
			}
			if body.Kind == record.KindClaim {
				claims = append(claims, body)
			}
			if body.Kind == record.KindAlarm && body.Origin == record.CoreOrigin && body.Payload.Patrol == string(x.l.Origin) {
				alarms = append(alarms, "the city says: "+string(body.Payload.Data))
				cloned = cloned || body.Payload.Reason == record.AlarmClone
			}
		}
	}
	keys, lost := sealing.Rewrap(p.Keys, w, x.l.Keys)
	if lost > 0 {
		x.l.Log.Error("keys of sealed parts could not be read on the downlink", "keys", lost)
	}
	f.Keys = keys
	if len(erasures) > 0 { // the entries first: from then on nobody writes what would be erased
		if err := x.l.Ledger.Foreign(ledger.Foreign{Entries: f.Entries, Keys: f.Keys}); err != nil {
			return err
		}
		f.Entries, f.Keys = nil, nil
		notes, err := x.carryOut(erasures)
		if err != nil {
			return err
		}
		f.Notes = append(f.Notes, notes...)
	}
	if cloned {
		f.Notes = append(f.Notes, ledger.Note{Key: clonedKey, Value: []byte{1}})
	}
	if p.Cursor != nil {
		v := binary.BigEndian.AppendUint64(nil, uint64(p.Cursor.Seq))
		f.Notes = append(f.Notes, ledger.Note{Key: cursorKey, Value: append(v, p.Cursor.Hash[:]...)})
		if planted.CursorFirst {
			if err := x.l.Ledger.Foreign(ledger.Foreign{Notes: f.Notes}); err != nil {
				return err
			}
		}
	}
	if err := x.l.Ledger.Foreign(f); err != nil {
		return err
	}
	for _, a := range alarms {
		x.l.Alarm(a)
	}
	if cloned {
		x.l.Cloned()
	}
	for i := range claims {
		x.l.Claimed(&claims[i])
	}
	for i := range devices {
		if x.l.Device != nil {
			x.l.Device(devices[i].index, &devices[i].body)
		}
	}
	for i := range warnings {
		if x.l.Broadcast != nil {
			x.l.Broadcast(warnings[i].index, &warnings[i].body)
		}
	}
	if points && x.l.Points != nil {
		if err := x.l.Points(); err != nil {
			return err
		}
	}
	if !told {
		return nil
	}
	return x.l.Told()
}

// stationLog is what lists and live streams follow.
type stationLog struct{ l *ledger.Ledger }

func (x stationLog) Position() uint64         { return x.l.Position() }
func (x stationLog) Changed() <-chan struct{} { return x.l.Changed() }

func (x stationLog) After(pos uint64, limit int) (out []view.Committed, err error) {
	out = make([]view.Committed, 0, min(limit, int(x.l.Position()-min(pos, x.l.Position()))))
	err = x.l.Bodies(pos, limit, func(pos uint64, b record.Body) { out = append(out, view.Committed{Position: pos, Body: b}) })
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
