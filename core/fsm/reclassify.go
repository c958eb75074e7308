package fsm

import (
	"slices"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// reclassified draws what follows when an officer gives an incident another
// category, at the core or at a station: a routing of the core's, its id derived from the
// action's, which tells the new category's departments and sets its priority and
// deadlines. The wards, and who leads, stay: they follow from the place. A value that
// lost to another edit draws nothing. An officer's word that an exercise's report is a real
// one draws one too: with the deadlines that it did not have, from now on.
func (b *batch) reclassified(body *record.Body) error {
	real := body.Kind == record.KindReal
	if !real && (body.Kind != record.KindClassify || body.Payload.Category == "") {
		return nil
	}
	bodies, err := b.bodies(body.Incident)
	if err != nil {
		return err
	}
	in := record.Fold(body.Incident, bodies)
	was := record.Fold(body.Incident, slices.DeleteFunc(slices.Clone(bodies), func(o record.Body) bool { return o.ID == body.ID }))
	if in.Stub || real && was.Exercise == nil || !real && (in.Category != body.Payload.Category || was.Category == in.Category) {
		return nil
	}
	// The routing that stands: the city's, the last one.
	var last *record.Body
	for i := range bodies {
		if o := &bodies[i]; o.Kind == record.KindRouted && o.Origin == record.CoreOrigin && (last == nil || o.HLC > last.HLC) {
			last = o
		}
	}
	if last == nil {
		return nil
	}
	r := in.Reports[0]
	if real {
		r.CapturedAt, r.ReceivedAt = body.HLC.Millis(), body.HLC.Millis() // nobody could be late before
	}
	d := routing.Route(routing.Pick(b.m.rules, r.ReceivedAt), b.m.wards, routing.Input{Category: in.Category, Place: in.Place, DeviceWard: r.Ward,
		CapturedAt: r.CapturedAt, ReceivedAt: r.ReceivedAt, ClockInDoubt: r.Flags&record.FlagClock != 0, Silent: in.Silent})
	told := slices.DeleteFunc(d.Told, func(u record.UnitID) bool { _, ward := u.Ward(); return ward })
	routed := record.Body{ID: record.DerivedID("routed-again", body.ID[:]), Incident: body.Incident, Kind: record.KindRouted, Origin: record.CoreOrigin,
		Deps: []record.ID{last.ID, body.ID}, HLC: max(body.HLC, last.HLC) + 1, Clock: body.Clock, CapturedAt: r.CapturedAt, ReceivedAt: r.ReceivedAt,
		Payload: record.Payload{Report: last.Payload.Report, Category: in.Category, Priority: d.Priority, Lead: last.Payload.Lead, Told: told, Deadlines: d.Deadlines,
			Rules: d.RulesVersion, Algorithm: d.Algorithm, Flags: last.Payload.Flags, Distance: last.Payload.Distance}}
	routed.Payload.Flags &^= record.FlagExercise
	if in.Exercise != nil {
		practice(&routed.Payload, &record.Payload{Flags: record.FlagExercise, Target: *in.Exercise})
	}
	before, err := b.toldOf(&routed)
	if err != nil {
		return err
	}
	if _, _, err := b.putCore(&routed, 0, record.KindRouted, 0); err != nil {
		return err
	}
	if err := b.setDue(body.Incident, d.Priority, routed.Payload.Deadlines, 0); err != nil {
		return err
	}
	return b.tell(&routed, before, b.meta.index)
}
