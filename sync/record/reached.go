package record

// Reached is when steps were first done by a unit that leads or led the incident, or by
// the command centre, milliseconds since the Unix epoch, UTC, by the clock of who did it;
// 0: not done. A reopening begins no new count.
type Reached struct{ Claim, Verify, Dispatch, Resolve int64 }

// Reached says when steps were done. Withdrawn ones do not count.
func (in *Incident) Reached() (r Reached) {
	for i := range in.set.bodies {
		b := &in.set.bodies[i]
		if in.set.gone[i] || b.Actor.Kind != ByOfficer {
			continue
		}
		if u := b.UnitOf(); u != Command && len(in.leads) > 0 && !in.leads[u] {
			continue
		}
		at := b.HLC.Millis()
		first := func(into *int64) {
			if at > 0 && (*into == 0 || at < *into) {
				*into = at
			}
		}
		switch b.Kind {
		case KindClaim:
			first(&r.Claim)
		case KindVerify:
			first(&r.Verify)
		case KindDispatch:
			first(&r.Dispatch)
		case KindResolve:
			first(&r.Resolve)
		}
	}
	return r
}
