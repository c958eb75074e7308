package record

import (
	"bytes"
	"slices"
	"strconv"
)

// Fold says what a set of entries about an incident means. It is pure: the
// order of the bodies, repetitions and how they came in portions make no
// difference. Nothing is rejected for being late; it is classified.
func Fold(id ID, bodies []Body) *Incident {
	s := newSet(bodies)
	in := &Incident{ID: id, set: s, Missing: s.missing}
	f := folder{in: in, s: s}
	f.arrivals()
	f.erasures()
	f.exercise()
	f.routes()
	in.leads = f.leads
	f.status()
	f.fields()
	f.lead()
	f.unitStates()
	f.items()
	f.afterClose()
	f.heads()
	in.Status = in.Rank.String()
	if in.Rank == RankReceived {
		for _, u := range in.Units {
			if u.Holder != nil {
				in.Status = "claimed"
			}
		}
	}
	return in
}

type folder struct {
	in    *Incident
	s     *set
	leads map[UnitID]bool // every unit that ever led, by routing or by accepting
}

func author(b *Body) Author {
	return Author{Entry: b.ID, Kind: b.Actor.Kind, Name: b.Actor.Name, Unit: b.Actor.Unit, Origin: b.Origin,
		HLC: b.HLC, Clock: b.Clock, Offline: b.Payload.Flags&FlagOffline != 0}
}

// UnitOf is the unit for which an entry acts.
func (b *Body) UnitOf() UnitID {
	if b.Payload.Unit != "" {
		return b.Payload.Unit
	}
	return b.Actor.Unit
}

// each calls f for every entry that counts.
func (f *folder) each(do func(i int, b *Body)) {
	for i := range f.s.bodies {
		if !f.s.gone[i] {
			do(i, &f.s.bodies[i])
		}
	}
}

func (f *folder) arrivals() {
	in := f.in
	in.Stub = true
	var all []Arrival
	f.each(func(_ int, b *Body) {
		if b.Kind != KindReport {
			return
		}
		p := &b.Payload
		all = append(all, Arrival{Report: p.Report, Fingerprint: p.Fingerprint, Category: p.Category, Place: p.Place,
			CapturedAt: b.CapturedAt, ReceivedAt: b.ReceivedAt, Ward: p.Ward, Flags: p.Flags, Media: p.Media, Signal: p.Signal, Exercise: exerciseOf(p), By: author(b)})
	})
	for _, a := range all {
		in.Stub = false
		// The first in order is the report; another content under its id is
		// kept apart and has an incident of its own.
		if len(in.Reports) > 0 && a.Fingerprint != in.Reports[0].Fingerprint {
			in.OtherContent = append(in.OtherContent, a)
			continue
		}
		in.Reports = append(in.Reports, a)
		in.Flags |= a.Flags
		in.Silent = in.Silent || a.Flags&FlagSilent != 0
	}
	if len(in.OtherContent) > 0 {
		in.Flags |= FlagOtherContent
	}
}

// erasures finds the one that covers most. No entry takes it back: the keys are gone.
func (f *folder) erasures() {
	for i := range f.s.bodies {
		b := &f.s.bodies[i]
		if e := f.in.Erased; b.Kind == KindErasure && b.Incident == f.in.ID && (e == nil || b.Payload.Epoch > e.Epoch) {
			f.in.Erased = &Erasure{Epoch: b.Payload.Epoch, Reason: b.Payload.Reason, At: b.HLC.Millis(), By: author(b)}
		}
	}
}

// exerciseOf is the exercise of which a report, or its routing, says to be part.
func exerciseOf(p *Payload) (id ID) {
	if p.Flags&FlagExercise != 0 {
		id = p.Target
	}
	return id
}

