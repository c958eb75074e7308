package routing

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wardline/sync/record"
)

// Summary says what a file of boundaries held.
type Summary struct {
	Bytes int64 // of the text, decompressed
	Gzip  bool
	// Features of the file; Skipped of them had no area. Notes name the first of those.
	Features, Skipped int
	Notes             []string
	// What was read. Dropped are rings without area and holes outside their polygon.
	Wards, Polygons, Holes, Points, Dropped int
	// CodeFrom and NameFrom are the properties that gave code and name.
	CodeFrom, NameFrom string
	// SouthWest and NorthEast are the corners of the whole.
	SouthWest, NorthEast Point
	// Duplicates are codes that came with more than one feature; their areas were joined.
	Duplicates []record.WardCode
	// Unknown are codes that the built-in list of the city does not have, Absent those
	// of that list that the file does not have.
	Unknown, Absent []record.WardCode
	// OffCentre are wards whose built-in centre lies outside their boundary.
	OffCentre []record.WardCode
}

// finish makes the wards of what was read.
func (g *geoReader) finish() (*Wards, Summary, error) {
	if len(g.list) == 0 {
		p := fmt.Sprintf("no ward in %d features; a ward is a feature with a Polygon or a MultiPolygon", g.sum.Features)
		if len(g.sum.Notes) > 0 {
			p += " (" + strings.Join(g.sum.Notes, "; ") + ")"
		}
		return nil, g.sum, &InputError{Problem: p}
	}
	s := &g.sum
	s.Wards, s.Points, s.CodeFrom, s.NameFrom = len(g.list), g.points, g.codeBy, g.nameBy
	known := Centres()
	for i := range g.list {
		v := &g.list[i]
		if g.seen[string(v.Code)] > 1 {
			s.Duplicates = append(s.Duplicates, v.Code)
		}
		k, ok := known.Find(v.Code)
		if !ok {
			s.Unknown = append(s.Unknown, v.Code)
		}
		if ok && v.contains(k.Centre) {
			v.Centre = k.Centre
			continue
		}
		if ok {
			s.OffCentre = append(s.OffCentre, v.Code)
		}
		v.Centre = inside(v.Polygons)
	}
	for _, k := range known.list {
		if _, ok := g.byCode[string(k.Code)]; !ok {
			s.Absent = append(s.Absent, k.Code)
		}
	}
	for _, l := range [][]record.WardCode{s.Duplicates, s.Unknown, s.OffCentre} {
		slices.Sort(l)
	}
	w, err := NewWards(g.opt.Version, g.list)
	if err != nil {
		return nil, *s, err
	}
	all := w.boxes[0]
	for _, b := range w.boxes[1:] {
		all.add(Point{b.minLat, b.minLon})
		all.add(Point{b.maxLat, b.maxLon})
	}
	s.SouthWest, s.NorthEast = Point{all.minLat, all.minLon}, Point{all.maxLat, all.maxLon}
	return w, *s, nil
}

// contains says whether a point lies in one of the ward's polygons.
func (w *Ward) contains(p Point) bool {
	for _, q := range w.Polygons {
		if s, b := newShape(0, q); b.has(p) && s.contains(p) {
			return true
		}
	}
	return false
}

// inside finds a point in the largest polygon to put a pin on: the centre of its
// area, or, when that lies outside (a crescent), the middle of the longest
// piece of the parallel through the middle of its box.
func inside(polygons []Polygon) Point {
	largest := slices.MaxFunc(polygons, func(a, b Polygon) int {
		return int(areaOf(a.Outer)>>1) - int(areaOf(b.Outer)>>1)
	})
	s, b := newShape(0, largest)
	if c := centroid(largest.Outer); b.has(c) && s.contains(c) {
		return c
	}
	lat := b.minLat + (b.maxLat-b.minLat)/2
	var cuts []int32
	for _, e := range s.band((int64(lat) - s.base) / s.height) {
		if lat >= e.aLat && lat < e.bLat {
			t := float64(lat-e.aLat) / float64(e.bLat-e.aLat)
			cuts = append(cuts, e.aLon+int32(math.Round(t*float64(e.bLon-e.aLon))))
		}
	}
	slices.Sort(cuts)
	best, width := largest.Outer[0], int32(-1)
	for i := 0; i+1 < len(cuts); i += 2 {
		if d := cuts[i+1] - cuts[i]; d > width {
			best, width = Point{LatE7: lat, LonE7: cuts[i] + d/2}, d
		}
	}
	return best
}

// centroid is the centre of a ring's area. The import may compute in floating
// point: its result is data.
func centroid(r Ring) Point {
	var area, x, y float64
	o := r[0]
	for i, p := range r {
		q := r[(i+1)%len(r)]
		ax, ay := float64(p.LonE7-o.LonE7), float64(p.LatE7-o.LatE7)
		bx, by := float64(q.LonE7-o.LonE7), float64(q.LatE7-o.LatE7)
		cross := ax*by - bx*ay
		area += cross
		x += (ax + bx) * cross
		y += (ay + by) * cross
	}
	return Point{LatE7: offset(o.LatE7, y/(3*area), maxLat), LonE7: offset(o.LonE7, x/(3*area), maxLon)}
}

// offset adds what a ring that crosses itself may make huge.
func offset(from int32, by, most float64) int32 {
	v := math.Round(float64(from) + by)
	if math.IsNaN(v) {
		return from
	}
	return int32(min(max(v, -most), most))
}

// String is the summary for the operator, several lines.
func (s Summary) String() string {
	var b strings.Builder
	how := ""
	if s.Gzip {
		how = ", gzip"
	}
	fmt.Fprintf(&b, "read %d wards from %d features (%d bytes%s): %d polygons, %d holes, %d points\n",
		s.Wards, s.Features, s.Bytes, how, s.Polygons, s.Holes, s.Points)
	fmt.Fprintf(&b, "codes from %s, names from %s\n", orNone(s.CodeFrom), orNone(s.NameFrom))
	fmt.Fprintf(&b, "from %s to %s (latitude, longitude)\n", s.SouthWest, s.NorthEast)
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "skipped %d features: %s\n", s.Skipped, strings.Join(s.Notes, "; "))
	}
	if s.Dropped > 0 {
		fmt.Fprintf(&b, "dropped %d rings without area or outside their polygon\n", s.Dropped)
	}
	for _, l := range []struct {
		what  string
		codes []record.WardCode
	}{
		{"codes with several features, joined", s.Duplicates}, {"codes that the built-in list does not have", s.Unknown},
		{"wards of the built-in list that the file does not have", s.Absent}, {"built-in centre outside the boundary, replaced", s.OffCentre},
	} {
		if n := len(l.codes); n > 0 {
			shown := fmt.Sprint(l.codes[:min(n, 10)])
			if n > 10 {
				shown = strings.TrimSuffix(shown, "]") + " …]"
			}
			fmt.Fprintf(&b, "%s: %d %s\n", l.what, n, shown)
		}
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// String is latitude and longitude in degrees.
func (p Point) String() string {
	return fmt.Sprintf("%.7f,%.7f", float64(p.LatE7)/degree, float64(p.LonE7)/degree)
}
