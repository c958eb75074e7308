package routing

import (
	"math/big"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"wardline/sync/record"
)

// slowContains and slowDist2 say the same as shape does, from the rings, edge by
// edge, with numbers of any size.
func slowContains(p Polygon, q Point) bool {
	in := false
	for _, r := range append([]Ring{p.Outer}, p.Holes...) {
		for i, a := range r {
			b := r[(i+1)%len(r)]
			if (a.LatE7 > q.LatE7) == (b.LatE7 > q.LatE7) {
				continue
			}
			// The side's longitude at the place's latitude, as a fraction.
			x := new(big.Rat).SetFrac(
				big.NewInt(0).Mul(big.NewInt(int64(b.LonE7)-int64(a.LonE7)), big.NewInt(int64(q.LatE7)-int64(a.LatE7))),
				big.NewInt(int64(b.LatE7)-int64(a.LatE7)))
			x.Add(x, new(big.Rat).SetInt64(int64(a.LonE7)))
			if x.Cmp(new(big.Rat).SetInt64(int64(q.LonE7))) > 0 {
				in = !in
			}
		}
	}
	return in
}

func slowDist2(f *frame, p Polygon) int64 {
	best := far
	for _, r := range append([]Ring{p.Outer}, p.Holes...) {
		for i, a := range r {
			b := r[(i+1)%len(r)]
			best = min(best, bigSegment2(f.x(a.LonE7), f.y(a.LatE7), f.x(b.LonE7), f.y(b.LatE7)))
		}
	}
	return best
}