// exercise finds whether the incident is practice. In doubt it is real: an arrival
// without the mark, or an officer's word, is enough. Of a report that is on its way its
// routing says it.
func (f *folder) exercise() {
	var marked ID
	every := true
	note := func(id ID) {
		every = every && !id.Zero() && (marked.Zero() || marked == id)
		marked = id
	}
	for _, a := range f.in.Reports {
		note(a.Exercise)
	}
	f.each(func(_ int, b *Body) {
		switch {
		case b.Kind == KindReal && f.in.MadeReal == nil:
			by := author(b)
			f.in.MadeReal = &by
		case b.Kind == KindRouted && f.in.Stub && len(b.Deps) == 1:
			note(exerciseOf(&b.Payload))
		}
	})
	if every && !marked.Zero() && f.in.MadeReal == nil {
		f.in.Exercise = &marked
	}
}

// routes finds who ever led and the deadlines; the city's routing stands over
// a station's.
func (f *folder) routes() {
	f.leads = map[UnitID]bool{}
	var best *Body
	f.each(func(i int, b *Body) {
		switch b.Kind {
		case KindRouted:
			if b.Payload.Lead != "" {
				f.leads[b.Payload.Lead] = true
			}
			if best == nil || routeBeats(b, best) {
				best = b
			}
		case KindAccept:
			if f.forwardSeen(i, b.UnitOf()) {
				f.leads[b.UnitOf()] = true
			}
		}
	})
	if best != nil {
		f.in.Deadlines = best.Payload.Deadlines
		f.in.Flags |= best.Payload.Flags & (FlagApproximate | FlagOutside | FlagAlone)
	}
}

func routeBeats(a, b *Body) bool {
	if (a.Origin == CoreOrigin) != (b.Origin == CoreOrigin) {
		return a.Origin == CoreOrigin
	}
	return beats(a, b)
}

// forwardSeen says whether entry i has seen a forward to the unit.
func (f *folder) forwardSeen(i int, u UnitID) bool {
	for j := range f.s.bodies {
		if b := &f.s.bodies[j]; b.Kind == KindForward && b.Payload.ToUnit == u && !f.s.gone[j] && f.s.saw(i, j) {
			return true
		}
	}
	return false
}

func rankOf(k Kind) (Rank, bool) {
	switch k {
	case KindClassify:
		return RankClassified, true
	case KindVerify:
		return RankVerified, true
	case KindDispatch:
		return RankDispatched, true
	case KindArrive:
		return RankOnScene, true
	case KindResolve:
		return RankResolved, true
	case KindClose:
		return RankClosed, true
	}
	return 0, false
}

// counts says whether an entry moves the incident's status: it is the lead's,
// and the command centre may always.
func (f *folder) counts(b *Body) bool {
	u := b.UnitOf()
	return u == Command || len(f.leads) == 0 || f.leads[u]
}

func (f *folder) status() {
	in := f.in
	// A reopening counts when it has seen a close of the epoch that it ends.
	for grown := true; grown; {
		grown = false
		f.each(func(i int, b *Body) {
			if b.Kind == KindReopen && b.Payload.Epoch == in.Epoch+1 && f.sawClose(i, in.Epoch) {
				in.Epoch++
				grown = true
			}
		})
	}
	var verdict *Body
	f.each(func(_ int, b *Body) {
		r, ok := rankOf(b.Kind)
		if !ok || b.Payload.Epoch != in.Epoch || !f.counts(b) {
			return
		}
		in.Rank = max(in.Rank, r)
		if b.Payload.Reason != "" && r != RankClassified && r != RankDispatched && (verdict == nil || order(verdict, b) < 0) {
			verdict = b
		}
	})
	if verdict != nil {
		in.Verdict = verdict.Payload.Reason
	}
}

func (f *folder) sawClose(i int, epoch uint32) bool {
	for j := range f.s.bodies {
		b := &f.s.bodies[j]
		if b.Kind == KindClose && b.Payload.Epoch == epoch && !f.s.gone[j] && f.s.saw(i, j) {
			return true
		}
	}
	return false
}

