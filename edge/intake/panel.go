package intake

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"wardline/hardware/panel"
	"wardline/sync/door"
	"wardline/sync/record"
	"wardline/sync/report"
)

// PanelFrame is a frame of an alarm line, with the line's profile.
type PanelFrame struct {
	panel.Frame
	Session string
	Window  time.Duration
}

// Panel takes a frame of an alarm line. done is called after the sync: nil
// means that the frame may be acknowledged. Heartbeats and damage have no entry
// and do not come here.
//
// A frame that comes again within its resend window is the same press: it is
// added to its incident as a signal. Outside the window it is a new report. In
// doubt it rings twice.
func (d *Door) Panel(src Source, f PanelFrame, done func(error)) {
	now := d.wall()
	if f.Kind == panel.KindUnfit {
		d.ledger.Quarantine(Malformed{Raw: f.Raw, Bytes: len(f.Raw), Device: src.Device, Via: src.Via, At: now.UnixMilli(), Type: "unfit_frame",
			Detail: "a complete frame that the line's profile does not know; check the profile or the sender"}, counted(&d.counts.Unfit, done))
		return
	}
	key := panelKey("frame/", src.Device, f.RepeatKey(f.Session))
	var was *atomic.Int64 // what the frame was, once it is decided; it counts after the sync
	d.ledger.Decide(record.Urgent, func(v View) (drafts []Draft, err error) {
		if id, ok := recentNote(v.Note(key), now, f.Window); ok && len(f.ResendKey) > 0 {
			if id.Zero() {
				was = &d.counts.Repeats
				return nil, nil // a status or a test again: nothing to add
			}
			was = &d.counts.Signals
			return []Draft{d.signal(src, f.Events, id, now, 0)}, nil
		}
		drafts, was, err = d.panelDrafts(src, f, v, key, now)
		return drafts, err
	}, func(_ []Kept, err error) { counted(was, done)(err) })
}

// counted is done with the counter moved before it, if what it counts was kept.
func counted(c *atomic.Int64, done func(error)) func(error) {
	return func(err error) {
		if err == nil && c != nil {
			c.Add(1)
		}
		done(err)
	}
}

func panelKey(kind, device string, rest []byte) []byte {
	k := append([]byte("panel/"+kind+device+"/"), hex.EncodeToString(rest)...)
	return k[:min(len(k), 250)]
}

// A note is the report's id and when it was, milliseconds.
func noteOf(id record.ID, now time.Time) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), id[:]...), uint64(now.UnixMilli()))
}

func recentNote(v []byte, now time.Time, window time.Duration) (record.ID, bool) {
	if len(v) != 24 {
		return record.ID{}, false
	}
	age := now.UnixMilli() - int64(binary.BigEndian.Uint64(v[16:]))
	return record.ID(v[:16]), age >= 0 && age <= window.Milliseconds()
}

// attachWindow is how long a restore or a cancel finds the alarm that it
// belongs to.
const attachWindow = 7 * 24 * time.Hour

// panelDrafts is what a frame adds, and the counter that it moves once it is kept.
func (d *Door) panelDrafts(src Source, f PanelFrame, v View, key []byte, now time.Time) ([]Draft, *atomic.Int64, error) {
	m := panel.Combine(f.Events)
	if len(f.Events) == 0 {
		return nil, nil, errors.New("intake: a frame without an event")
	}
	first := f.Events[0]
	alarm := panelKey("alarm/", src.Device, []byte(first.Account+"/"+first.Group+"/"+first.Zone))
	account := panelKey("account/", src.Device, []byte(first.Account))
	var count *atomic.Int64
	remember := func(id record.ID) []Note { return []Note{{key, noteOf(id, now)}} }
	switch m.Effect {
	case panel.EffectOpen:
		draft := d.alarm(src, f, m, now)
		id := draft.Body.Incident
		draft.Notes = append(remember(id), Note{alarm, noteOf(id, now)}, Note{account, noteOf(id, now)})
		return []Draft{draft}, &d.counts.Reports, nil
	case panel.EffectAttach, panel.EffectCancel:
		id, ok := recentNote(v.Note(alarm), now, attachWindow)
		if !ok || m.Effect == panel.EffectCancel {
			id, ok = recentNote(v.Note(account), now, attachWindow)
		}
		if ok {
			var flags record.Flags
			if m.Effect == panel.EffectCancel {
				flags = record.FlagCancelled
			}
			draft := d.signal(src, f.Events, id, now, flags)
			draft.Notes = remember(id)
			return []Draft{draft}, &d.counts.Signals, nil
		}
	case panel.EffectTest:
		count = &d.counts.Tests
	}
	draft := d.entry(src, record.KindStatus, now)
	draft.Lane = record.Telemetry
	draft.Body.Payload.Signal = signalOf(first)
	draft.Body.Payload.Reason = m.Effect.String()
	draft.Notes = remember(record.ID{})
	return []Draft{draft}, count, nil
}

func (d *Door) entry(src Source, kind record.Kind, now time.Time) Draft {
	b := record.Body{ID: record.NewID(now), Kind: kind, Origin: d.origin, Actor: record.Actor{Kind: record.ByDevice, Name: src.Device},
		HLC: d.ledger.Clock().Now(), Clock: d.ledger.ClockState(), CapturedAt: now.UnixMilli(), ReceivedAt: now.UnixMilli(), Payload: record.Payload{Ward: src.Ward}}
	if !d.online() {
		b.Payload.Flags |= record.FlagOffline
	}
	return Draft{Lane: record.Urgent, Body: b}
}

// alarm makes the report of a panel's alarm; it opens an incident.
func (d *Door) alarm(src Source, f PanelFrame, m panel.Meaning, now time.Time) Draft {
	id := record.NewID(now)
	draft := d.entry(src, record.KindReport, now)
	b := &draft.Body
	b.ID, b.Incident = door.EntryID(id, d.origin), id
	p := &b.Payload
	p.Report, p.Category, p.Signal = id, record.Category(m.Category), signalOf(f.Events[0])
	if m.Silent {
		p.Flags |= record.FlagSilent
	}
	flags := slices.Concat(f.Flags, m.Flags)
	for _, e := range f.Events {
		flags = append(flags, e.Flags...)
	}
	for _, fl := range flags {
		switch fl {
		case panel.FlagUnknownCode, panel.FlagUnlistedCode:
			p.Flags |= record.FlagUnknownCode
		case panel.FlagShortAccount:
			p.Flags |= record.FlagShortAccount
		}
	}
	p.Fingerprint = (&report.Report{ID: id, Category: p.Category}).Fingerprint()
	draft.Lane = d.lane(p.Category, p.Flags)
	draft.Once = &Once{ID: id, Fingerprint: p.Fingerprint}
	return draft
}

// signal adds what a panel said to an incident that it opened.
func (d *Door) signal(src Source, events []panel.Event, id record.ID, now time.Time, flags record.Flags) Draft {
	draft := d.entry(src, record.KindSignal, now)
	draft.Body.Incident, draft.Body.Payload.Report = id, id
	draft.Body.Payload.Flags |= flags
	draft.Body.Payload.Signal = signalOf(events[0])
	return draft
}

func signalOf(e panel.Event) *record.Signal {
	return &record.Signal{Protocol: string(e.System), Account: e.Account, Qualifier: string(e.Qualifier), Code: e.Code, Group: e.Group, Zone: e.Zone}
}