func bigSegment2(ax, ay, bx, by int64) int64 {
	n := big.NewInt
	mul := func(a, b int64) *big.Int { return n(0).Mul(n(a), n(b)) }
	len2 := n(0).Add(mul(bx-ax, bx-ax), mul(by-ay, by-ay))
	t := n(0).Neg(n(0).Add(mul(ax, bx-ax), mul(ay, by-ay)))
	switch {
	case t.Sign() <= 0:
		return n(0).Add(mul(ax, ax), mul(ay, ay)).Int64()
	case t.Cmp(len2) >= 0:
		return n(0).Add(mul(bx, bx), mul(by, by)).Int64()
	}
	cross := n(0).Sub(mul(ax, by-ay), mul(ay, bx-ax))
	return n(0).Div(cross.Mul(cross, cross), len2).Int64()
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// agree compares Route with a reading of every edge of every ward; the wards
// all have boundaries.
func agree(t fataler, w *Wards, place record.Place) {
	t.Helper()
	p := Point{place.LatE7, place.LonE7}
	f := newFrame(p)
	radius := min(unitsOfCM(int64(place.AccuracyCM)), maxSnap)
	var all []near
	contained := false
	for i, v := range w.list {
		d := far
		for _, q := range v.Polygons {
			if slowContains(q, p) {
				d, contained = 0, true
			} else {
				d = min(d, slowDist2(&f, q))
			}
		}
		all = append(all, near{i, d})
	}
	slices.SortStableFunc(all, func(a, b near) int {
		switch {
		case a.d2 < b.d2:
			return -1
		case a.d2 > b.d2:
			return 1
		}
		return 0
	})
	d := Route(nil, w, Input{Category: record.Fire, Place: &place})
	first := all[0].d2
	if first > maxSnap*maxSnap {
		if d.Basis != ByCommand || !d.Outside {
			t.Fatalf("%v: %+v, want too far outside", place, d)
		}
		return
	}
	if d.Outside != (first > 0) || d.SnappedM != metresOf(root(first)) {
		t.Fatalf("%v: outside %v by %d m, want %d m", place, d.Outside, d.SnappedM, metresOf(root(first)))
	}
	limit := max(radius*radius, (9*first+3)/4)
	var want []record.UnitID
	zero := 0
	for _, v := range all {
		// A side touched at distance 0 counts only when there is a circle or no containing ward.
		inside := false
		for _, q := range w.list[v.ward].Polygons {
			inside = inside || slowContains(q, p)
		}
		if v.d2 <= limit && (inside || radius > 0 || !contained) {
			want = append(want, w.units[v.ward])
		}
		if v.d2 == 0 {
			zero++
		}
	}
	if d.Capped != (len(want) > MaxToldWards) {
		t.Fatalf("%v: capped %v with %d wards", place, d.Capped, len(want))
	}
	if zero <= 1 && len(want) > 0 && d.Lead != want[0] {
		t.Fatalf("%v: lead %s, want %s", place, d.Lead, want[0])
	}
	if len(want) <= MaxToldWards || zero <= 1 {
		want = want[:min(len(want), MaxToldWards)]
		want = append(want, "PC07", record.Command)
		slices.Sort(want)
		if !slices.Equal(d.Told, want) {
			t.Fatalf("%v: told %v, want %v", place, d.Told, want)
		}
	}
}

// drawWards draws wards of any shape, also crossing themselves and each other,
// with holes, near lat0 and lon0.
func drawWards(t *rapid.T) []Ward {
	coordinate := rapid.OneOf(rapid.Int32Range(0, 20), rapid.Int32Range(0, 400_000))
	ring := func(label string) Ring {
		n := rapid.IntRange(3, 30).Draw(t, label)
		r := make(Ring, n)
		for i := range r {
			r[i] = Point{lat0 + coordinate.Draw(t, "lat"), lon0 + coordinate.Draw(t, "lon")}
		}
		return r
	}
	var list []Ward
	for i := range rapid.IntRange(1, 12).Draw(t, "wards") {
		w := Ward{Code: record.WardCode(wardCode(i)), Name: "x"}
		for range rapid.IntRange(1, 2).Draw(t, "polygons") {
			p := Polygon{Outer: ring("outer")}
			if rapid.Bool().Draw(t, "hole") {
				p.Holes = []Ring{ring("hole")}
			}
			w.Polygons = append(w.Polygons, p)
		}
		w.Centre = w.Polygons[0].Outer[0]
		list = append(list, w)
	}
	return list
}

func drawPlace(t *rapid.T, list []Ward) record.Place {
	p := record.Place{LatE7: lat0 + rapid.Int32Range(-100_000, 500_000).Draw(t, "lat"), LonE7: lon0 + rapid.Int32Range(-100_000, 500_000).Draw(t, "lon")}
	if rapid.Bool().Draw(t, "on a corner's latitude") {
		q := list[rapid.IntRange(0, len(list)-1).Draw(t, "ward")].Polygons[0].Outer
		p.LatE7 = q[rapid.IntRange(0, len(q)-1).Draw(t, "point")].LatE7
		if rapid.Bool().Draw(t, "and longitude") {
			p.LonE7 = q[rapid.IntRange(0, len(q)-1).Draw(t, "point")].LonE7
		}
	}
	p.AccuracyCM = rapid.SampledFrom([]uint32{0, 0, 500, 5000, 50_000, 500_000}).Draw(t, "accuracy")
	return p
}

func TestRoute_AnyShapes_AgreesWithReadingEveryEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawWards(t)
		w, err := NewWards(1, list)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			agree(t, w, drawPlace(t, list))
		}
	})
}

// turn gives the ring from another point, perhaps the other way round.
func turn(r Ring, from int, back bool) Ring {
	out := append(slices.Clone(r[from:]), r[:from]...)
	if back {
		slices.Reverse(out)
	}
	return out
}

func TestRoute_DoesNotDependOnDirectionRotationOrOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawWards(t)
		other := rapid.Permutation(list).Draw(t, "order")
		for i := range other {
			polygons := rapid.Permutation(other[i].Polygons).Draw(t, "polygons")
			for k, p := range polygons {
				q := Polygon{Outer: turn(p.Outer, rapid.IntRange(0, len(p.Outer)-1).Draw(t, "from"), rapid.Bool().Draw(t, "back"))}
				for _, h := range p.Holes {
					q.Holes = append(q.Holes, turn(h, rapid.IntRange(0, len(h)-1).Draw(t, "from"), rapid.Bool().Draw(t, "back")))
				}
				polygons[k] = q
			}
			other[i].Polygons = polygons
		}
		a, err := NewWards(1, list)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewWards(1, other)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			p := drawPlace(t, list)
			in := Input{Category: record.Crime, Place: &p, DeviceWard: "10003"}
			if x, y := Route(nil, a, in), Route(nil, b, in); !reflect.DeepEqual(x, y) {
				t.Fatalf("%v:\n%+v\n%+v", p, x, y)
			}
		}
	})
}

