package record

import "fmt"

// Refusal says why an officer's action cannot be appended now, at this origin.
// It is not an error of the record: concurrent work that was accepted
// elsewhere is never refused, only folded.
type Refusal struct {
	// Code is one word of a closed list: held, not_held, closed, not_closed,
	// not_seen, missing, not_forwarded, unknown_target, erased,
	// not_exercise.
	Code string
	// Field of the action that is at fault; empty when the state is.
	Field  string
	Detail string
	// Holder is set for held.
	Holder *Holder
}

// Error is the detail.
func (r *Refusal) Error() string { return r.Detail }

func refuse(code, field, format string, a ...any) *Refusal {
	return &Refusal{Code: code, Field: field, Detail: fmt.Sprintf(format, a...)}
}

// Stamp fills in what an action takes from the state: its epoch.
func (in *Incident) Stamp(b *Body) {
	b.Payload.Epoch = in.Epoch
	if b.Kind == KindReopen {
		b.Payload.Epoch = in.Epoch + 1
	}
	if b.Kind == KindRelease && b.Payload.Target.Zero() {
		if u, ok := in.Unit(b.UnitOf()); ok && u.Holder != nil {
			b.Payload.Target = u.Holder.By.Entry
		}
	}
}

// Check says whether an officer's action may be appended now. Stamp it first.
// nil means yes; otherwise the error is a *Refusal.
func (in *Incident) Check(b *Body) error {
	if r := in.check(b); r != nil {
		return r
	}
	return nil
}

func (in *Incident) check(b *Body) *Refusal {
	p := &b.Payload
	if b.UnitOf() == "" {
		return refuse("missing", "unit", "the action names no unit and its officer has none")
	}
	u, _ := in.Unit(b.UnitOf())
	if in.Erased.Covers(b) && (p.Sealed != nil || b.Kind == KindOpened) {
		return refuse("erased", "", "what identifies people in the incident was erased; reopen it to write something new")
	}
	if !in.Open() {
		switch b.Kind {
		case KindReopen, KindNote, KindContact, KindRedact, KindOpened, KindWithdraw, KindMerge, KindSplit, KindReal:
		default:
			return refuse("closed", "", "the incident is closed; reopen it first")
		}
	}
	switch b.Kind {
	case KindClaim:
		if u.Holder != nil {
			return held(u.Holder)
		}
	case KindRelease, KindHandover, KindPark:
		if u.Holder == nil {
			return refuse("not_held", "", "nobody in %s holds the incident; claim it first", u.Unit)
		}
		if u.Holder.Officer != b.Actor.Name {
			return held(u.Holder)
		}
		if b.Kind == KindHandover && p.ToOfficer == "" {
			return refuse("missing", "to_officer", "name the officer who takes over")
		}
		if b.Kind == KindPark && p.Until <= 0 {
			return refuse("missing", "until", "say until when the incident is parked, as RFC 3339")
		}
	case KindClassify, KindVerify, KindDispatch, KindArrive, KindResolve, KindClose, KindForward:
		if u.Holder != nil && u.Holder.Officer != b.Actor.Name {
			return held(u.Holder)
		}
		return in.checkStep(b)
	case KindAccept:
		return in.checkAccept(b)
	case KindReopen:
		return in.checkReopen(b)
	case KindMerge:
		for _, id := range p.Incidents {
			if id == in.ID || id.Zero() {
				return refuse("unknown_target", "incidents", "an incident cannot be merged with itself")
			}
		}
		if len(p.Incidents) == 0 {
			return refuse("missing", "incidents", "name the incidents to merge with this one")
		}
	case KindSplit:
		return in.checkTarget(p.Target, "target", func(k Kind) bool { return k == KindMerge })
	case KindWithdraw:
		return in.checkTarget(p.Target, "target", withdrawable)
	case KindReal:
		if in.Exercise == nil {
			return refuse("not_exercise", "", "the incident is no exercise's: it counts as real already")
		}
	case KindOpened:
		return in.checkTarget(p.Target, "report", func(k Kind) bool { return k == KindReport })
	case KindRedact:
		return in.checkTarget(p.Target, "target", func(k Kind) bool { return k == KindNote || k == KindReport })
	}
	return nil
}

func held(h *Holder) *Refusal {
	r := refuse("held", "", "%s holds the incident", h.Officer)
	r.Holder = h
	return r
}

func (in *Incident) checkStep(b *Body) *Refusal {
	p := &b.Payload
	switch b.Kind {
	case KindClassify:
		if p.Category == "" && p.Priority == 0 && p.Place == nil && p.Flags&FlagSummary == 0 {
			return refuse("missing", "category", "classify needs at least one of category, priority, place, summary")
		}
	case KindForward:
		if p.ToUnit == "" || p.ToUnit == b.UnitOf() {
			return refuse("missing", "to_unit", "name the unit to forward to, another than your own")
		}
	}
	return nil
}

func (in *Incident) checkAccept(b *Body) *Refusal {
	for i := range in.set.bodies {
		f := &in.set.bodies[i]
		if f.Kind == KindForward && f.Payload.ToUnit == b.UnitOf() && !in.set.gone[i] {
			if !in.seenBy(b.Deps, i) {
				return refuse("not_seen", "seen", "the incident was forwarded to you after what your screen shows; read it again")
			}
			return nil
		}
	}
	return refuse("not_forwarded", "", "the incident was not forwarded to %s", b.UnitOf())
}

func (in *Incident) checkReopen(b *Body) *Refusal {
	if in.Open() {
		return refuse("not_closed", "", "the incident is %s, not closed", in.Status)
	}
	for i := range in.set.bodies {
		c := &in.set.bodies[i]
		if c.Kind == KindClose && c.Payload.Epoch == in.Epoch && !in.set.gone[i] && in.seenBy(b.Deps, i) {
			return nil
		}
	}
	return refuse("not_seen", "seen", "reopening needs a screen that shows the close; read the incident again")
}

// seenBy says whether an author whose heads were deps had seen entry i.
func (in *Incident) seenBy(deps []ID, i int) bool {
	for _, d := range deps {
		if j, ok := in.set.at[d]; ok && (j == i || in.set.saw(j, i)) {
			return true
		}
	}
	return false
}

func (in *Incident) checkTarget(id ID, field string, may func(Kind) bool) *Refusal {
	i, ok := in.set.at[id]
	if !ok || !may(in.set.bodies[i].Kind) {
		return refuse("unknown_target", field, "the incident has no such entry that could be the target")
	}
	if in.set.gone[i] {
		return refuse("unknown_target", field, "that entry was withdrawn already")
	}
	return nil
}

// CheckErasure says whether what identifies people in the incident may be erased now,
// and stamps the entry. nil means yes; otherwise the error is a *Refusal.
func (in *Incident) CheckErasure(b *Body) error {
	switch {
	case len(in.Order) == 0:
		return refuse("unknown_target", "incident", "no such incident")
	case in.Open():
		return refuse("not_closed", "", "the incident is %s; close it first: what it names is needed as long as it is worked on", in.Status)
	case in.Erased != nil && in.Erased.Epoch >= in.Epoch:
		return refuse("erased", "", "it was erased before")
	}
	b.Payload.Epoch = in.Epoch
	return nil
}
