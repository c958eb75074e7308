package record

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"wardline/sync/planted"
)

// set is the entries of one incident, each once, causes before effects, and
// who has seen whom.
type set struct {
	bodies  []Body
	at      map[ID]int
	words   int
	anc     []uint64 // words per entry: bit j of entry i says that i has seen j
	gone    []bool   // withdrawn or void
	missing []ID
}

// newSet keeps one body per id (of several different ones under one id, which
// only a broken author writes, the one with the smaller sum) and sorts them.
func newSet(in []Body) *set {
	s := &set{at: make(map[ID]int, len(in))}
	for _, b := range in {
		if i, ok := s.at[b.ID]; ok {
			if !sameBody(&s.bodies[i], &b) && bodySumLess(&b, &s.bodies[i]) {
				s.bodies[i] = b
			}
			continue
		}
		s.at[b.ID] = len(s.bodies)
		s.bodies = append(s.bodies, b)
	}
	if !planted.FoldArrival {
		slices.SortFunc(s.bodies, func(a, b Body) int { return order(&a, &b) })
	}
	s.sortCausally()
	s.index()
	s.findGone()
	return s
}

func sameBody(a, b *Body) bool {
	return a.HLC == b.HLC && a.Origin == b.Origin && a.Kind == b.Kind && bytes.Equal(sumOf(a), sumOf(b))
}

func bodySumLess(a, b *Body) bool { return bytes.Compare(sumOf(a), sumOf(b)) < 0 }

func sumOf(b *Body) []byte {
	raw, err := b.Encode()
	if err != nil {
		return nil
	}
	h := sha256.Sum256(raw)
	return h[:]
}

// order is the order of display among concurrent entries.
func order(a, b *Body) int {
	if c := cmp.Compare(a.HLC, b.HLC); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Origin, b.Origin); c != 0 {
		return c
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

// sortCausally puts causes before effects and keeps `order` otherwise. A cycle
// cannot be written honestly; its entries follow at the end, in `order`.
func (s *set) sortCausally() {
	n := len(s.bodies)
	for i := range s.bodies {
		s.at[s.bodies[i].ID] = i
	}
	sorted := true
	for i := range s.bodies {
		for _, d := range s.bodies[i].Deps {
			if j, ok := s.at[d]; ok && j >= i {
				sorted = false
			}
		}
	}
	if sorted {
		return
	}
	out := make([]Body, 0, n)
	done := make([]bool, n)
	for len(out) < n {
		next := -1
		for i := range s.bodies { // the first in order whose causes are all out
			if !done[i] && s.ready(i, done) {
				next = i
				break
			}
		}
		if next < 0 {
			for i := range s.bodies {
				if !done[i] {
					next = i
					break
				}
			}
		}
		done[next] = true
		out = append(out, s.bodies[next])
	}
	s.bodies = out
}

func (s *set) ready(i int, done []bool) bool {
	for _, d := range s.bodies[i].Deps {
		if j, ok := s.at[d]; ok && !done[j] {
			return false
		}
	}
	return true
}

func (s *set) index() {
	n := len(s.bodies)
	s.words = (n + 63) / 64
	s.anc = make([]uint64, n*s.words)
	for i := range s.bodies {
		s.at[s.bodies[i].ID] = i
	}
	for i := range s.bodies {
		row := s.anc[i*s.words : (i+1)*s.words]
		for _, d := range s.bodies[i].Deps {
			j, ok := s.at[d]
			if !ok {
				s.missing = append(s.missing, d)
				continue
			}
			if j >= i { // part of a cycle
				continue
			}
			for w, bits := range s.anc[j*s.words : (j+1)*s.words] {
				row[w] |= bits
			}
			row[j/64] |= 1 << (j % 64)
		}
	}
	slices.SortFunc(s.missing, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	s.missing = slices.Compact(s.missing)
}

// saw says whether the author of i had seen j.
func (s *set) saw(i, j int) bool { return s.anc[i*s.words+j/64]&(1<<(j%64)) != 0 }

// findGone marks what is withdrawn or void. A withdrawal can be withdrawn, so
// that undo has an undo; a circle of withdrawals withdraws nothing.
func (s *set) findGone() {
	n := len(s.bodies)
	s.gone = make([]bool, n)
	by := make(map[int][]int)
	void := make(map[int]bool)
	for i := range s.bodies {
		b := &s.bodies[i]
		j, ok := s.at[b.Payload.Target]
		if !ok {
			continue
		}
		switch {
		case b.Kind == KindVoid && b.Origin == CoreOrigin && b.Actor.Kind == BySystem:
			void[j] = true
		case (b.Kind == KindWithdraw && withdrawable(s.bodies[j].Kind)) ||
			(b.Kind == KindSplit && s.bodies[j].Kind == KindMerge):
			by[j] = append(by[j], i)
		}
	}
	if len(by) == 0 && len(void) == 0 {
		return
	}
	state := make([]byte, n) // 0 unknown, 1 being asked, 2 stands, 3 gone
	var stands func(i int) bool
	stands = func(i int) bool {
		switch state[i] {
		case 1:
			return false // a circle
		case 2:
			return true
		case 3:
			return false
		}
		state[i] = 1
		ok := !void[i]
		for _, w := range by[i] {
			if ok && stands(w) {
				ok = false
			}
		}
		state[i] = 3
		if ok {
			state[i] = 2
		}
		return ok
	}
	// Circles are possible only when ids are chosen to make them; ask in the
	// set's own order, which does not depend on arrival.
	for i := range s.bodies {
		s.gone[i] = !stands(i)
	}
}

func withdrawable(k Kind) bool {
	return k.Action() && k != KindOpened && k != KindReal || k == KindSuggested
}

// beats says whether a wins over b where both are concurrent: a sure clock over
// an unsure one, then the later, then the origin's name, then the id.
func beats(a, b *Body) bool {
	if a.Clock != b.Clock {
		return a.Clock > b.Clock
	}
	if a.HLC != b.HLC {
		return a.HLC > b.HLC
	}
	if a.Origin != b.Origin {
		return a.Origin < b.Origin
	}
	return bytes.Compare(a.ID[:], b.ID[:]) < 0
}

// first says whether a stands over b where both claim: as beats, but the
// earlier claim stands, so that a late one never steals.
func first(a, b *Body) bool {
	if a.Clock == b.Clock && a.HLC != b.HLC {
		return a.HLC < b.HLC
	}
	return beats(a, b)
}
