package routing

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"wardline/sync/record"
)

// realWards reads the file that WARDS_FILE names: the boundaries of the city,
// which the project does not carry.
func realWards(t testing.TB) (*Wards, Summary) {
	t.Helper()
	name := os.Getenv("WARDS_FILE")
	if name == "" {
		t.Skip("WARDS_FILE names no file of ward boundaries")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begin := time.Now()
	w, s, err := ReadGeoJSON(f, Options{Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("import took %v", time.Since(begin))
	return w, s
}

func TestWardsFile_TheWholeCityIsRead(t *testing.T) {
	w, s := realWards(t)
	t.Logf("\n%s", s)
	if w.Len() != 168 || len(s.Unknown) != 0 || len(s.Absent) != 0 || s.Skipped != 0 || len(s.Duplicates) != 0 {
		t.Errorf("%s", s)
	}
	if want := []record.WardCode{"25912", "26882", "27424"}; !slices.Equal(s.OffCentre, want) {
		t.Errorf("centres outside their ward: %v, want %v", s.OffCentre, want)
	}
	parts, err := w.EncodeParts()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d parts, %d bytes, id %s", len(parts), len(bytes.Join(parts, nil)), w.ID())
	again, err := Assemble(parts)
	if err != nil || !bytes.Equal(again.Encode(), w.Encode()) {
		t.Errorf("does not travel: %v", err)
	}
}

func TestWardsFile_EveryCentreAndThreeKnownPlaces_RouteToTheirWard(t *testing.T) {
	w, _ := realWards(t)
	check := func(p Point, want record.UnitID) {
		d := Route(nil, w, Input{Category: record.Fire, Place: &record.Place{LatE7: p.LatE7, LonE7: p.LonE7}})
		if d.Lead != want || d.Approximate || d.Outside {
			t.Errorf("%s: %s by %s, want %s", p, d.Lead, d.Basis, want)
		}
	}
	for i := range w.Len() {
		check(w.At(i).Centre, record.WardUnit(w.At(i).Code))
	}
	check(Point{107_765_000, 1_067_009_000}, "ward/26740")
	check(Point{107_725_000, 1_066_981_000}, "ward/26743")
	check(Point{108_137_000, 1_066_580_000}, "ward/27007")
}

// places gives random places in the city, seeded, at most 3 km outside.
func places(w *Wards, n int) []Point {
	rng := rand.New(rand.NewPCG(168, 2025))
	var out []Point
	for len(out) < n {
		b := w.boxes[rng.IntN(len(w.boxes))]
		p := Point{b.minLat + rng.Int32N(b.maxLat-b.minLat+1), b.minLon + rng.Int32N(b.maxLon-b.minLon+1)}
		f := newFrame(p)
		if d2, ok := w.nearestShape(p, &f); ok && d2 < 9*km*km {
			out = append(out, p)
		}
	}
	return out
}

func TestWardsFile_NearestCentre_IsRightForThreeInFourAndTellsTheOthers(t *testing.T) {
	w, _ := realWards(t)
	const n = 4000
	all, right, told, wards, snapped, capped, far := 0, 0, 0, 0, 0, 0, 0
	for _, p := range places(w, n) {
		in := Input{Category: record.Fire, Place: &record.Place{LatE7: p.LatE7, LonE7: p.LonE7, AccuracyCM: 2000}}
		truth := Route(nil, w, in)
		if truth.Outside {
			snapped++
			continue
		}
		all++
		d := Route(nil, nil, in)
		if d.Basis == ByCommand && d.Outside {
			// Islets of Côn Đảo lie farther than maxSnap from its centre.
			far++
			continue
		}
		if !d.Approximate {
			t.Fatalf("%s: routed by %s", p, d.Basis)
		}
		if d.Lead == truth.Lead {
			right++
		}
		if slices.Contains(d.Told, truth.Lead) {
			told++
		}
		if d.Capped {
			capped++
		}
		wards += len(wardsOf(d.Told))
	}
	t.Logf("%d places in a ward (%d too far from any centre), %d in none: nearest centre right %.1f %%, right ward told %.1f %%, %.2f wards told, capped %.1f %%",
		all, far, snapped, 100*float64(right)/float64(all), 100*float64(told)/float64(all), float64(wards)/float64(all), 100*float64(capped)/float64(all))
	if right*100 < 70*all || told*100 < 85*all || far*100 > all {
		t.Errorf("right %d, told %d, too far %d of %d", right, told, far, all)
	}
}

func TestWardsFile_IndexAgreesWithReadingEveryEdge(t *testing.T) {
	w, _ := realWards(t)
	n := 40
	if os.Getenv("WARDLINE_LONG") != "" {
		n = 20_000
	}
	for i, p := range places(w, n) {
		agree(t, w, record.Place{LatE7: p.LatE7, LonE7: p.LonE7, AccuracyCM: uint32(i%7) * 3000})
	}
}
