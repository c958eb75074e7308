package routing

import (
	"cmp"
	"slices"
)

const (
	// MaxToldWards caps the wards told by place, the leading one included; the
	// device's own ward comes on top. Where four wards meet a circle of usual
	// accuracy touches four; with the centres alone the right ward is among the
	// nearest eight. A phone that says 5,000 m would ring at half the city, and
	// a bell that rings for everything is not heard.
	MaxToldWards = 8

	// maxSnapM is how far outside the wards a place may lie to belong to the
	// nearest one: boats off Cần Giờ and Vũng Tàu, phones that are a river wrong.
	// Farther it says nothing about the city and the device's ward leads.
	maxSnapM = 50_000
)

// maxSnap is maxSnapM in units of latitude.
const maxSnap = int64(maxSnapM) * 1_000_000_000 / nanometres

// near is a ward and its squared distance.
type near struct {
	ward int
	d2   int64
}

// nearest keeps the nearest wards, at most MaxToldWards and one more that
// tells whether the cap cut something.
type nearest struct {
	n   int
	top [MaxToldWards + 1]near
}

// bound is the squared distance above which a ward is not taken any more.
func (t *nearest) bound(limit int64) int64 {
	if t.n < len(t.top) {
		return limit
	}
	return min(limit, t.top[t.n-1].d2)
}

// zero says whether the ward is known to be at distance 0.
func (t *nearest) zero(ward int) bool {
	for i := 0; i < t.n && t.top[i].d2 == 0; i++ {
		if t.top[i].ward == ward {
			return true
		}
	}
	return false
}

// put takes a ward with the smaller of its distances; ties go to the lower code.
func (t *nearest) put(ward int, d2 int64) {
	for i := range t.n {
		if t.top[i].ward == ward {
			if t.top[i].d2 <= d2 {
				return
			}
			copy(t.top[i:], t.top[i+1:t.n])
			t.n--
			break
		}
	}
	at := t.n
	for at > 0 && (t.top[at-1].d2 > d2 || t.top[at-1].d2 == d2 && t.top[at-1].ward > ward) {
		at--
	}
	if at == len(t.top) {
		return
	}
	t.n = min(t.n+1, len(t.top))
	copy(t.top[at+1:t.n], t.top[at:])
	t.top[at] = near{ward, d2}
}

// containing gives the ward that contains the place, the smallest by area when
// areas overlap (an enclave without a hole around it), and puts all of them.
func (w *Wards) containing(p Point, into *nearest) (lead int, ok bool) {
	for i := range w.boxes {
		if !w.boxes[i].has(p) || !w.shapes[i].contains(p) {
			continue
		}
		v := w.shapes[i].ward
		into.put(v, 0)
		if !ok || w.areas[v] < w.areas[lead] || w.areas[v] == w.areas[lead] && v < lead {
			lead, ok = v, true
		}
	}
	return lead, ok
}

// within puts the wards whose sides are at most limit away (squared). Shapes
// are read from the nearest box outwards, so that the cap ends the search early.
func (w *Wards) within(p Point, f *frame, limit int64, into *nearest) {
	var stack [32]near // of shapes; usual questions find some five
	found := stack[:0]
	for i := range w.boxes {
		if d := w.boxes[i].dist2(f, p); d <= limit {
			found = append(found, near{i, d})
		}
	}
	if len(found) > len(into.top) { // else the order decides nothing
		slices.SortFunc(found, func(a, b near) int {
			return cmp.Compare(a.d2, b.d2)
		})
	}
	for _, c := range found {
		bound := into.bound(limit)
		if c.d2 > bound || into.zero(w.shapes[c.ward].ward) {
			continue
		}
		if d := w.shapes[c.ward].dist2(f, bound); d != far {
			into.put(w.shapes[c.ward].ward, d)
		}
	}
}

// nearestShape gives the squared distance to the nearest polygon within maxSnap.
func (w *Wards) nearestShape(p Point, f *frame) (d2 int64, ok bool) {
	limit := maxSnap * maxSnap
	best := far
	var stack [256]near
	found := stack[:0]
	for i := range w.boxes {
		if d := w.boxes[i].dist2(f, p); d <= limit {
			found = append(found, near{i, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int { return cmp.Compare(a.d2, b.d2) })
	for _, c := range found {
		if c.d2 > limit {
			break
		}
		if d := w.shapes[c.ward].dist2(f, limit); d < best {
			best, limit = d, d
		}
	}
	return best, best != far
}

// byCentre puts the wards whose centre is less than 1.5 × as far as the nearest
// one, or that the place could belong to anywhere in a circle of the radius
// given (in units), and says how far the nearest is.
func (w *Wards) byCentre(f *frame, radius int64, into *nearest) (d2 int64, ok bool) {
	d2 = far
	for i := range w.list {
		d2 = min(d2, f.dist2(w.list[i].Centre))
	}
	if d2 > maxSnap*maxSnap {
		return d2, false
	}
	// Somewhere in the circle another centre is the nearest only if it is nearer
	// than the first by no more than the circle's diameter.
	reach := root(d2) + 2*radius
	limit := max((9*d2+3)/4, reach*reach)
	for i := range w.list {
		if d := f.dist2(w.list[i].Centre); d < limit || d == d2 {
			into.put(i, d)
		}
	}
	return d2, true
}
