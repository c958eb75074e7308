package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"wardline/sync/record"
)

// Limits of a set of wards.
const (
	// MaxWards bounds the wards of one set; the whole country has 3,321.
	MaxWards = 4096
	// MaxPoints bounds the points of all rings; the 168 real wards have 217,352. A
	// million points are some 5 MB in the log and 20 MB of memory.
	MaxPoints = 1_000_000
	// MaxPolygons bounds the polygons of one set; an archipelago of islets stays below.
	MaxPolygons = 50_000
	// MaxName bounds a ward's name, in bytes.
	MaxName = 128
	// maxSpan bounds how far the wards lie apart, 30°: wider is a misplaced point,
	// and products of two coordinates must stay far below 2⁶³.
	maxSpan = 30 * degree
)

// ErrWards says that a set of wards breaks a limit or contradicts itself.
var ErrWards = errors.New("routing: wards")

// Ring is a closed line of at least three points; the first point is not
// repeated at the end. Its direction carries no meaning.
type Ring []Point

// Polygon is an area with holes.
type Polygon struct {
	Outer Ring
	Holes []Ring
}

// Ward is one commune-level unit as the routing sees it. Without polygons it
// is routed by its centre, approximately.
type Ward struct {
	Code     record.WardCode
	Name     string
	Centre   Point
	Polygons []Polygon
}

// Wards is an indexed, unchanging set of wards; safe for concurrent use.
type Wards struct {
	version uint32
	list    []Ward          // by code, ascending
	units   []record.UnitID // of list
	areas   []uint64        // of list; 0 without polygons
	shapes  []shape
	boxes   []box // of shapes, side by side because every question reads all
	bare    int   // wards without polygons
}

// NewWards checks and indexes wards; the order in which they are given carries
// no meaning. The set keeps the rings, which must not be changed any more.
// Errors wrap [ErrWards] and name the ward.
func NewWards(version uint32, wards []Ward) (*Wards, error) {
	if len(wards) == 0 || len(wards) > MaxWards {
		return nil, fmt.Errorf("%w: %d wards, want 1 to %d", ErrWards, len(wards), MaxWards)
	}
	w := &Wards{version: version, list: slices.Clone(wards)}
	slices.SortStableFunc(w.list, func(a, b Ward) int { return strings.Compare(string(a.Code), string(b.Code)) })
	points, polygons := 0, 0
	for i := range w.list {
		if i > 0 && w.list[i-1].Code == w.list[i].Code {
			return nil, fmt.Errorf("%w: ward %s stands twice", ErrWards, w.list[i].Code)
		}
		n, err := checkWard(&w.list[i])
		if err != nil {
			return nil, err
		}
		points += n
		polygons += len(w.list[i].Polygons)
	}
	if points > MaxPoints {
		return nil, fmt.Errorf("%w: %d points in all, at most %d: simplify the boundaries (1 m is finer than any phone)", ErrWards, points, MaxPoints)
	}
	if polygons > MaxPolygons {
		return nil, fmt.Errorf("%w: %d polygons in all, at most %d", ErrWards, polygons, MaxPolygons)
	}
	if err := w.checkSpan(); err != nil {
		return nil, err
	}
	w.build()
	return w, nil
}

func checkWard(w *Ward) (points int, err error) {
	if !w.Code.Valid() {
		return 0, fmt.Errorf("%w: code %q of ward %q is not five digits", ErrWards, w.Code, w.Name)
	}
	if w.Name == "" || len(w.Name) > MaxName || !utf8.ValidString(w.Name) || strings.ContainsFunc(w.Name, unicode.IsControl) {
		return 0, fmt.Errorf("%w: name of ward %s: want 1 to %d bytes of UTF-8 without control characters", ErrWards, w.Code, MaxName)
	}
	if !w.Centre.valid() {
		return 0, fmt.Errorf("%w: centre of ward %s lies outside ±90°, ±180°", ErrWards, w.Code)
	}
	for i, p := range w.Polygons {
		for k := -1; k < len(p.Holes); k++ {
			r := p.Outer
			if k >= 0 {
				r = p.Holes[k]
			}
			if len(r) < 3 {
				return 0, fmt.Errorf("%w: ward %s, polygon %d: a ring of %d points, want at least 3", ErrWards, w.Code, i+1, len(r))
			}
			if slices.ContainsFunc(r, func(p Point) bool { return !p.valid() }) {
				return 0, fmt.Errorf("%w: ward %s, polygon %d: a point outside ±90°, ±180°", ErrWards, w.Code, i+1)
			}
			points += len(r)
		}
	}
	return points, nil
}

// checkSpan compares every ward with the whole, so that the error can name
// the one that lies far from the first.
func (w *Wards) checkSpan() error {
	first := w.list[0].Centre
	all := box{first.LatE7, first.LatE7, first.LonE7, first.LonE7}
	for _, v := range w.list {
		all.add(v.Centre)
		for _, p := range v.Polygons {
			for k := -1; k < len(p.Holes); k++ {
				r := p.Outer
				if k >= 0 {
					r = p.Holes[k]
				}
				for _, q := range r {
					all.add(q)
				}
			}
		}
		if int64(all.maxLat)-int64(all.minLat) > maxSpan || int64(all.maxLon)-int64(all.minLon) > maxSpan {
			return fmt.Errorf("%w: ward %s lies more than %d° away from the wards before it: is a coordinate wrong?", ErrWards, v.Code, maxSpan/degree)
		}
	}
	return nil
}

func (w *Wards) build() {
	w.units = make([]record.UnitID, len(w.list))
	w.areas = make([]uint64, len(w.list))
	for i, v := range w.list {
		w.units[i] = record.WardUnit(v.Code)
		if len(v.Polygons) == 0 {
			w.bare++
		}
		for _, p := range v.Polygons {
			s, b := newShape(i, p)
			w.areas[i] += s.area
			w.shapes = append(w.shapes, s)
			w.boxes = append(w.boxes, b)
		}
	}
}

// Version is the version of the imported data; 0 is the built-in list of centres.
func (w *Wards) Version() uint32 { return w.version }

// Len is the number of wards.
func (w *Wards) Len() int { return len(w.list) }

// At gives the i-th ward by code; its rings must not be changed.
func (w *Wards) At(i int) Ward { return w.list[i] }

// Find gives a ward by its code.
func (w *Wards) Find(code record.WardCode) (Ward, bool) {
	if i, ok := w.find(code); ok {
		return w.list[i], true
	}
	return Ward{}, false
}

func (w *Wards) find(code record.WardCode) (int, bool) {
	return slices.BinarySearchFunc(w.list, code, func(v Ward, c record.WardCode) int { return strings.Compare(string(v.Code), string(c)) })
}

// Over lays these wards over a base: a ward of the base that is not here stays,
// so that a file of some wards does not make the others disappear. The result
// has the version of these wards.
func (w *Wards) Over(base *Wards) (*Wards, error) {
	all := slices.Clone(w.list)
	for _, v := range base.list {
		if _, ok := w.find(v.Code); !ok {
			all = append(all, v)
		}
	}
	return NewWards(w.version, all)
}
