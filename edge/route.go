package edge

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"wardline/edge/ledger"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// alonePause is how long the station waits for the city's routing before it
// makes its own: with the line up the city's is there within a few
// milliseconds.
const alonePause = 3 * time.Second

// routedKey is the note with the position up to which this station has routed; it
// is written with the routing itself. Without it, a station of before looks routeBack back.
var routedKey = []byte("routed-alone")

const routeBack = 2000

// How reports are routed in groups: one decision of the ledger, and so one
// sync, for all that came in meanwhile. Without the pause each report's routing would be
// a sync of its own, in the way of the next report's.
const (
	aloneGroup = 128
	aloneLook  = 1 << 16 // entries that are looked at in one go
	alonePace  = 25 * time.Millisecond
	aloneRetry = 500 * time.Millisecond
)

// routeAlone routes reports that came while the line stood and that the city, away
// since then, has not routed. What comes while the line is cut has its routing from the door, right
// behind it (doorLedger). The city's routing stands over both later.
func (s *Station) routeAlone(ctx context.Context) error {
	pos := s.ledger.Position()
	pos -= min(pos, routeBack)
	if v, err := s.ledger.Note(routedKey); err != nil {
		return err
	} else if len(v) == 8 {
		pos = min(binary.BigEndian.Uint64(v), s.ledger.Position()) // a restored image may be shorter
	}
	for {
		changed := s.ledger.Changed()
		group, next, err := s.ledger.Unrouted(pos, aloneGroup, aloneLook)
		if err != nil {
			return err
		}
		for i := range group {
			if !s.settle(ctx, group[i].Body.ReceivedAt) {
				return nil
			}
		}
		pause := make(<-chan time.Time)
		err = nil
		if len(group) > 0 {
			err = s.route(group)
		}
		switch {
		case errors.Is(err, ledger.ErrNoSpace), errors.Is(err, ledger.ErrBusy):
			// The reports themselves are safe; without a lead and deadlines they
			// stay only until there is room.
			pause, changed = time.After(aloneRetry), nil
		case err != nil:
			return err
		case next > pos:
			pos = next
			pause, changed = time.After(alonePace), nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-pause:
		}
	}
}

// settle waits while the city's routing may still come.
func (s *Station) settle(ctx context.Context, receivedAt int64) bool {
	wait := alonePause - time.Duration(s.wall().UnixMilli()-receivedAt)*time.Millisecond
	if !s.up.Status().Connected || wait <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(min(wait, alonePause)):
		return true
	}
}

// route gives the reports that have no routing yet one of this station's own,
// all in one decision.
func (s *Station) route(group []ledger.Row) error {
	done := make(chan error, 1)
	s.ledger.Decide(record.Urgent, func(v ledger.View) ([]ledger.Append, any, error) {
		var out []ledger.Append
		for i := range group {
			bodies, err := v.Incident(group[i].Body.Incident)
			if err != nil {
				return nil, nil, err
			}
			if !slices.ContainsFunc(bodies, func(b record.Body) bool { return b.Kind == record.KindRouted }) {
				// In the report's lane: routine work never stands before an emergency on the line.
				out = append(out, ledger.Append{Lane: group[i].Entry.Link.Lane, Body: s.routed(&group[i].Body)})
			}
		}
		if len(out) > 0 {
			upTo := binary.BigEndian.AppendUint64(nil, group[len(group)-1].Position)
			out[len(out)-1].Notes = []ledger.Note{{Key: routedKey, Value: upTo}}
		}
		return out, nil, nil
	}, func(_ any, _ []ledger.Result, err error) { done <- err })
	return <-done
}

// routed is the entry that says how this station alone routes a report.
func (s *Station) routed(report *record.Body) record.Body {
	p := &report.Payload
	d := routing.Route(s.city.rulesAt(report.ReceivedAt), s.city.wards(), routing.Input{Category: p.Category, Place: p.Place, DeviceWard: p.Ward, CapturedAt: report.CapturedAt,
		ReceivedAt: report.ReceivedAt, ClockInDoubt: p.Flags&record.FlagClock != 0, Silent: p.Flags&record.FlagSilent != 0})
	flags, of, deadlines := d.Flags()|record.FlagAlone, record.ID{}, d.Deadlines
	if p.Flags&record.FlagExercise != 0 { // nothing of practice is ever missed
		flags, of, deadlines = flags|record.FlagExercise, p.Target, nil
	}
	return record.Body{ID: record.DerivedID("routed-alone", p.Report[:], []byte(s.origin)), Incident: report.Incident, Kind: record.KindRouted,
		Origin: s.origin, Deps: []record.ID{report.ID}, HLC: s.ledger.Clock().Now(), CapturedAt: report.CapturedAt, ReceivedAt: report.ReceivedAt,
		Payload: record.Payload{Report: p.Report, Priority: d.Priority, Lead: d.Lead, Told: d.Told, Deadlines: deadlines, Target: of,
			Rules: d.RulesVersion, Algorithm: d.Algorithm, Flags: flags, Distance: d.SnappedM}}
}