func TestRoute_WardsThatTile_EveryPlaceLiesInExactlyOne(t *testing.T) {
	w := grid(t, 6)
	rapid.Check(t, func(t *rapid.T) {
		on := func(label string) int32 { // often exactly on a side
			n := rapid.Int32Range(0, 5).Draw(t, label)*km - km/2
			if rapid.Bool().Draw(t, "off the side") {
				n += rapid.Int32Range(0, km-1).Draw(t, label)
			}
			return n
		}
		p := Point{lat0 + on("lat"), lon0 + on("lon")}
		n := 0
		for i := range w.shapes {
			if w.boxes[i].has(p) && w.shapes[i].contains(p) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%v lies in %d wards", p, n)
		}
	})
}

func TestRoute_ByCentreAgreesWithTheBoundariesOfASquareGrid(t *testing.T) {
	// Where every boundary runs midway between two centres both ways of routing
	// say the same, up to the rounding of the longitude.
	w := grid(t, 6)
	var bare []Ward
	for _, v := range w.list {
		v.Polygons = nil
		bare = append(bare, v)
	}
	c := mustWards(t, bare...)
	rapid.Check(t, func(t *rapid.T) {
		row, col := rapid.Int32Range(0, 5).Draw(t, "row"), rapid.Int32Range(0, 5).Draw(t, "col")
		in := Input{Category: record.Fire, Place: at(lat0+row*km+rapid.Int32Range(-km/2+4, km/2-4).Draw(t, "lat"), lon0+col*km+rapid.Int32Range(-km/2+4, km/2-4).Draw(t, "lon"), 0)}
		a, b := Route(nil, w, in), Route(nil, c, in)
		if a.Lead != b.Lead || a.Approximate || !b.Approximate {
			t.Fatalf("by boundary %s, by centre %s", a.Lead, b.Lead)
		}
	})
}

func TestRoute_AnyInput_KeepsItsPromises(t *testing.T) {
	sets := []*Wards{Centres(), grid(t, 6), row(t), nil}
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Category: record.Category(rapid.SampledFrom([]string{"fire", "panic", "feedback", "x", ""}).Draw(t, "category")),
			DeviceWard: record.WardCode(rapid.SampledFrom([]string{"", "26704", "10003", "abc"}).Draw(t, "ward")),
			CapturedAt: rapid.Int64().Draw(t, "captured"), ReceivedAt: rapid.Int64().Draw(t, "received"),
			ClockInDoubt: rapid.Bool().Draw(t, "doubt"), Silent: rapid.Bool().Draw(t, "silent")}
		if rapid.Bool().Draw(t, "place") {
			in.Place = &record.Place{LatE7: rapid.Int32().Draw(t, "lat"), LonE7: rapid.Int32().Draw(t, "lon"), AccuracyCM: rapid.Uint32().Draw(t, "accuracy")}
		}
		d := Route(nil, rapid.SampledFrom(sets).Draw(t, "wards"), in)
		if !slices.IsSorted(d.Told) || len(slices.Compact(slices.Clone(d.Told))) != len(d.Told) {
			t.Fatalf("not sorted or not unique: %v", d.Told)
		}
		if !slices.Contains(d.Told, d.Lead) || !slices.Contains(d.Told, record.Command) {
			t.Fatalf("lead %s or command is not told: %v", d.Lead, d.Told)
		}
		if in.DeviceWard.Valid() && !slices.Contains(d.Told, record.WardUnit(in.DeviceWard)) {
			t.Fatalf("the device's ward is not told: %v", d.Told)
		}
		if len(wardsOf(d.Told)) > MaxToldWards+1 {
			t.Fatalf("%d wards told", len(wardsOf(d.Told)))
		}
		if in.Silent && (d.Lane != record.Urgent || d.Priority != 1) {
			t.Fatalf("a silent alarm in lane %s", d.Lane)
		}
		for i, v := range d.Deadlines {
			if i > 0 && v.At < d.Deadlines[i-1].At {
				t.Fatalf("deadlines out of order: %v", d.Deadlines)
			}
		}
	})
}