func (f *folder) items() {
	in := f.in
	redacted := map[ID]bool{}
	f.each(func(_ int, b *Body) {
		if b.Kind == KindRedact {
			redacted[b.Payload.Target] = true
		}
	})
	var parked *Body
	parkedAt := -1
	f.each(func(i int, b *Body) {
		p := &b.Payload
		item := Item{Kind: b.Kind, At: b.HLC.Millis(), By: author(b), Redacted: redacted[b.ID]}
		switch b.Kind {
		case KindNote:
			item.Value = p.Reason
		case KindContact, KindRedact:
			item.Value = p.Reason
		case KindDispatch, KindArrive:
			item.Value = p.Patrol
		case KindMissed:
			item.Value, item.At = p.Step, p.Until
		case KindSignal:
			item.Signal, item.At = p.Signal, b.ReceivedAt
			item.Value = strconv.FormatUint(uint64(p.Flags), 10)
			in.Cancelled = in.Cancelled || p.Flags&FlagCancelled != 0
		case KindMerge:
			f.edges(b)
			return
		case KindSuggested:
			f.suggestion(b)
			return
		case KindPark:
			if p.Epoch == in.Epoch && (parked == nil || beats(b, parked)) {
				parked, parkedAt = b, i
			}
			return
		default:
			return
		}
		in.Items = append(in.Items, item)
	})
	if parked != nil {
		in.ParkedUntil = parked.Payload.Until
		f.each(func(i int, b *Body) { // any work after it takes it up again
			if b.Kind.Action() && b.Kind != KindNote && b.Kind != KindOpened && i != parkedAt && f.s.saw(i, parkedAt) {
				in.ParkedUntil = 0
			}
		})
	}
	for i := range f.s.bodies {
		if f.s.gone[i] {
			in.Withdrawn = append(in.Withdrawn, f.s.bodies[i].ID)
		}
	}
}

// other gives the incidents at the far ends of a merge or a suggestion.
func (f *folder) others(b *Body) []ID {
	var out []ID
	for _, id := range append([]ID{b.Incident}, b.Payload.Incidents...) {
		if id != f.in.ID && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if b.Incident != f.in.ID { // a member is joined with the head alone
		out = []ID{b.Incident}
	}
	return out
}

func (f *folder) edges(b *Body) {
	for _, o := range f.others(b) {
		f.in.Edges = append(f.in.Edges, Edge{Other: o, By: author(b)})
	}
}

func (f *folder) suggestion(b *Body) {
	for _, o := range f.others(b) {
		f.in.Suggestions = append(f.in.Suggestions, Suggestion{Other: o, Reason: b.Payload.Reason, Entry: b.ID})
	}
}

// afterClose lists what happened beside a close, unseen by it and not seeing it.
func (f *folder) afterClose() {
	for c := range f.s.bodies {
		cb := &f.s.bodies[c]
		if cb.Kind != KindClose || f.s.gone[c] || !f.counts(cb) {
			continue
		}
		f.each(func(i int, b *Body) {
			telling := b.Kind.Action() || b.Kind == KindSignal || b.Kind == KindReport
			if i == c || !telling || b.Kind == KindClose || b.Kind == KindOpened || b.Payload.Epoch > cb.Payload.Epoch || f.s.saw(c, i) || f.s.saw(i, c) {
				return
			}
			if !slices.Contains(f.in.AfterClose, b.ID) {
				f.in.AfterClose = append(f.in.AfterClose, b.ID)
			}
		})
	}
}

func (f *folder) heads() {
	n := len(f.s.bodies)
	seen := make([]uint64, f.s.words)
	for i := 0; i < n; i++ {
		f.in.Order = append(f.in.Order, f.s.bodies[i].ID)
		for w := range seen {
			seen[w] |= f.s.anc[i*f.s.words+w]
		}
	}
	for i := 0; i < n; i++ {
		if seen[i/64]&(1<<(i%64)) == 0 {
			f.in.Heads = append(f.in.Heads, f.s.bodies[i].ID)
		}
	}
}

// Group is the incidents that are merged with id, directly or through others,
// smallest id first: the first is the group's head. edges gives the incidents
// at the far ends of an incident's merges; at most limit members are followed.
func Group(id ID, edges func(ID) []ID, limit int) []ID {
	seen := map[ID]bool{id: true}
	out := []ID{id}
	for i := 0; i < len(out) && len(out) < limit; i++ {
		for _, o := range edges(out[i]) {
			if !seen[o] && len(out) < limit {
				seen[o] = true
				out = append(out, o)
			}
		}
	}
	slices.SortFunc(out, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return out
}
