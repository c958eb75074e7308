package record

import (
	"slices"
	"strings"
)

// lead is set by routing (the city's stands over a station's) and changed by
// a unit that accepts what was forwarded to it.
func (f *folder) lead() {
	_, win := f.register(field{"lead", func(b *Body) string {
		switch b.Kind {
		case KindRouted:
			return string(b.Payload.Lead)
		case KindAccept:
			if i, ok := f.s.at[b.ID]; ok && f.forwardSeen(i, b.UnitOf()) {
				return string(b.UnitOf())
			}
		}
		return ""
	}, func(b *Body) bool { return b.Kind == KindRouted }})
	if win == nil {
		return
	}
	if win.Kind == KindRouted {
		f.in.Lead = win.Payload.Lead
	} else {
		f.in.Lead = win.UnitOf()
	}
}

// Tells is the units that have to do with an entry's incident because of it:
// the ward whose station took a report, whom a routing told, who acted, to whom it was
// forwarded. An entry that does not count any more (withdrawn, void) tells nobody.
func (b *Body) Tells() []UnitID {
	switch {
	case b.Kind == KindReport: // the ward whose station took it knows, routed or not
		if w, ok := b.Origin.Ward(); ok {
			return []UnitID{WardUnit(w)}
		}
	case b.Kind == KindRouted:
		return append([]UnitID{b.Payload.Lead}, b.Payload.Told...)
	case b.Kind == KindForward:
		return []UnitID{b.UnitOf(), b.Payload.ToUnit}
	case b.Kind.Action():
		return []UnitID{b.UnitOf()}
	case b.Kind == KindMissed: // a missed deadline tells the command centre
		return []UnitID{Command}
	}
	return nil
}

// told is every unit that has to do with the incident, sorted.
func (f *folder) told() []UnitID {
	var out []UnitID
	f.each(func(_ int, b *Body) {
		for _, u := range b.Tells() {
			if u != "" && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	})
	slices.Sort(out)
	return out
}

func (f *folder) unitStates() {
	for _, u := range f.told() {
		st := UnitState{Unit: u, Progress: f.progress(u)}
		st.Holder, st.Others = f.holder(u)
		f.in.Units = append(f.in.Units, st)
	}
}

// progress is the largest step among those that no later step of the unit has
// seen: a unit that accepts again after it forwarded has accepted.
func (f *folder) progress(u UnitID) Progress {
	var steps []int
	seen := Told
	f.each(func(i int, b *Body) {
		if !b.Kind.Action() || b.UnitOf() != u {
			return
		}
		seen = Seen
		if b.Payload.Epoch != f.in.Epoch {
			return
		}
		switch b.Kind {
		case KindAccept, KindForward, KindResolve, KindClose:
			steps = append(steps, i)
		}
	})
	best := seen
	for _, i := range steps {
		if slices.ContainsFunc(steps, func(j int) bool { return j != i && f.s.saw(j, i) }) {
			continue
		}
		p := Accepted
		switch f.s.bodies[i].Kind {
		case KindForward:
			p = Forwarded
		case KindResolve, KindClose:
			p = Done
		}
		best = max(best, p)
	}
	return best
}

// HomeOrigin is where a unit's own claims are made: a ward's station, the core
// for every other unit.
func HomeOrigin(u UnitID) Origin {
	if w, ok := u.Ward(); ok {
		return StationOrigin(w)
	}
	return CoreOrigin
}

// holder finds who has the incident in one unit. Of concurrent claims the one
// made at the unit's home stands; if neither or both were made there, the
// earlier (a sure clock before an unsure one, then the origin's name).
func (f *folder) holder(u UnitID) (*Holder, []Holder) {
	var taking, leaving []int
	f.each(func(i int, b *Body) {
		if b.Payload.Epoch != f.in.Epoch || b.UnitOf() != u {
			return
		}
		switch b.Kind {
		case KindClaim, KindHandover:
			taking = append(taking, i)
		case KindRelease:
			leaving = append(leaving, i)
		}
	})
	var live []int
	for _, i := range taking {
		over := slices.ContainsFunc(taking, func(j int) bool { return j != i && f.s.saw(j, i) }) ||
			slices.ContainsFunc(leaving, func(j int) bool {
				return f.s.bodies[j].Payload.Target == f.s.bodies[i].ID || f.s.saw(j, i)
			})
		if !over {
			live = append(live, i)
		}
	}
	if len(live) == 0 {
		return nil, nil
	}
	home := HomeOrigin(u)
	slices.SortFunc(live, func(i, j int) int {
		a, b := &f.s.bodies[i], &f.s.bodies[j]
		if ah, bh := a.Origin == home, b.Origin == home; ah != bh {
			if ah {
				return -1
			}
			return 1
		}
		if first(a, b) {
			return -1
		}
		return 1
	})
	var out []Holder
	for _, i := range live {
		b := &f.s.bodies[i]
		h := Holder{Officer: b.Actor.Name, By: author(b)}
		if b.Kind == KindHandover {
			h.Officer = b.Payload.ToOfficer
		}
		if !slices.ContainsFunc(out, func(o Holder) bool { return strings.EqualFold(o.Officer, h.Officer) }) {
			out = append(out, h)
		}
	}
	if len(out) == 1 {
		return &out[0], nil
	}
	return &out[0], out[1:]
}
