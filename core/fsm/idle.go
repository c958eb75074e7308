package fsm

import (
	"wardline/sync/record"
	"wardline/sync/routing"
)

// A claim after which nothing happens must not keep an incident from everybody else. When
// the deadline to classify it has passed and its holder has done nothing for claimGrace, the
// city releases it: it is nobody's again, and the bells ring.

// claimGrace is how long a holder may do nothing, in milliseconds of the city's time, from the
// claim's arrival here at the earliest: what was done during a cut comes right behind it.
const claimGrace = 5 * 60_000

// idleClass has the rows of claims in rowDue, behind all deadlines: an incident may have
// one there for each claim.
const idleClass = dueClasses

// claimed lets a claim be looked at when it may have gone nowhere.
func (b *batch) claimed(body *record.Body) error {
	if body.Kind != record.KindClaim && body.Kind != record.KindHandover {
		return nil
	}
	return b.setSlot(dueSlot{idleClass, slotOf(0, b.meta.time+claimGrace).at}, body.Incident)
}

// idle releases the claims on an incident that have gone nowhere, and lets it be looked at
// again for those that may still.
func (b *batch) idle(id record.ID) error {
	bodies, err := b.bodies(id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodies)
	if in.Stub || !in.Open() || in.Rank > record.RankReceived || in.Exercise != nil {
		return nil
	}
	again := int64(0)
	for _, u := range in.Units {
		if u.Holder == nil {
			continue
		}
		until := in.ParkedUntil
		for i := range bodies {
			o := &bodies[i] // a clock that is ahead of the city's would keep the incident for good
			if at := o.HLC.Millis(); o.Actor.Kind == record.ByOfficer && o.UnitOf() == u.Unit && at <= b.meta.time {
				until = max(until, at)
			}
		}
		until += claimGrace
		for _, d := range in.Deadlines {
			if d.Step == string(routing.StepClassify) {
				until = max(until, d.At)
			}
		}
		if until > b.meta.time {
			if again == 0 || until < again {
				again = until
			}
			continue
		}
		if err := b.release(in, u); err != nil {
			return err
		}
	}
	if again == 0 {
		return nil
	}
	return b.setSlot(dueSlot{idleClass, slotOf(0, again).at}, id)
}

// release takes an incident from its holder. The entry's id is the claim's: it happens once.
func (b *batch) release(in *record.Incident, u record.UnitState) error {
	claim := u.Holder.By
	_, err := b.conclude(&record.Body{ID: record.DerivedID("timed-out", claim.Entry[:]), Incident: in.ID, Kind: record.KindRelease, Origin: record.CoreOrigin,
		Deps: []record.ID{claim.Entry}, HLC: max(record.HLCAt(b.meta.time), claim.HLC+1), Clock: record.ClockSure, ReceivedAt: b.meta.time,
		Payload: record.Payload{Unit: u.Unit, Target: claim.Entry, Epoch: in.Epoch, Reason: "timeout"}})
	return err
}
