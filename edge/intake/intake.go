// Package intake is the station's one door. Whatever brings a report (the
// MQTT broker, the bridge, HTTP, a serial line) hands it in here, and is
// answered after the ledger has synced it.
//
// The door checks, recognises repeats, corrects clocks, seals what identifies
// people and chooses the lane. It refuses nothing for its time, and what it
// must refuse for good it keeps raw first. It decides neither who may speak
// (the broker and the interface know their devices) nor who is told (routing).
package intake

import (
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"wardline/sync/door"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

// Source is who hands something in.
type Source struct {
	Device string
	Ward   record.WardCode
	// Kind is app, kiosk, panel, button, desk or bridge.
	Kind string
	// Via is the wire: mqtt, http, serial, bridge.
	Via string
}

// Draft is what the door asks the ledger to append.
type Draft struct {
	Lane record.LaneID
	Body record.Body
	Key  *door.Key // of the body's sealed part
	// Once is set for reports: the ledger recognises the id after any time.
	Once *Once
	// Notes are small rows written in the same transaction.
	Notes []Note
}

// Once names what must be appended only once.
type Once struct {
	ID          record.ID
	Fingerprint record.Hash
	Extra       []byte
}

// Note is a small row beside the entries.
type Note struct{ Key, Value []byte }

// Kept says where something stands.
type Kept struct {
	Repeat      bool
	Incarnation record.Incarnation
	Lane        record.LaneID
	Seq         record.Seq
	Hash        record.Hash
	ReceivedAt  int64
	Extra       []byte
}

// Errors that the ledger answers with.
var (
	// ErrOtherContent: the id was used before for another content.
	ErrOtherContent = errors.New("intake: the id stands for another content")
	// ErrLater: refused for now (no room, too much waiting); send it again.
	ErrLater = errors.New("intake: not now, send it again")
)

// View is what a decision in commit order may read.
type View interface {
	Note(key []byte) []byte
}

// Ledger is the store behind the door.
type Ledger interface {
	// Submit appends; done is called after the sync and must not block.
	Submit(d Draft, done func(Kept, error))
	// Decide runs f in commit order and appends what it returns.
	Decide(lane record.LaneID, f func(View) ([]Draft, error), done func([]Kept, error))
	// Quarantine keeps malformed bytes, synced, bounded.
	Quarantine(m Malformed, done func(error))
	// Clock stamps bodies.
	Clock() *record.Clock
	// ClockState says whether the wall clock can be trusted.
	ClockState() record.ClockState
}

// Malformed is input that was refused for good.
type Malformed struct {
	Raw    []byte `json:"raw,omitempty"`
	Sealed []byte `json:"sealed,omitempty"` // Raw, as whoever keeps it seals it
	Bytes  int    `json:"bytes"`            // as sent; Raw may be cut
	SHA256 string `json:"payload_sha256"`
	Device string `json:"device"`
	Via    string `json:"via"`
	At     int64  `json:"at"`
	Field  string `json:"field,omitempty"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// Answer is what a sender is told once its report is safe.
type Answer struct {
	Kept
	ID record.ID
	// Incident differs from ID when the id stood for another content.
	Incident record.ID
	Warnings []report.Warning
	Silent   bool
}

// Door is the station's intake.
type Door struct {
	origin record.Origin
	ledger Ledger
	rules  func() *routing.Rules
	wall   func() time.Time
	online func() bool
	marks  func(r *report.Report, ward record.WardCode, at int64) bool
	log    *slog.Logger

	counts Counts
}

// Counts are what went through the door since the start; what is kept counts once it
// is synced.
type Counts struct{ Reports, Repeats, Malformed, Later, OtherContent, Signals, Tests, Unfit atomic.Int64 }

// Config joins the door to the station.
type Config struct {
	Origin record.Origin
	Ledger Ledger
	// Rules gives the rules that the station knows now.
	Rules func() *routing.Rules
	Wall  func() time.Time
	// Online says whether the line to the city stands; what is taken while it
	// does not is marked so.
	Online func() bool
	// Practice says whether a report may be of the exercise that it names; nil: none may.
	Practice func(r *report.Report, ward record.WardCode, at int64) bool
	Log      *slog.Logger
}

// New makes the door; it starts nothing.
func New(c Config) *Door {
	return &Door{origin: c.Origin, ledger: c.Ledger, rules: c.Rules, wall: c.Wall, online: c.Online, marks: c.Practice, log: c.Log}
}

// Counts are the door's counters.
func (d *Door) Counts() *Counts { return &d.counts }

// Report takes a report as its source sent it. done is called once, from any
// goroutine: after the sync with an answer; with a *report.Problem after the
// malformed bytes are synced; with ErrLater when it must be sent again.
func (d *Door) Report(src Source, raw []byte, done func(Answer, error)) {
	r, warnings, problem := report.Parse(raw)
	if problem != nil {
		d.Refuse(src, raw, problem, done)
		return
	}
	at := d.wall().UnixMilli()
	out, err := door.Body(door.Input{Report: r, Warnings: warnings, Origin: d.origin, Device: src.Device, Ward: src.Ward,
		HLC: d.ledger.Clock().Now(), Clock: d.ledger.ClockState(), ReceivedAt: at, Offline: !d.online(),
		Practice: d.marks != nil && !r.Exercise.Zero() && d.marks(&r, src.Ward, at)})
	if err != nil {
		d.unkept(src, raw, r.ID, err, done)
		return
	}
	d.submit(r.ID, out.Body, out.Key, out.Body.Payload.Fingerprint, out.Warnings, func(a Answer, err error) {
		if err != nil && !errors.Is(err, ErrLater) {
			d.unkept(src, raw, r.ID, err, done)
			return
		}
		done(a, err)
	})
}

// unkept refuses for good what can never be kept, although it is well-formed: sent
// again it would fail again, for ever.
func (d *Door) unkept(src Source, raw []byte, id record.ID, err error, done func(Answer, error)) {
	d.log.Error("a well-formed report cannot be kept; its bytes are, with the malformed", "id", id, "device", src.Device, "err", err)
	d.Refuse(src, raw, &report.Problem{Type: report.InvalidValue, ID: id, Detail: "the station cannot keep this report; its operator finds the reason in the log"}, done)
}

func (d *Door) submit(id record.ID, body record.Body, key *door.Key, fp record.Hash, warn []report.Warning, done func(Answer, error)) {
	var extra []byte
	if len(warn) > 0 {
		var err error
		if extra, err = json.Marshal(warn); err != nil {
			done(Answer{}, err)
			return
		}
	}
	draft := Draft{Lane: d.lane(body.Payload.Category, body.Payload.Flags), Body: body, Key: key, Once: &Once{id, fp, extra}}
	d.ledger.Submit(draft, func(k Kept, err error) {
		switch {
		case errors.Is(err, ErrOtherContent) && body.Payload.Flags&record.FlagOtherContent == 0:
			other := door.OtherContentID(id, fp)
			d.log.Warn("an id came again with another content and is kept under its own", "id", id, "kept_as", other, "device", body.Actor.Name)
			body.Incident, body.Payload.Report = other, other
			body.ID = door.EntryID(other, d.origin)
			body.Payload.Flags |= record.FlagOtherContent
			warn = append(warn, door.OtherContent(other))
			d.submit(other, body, key, fp, warn, func(a Answer, err error) {
				a.ID = id
				if err == nil && !a.Repeat {
					d.counts.OtherContent.Add(1)
				}
				done(a, err)
			})
			return
		case err != nil:
			d.counts.Later.Add(1)
			done(Answer{ID: id}, err)
			return
		}
		a := Answer{Kept: k, ID: id, Incident: id, Warnings: warn, Silent: body.Payload.Flags&record.FlagSilent != 0}
		if k.Repeat {
			d.counts.Repeats.Add(1)
			a.Warnings = nil
			if len(k.Extra) == 0 {
				done(a, nil)
				return
			}
			if err := json.Unmarshal(k.Extra, &a.Warnings); err != nil {
				d.log.Error("stored warnings cannot be read", "id", id, "err", err)
			}
		} else {
			d.counts.Reports.Add(1)
		}
		done(a, nil)
	})
}

// lane is where an entry of a category goes.
func (d *Door) lane(c record.Category, f record.Flags) record.LaneID {
	return d.rules().For(c, f&record.FlagSilent != 0).Lane
}
