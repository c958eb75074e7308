package fsm

import (
	"slices"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// opened draws what follows from a new report: who is told, until when, and
// which other incidents are probably about the same event.
func (b *batch) opened(body *record.Body) error {
	p := &body.Payload
	reportIndex := b.meta.index
	rules := routing.Pick(b.m.rules, body.ReceivedAt)
	d := routing.Route(rules, b.m.wards, routing.Input{Category: p.Category, Place: p.Place, DeviceWard: p.Ward,
		CapturedAt: body.CapturedAt, ReceivedAt: body.ReceivedAt, ClockInDoubt: p.Flags&record.FlagClock != 0, Silent: p.Flags&record.FlagSilent != 0})
	routed := record.Body{ID: record.DerivedID("routed", p.Report[:]), Incident: body.Incident, Kind: record.KindRouted, Origin: record.CoreOrigin,
		Deps: []record.ID{body.ID}, HLC: body.HLC + 1, Clock: body.Clock, CapturedAt: body.CapturedAt, ReceivedAt: body.ReceivedAt,
		Payload: record.Payload{Report: p.Report, Priority: d.Priority, Lead: d.Lead, Told: d.Told, Deadlines: d.Deadlines,
			Rules: d.RulesVersion, Algorithm: d.Algorithm, Flags: d.Flags(), Distance: d.SnappedM}}
	exercise := practice(&routed.Payload, p)
	if _, _, err := b.putCore(&routed, 0, record.KindRouted, 0); err != nil {
		return err
	}
	if err := b.setDue(body.Incident, d.Priority, routed.Payload.Deadlines, 0); err != nil {
		return err
	}
	for _, u := range d.Told {
		w, ok := u.Ward()
		if !ok {
			continue
		}
		var err error
		if record.StationOrigin(w) == body.Origin {
			err = b.outboxEntry(w, b.meta.index) // it has the report
		} else {
			err = b.outboxIncident(w, body.Incident, b.meta.index)
		}
		if err != nil {
			return err
		}
	}
	// The station that took the report hears of it even when its ward is not told.
	if w, ok := body.Origin.Ward(); ok && !slices.Contains(d.Told, record.WardUnit(w)) {
		if err := b.outboxEntry(w, b.meta.index); err != nil {
			return err
		}
	}
	if exercise { // practice is about no event that a real report could be about
		return nil
	}
	return b.suggest(body, reportIndex)
}
