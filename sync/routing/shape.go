package routing

const (
	// edgesPerBand is how many edges a band of latitude holds on average: few
	// enough that a question reads some dozens, enough that the index stays small.
	edgesPerBand = 12
	// maxBands bounds the bands of one polygon.
	maxBands = 512
	// maxCopies bounds how often an edge stands in the index on average, so
	// that a comb of long edges cannot make the index grow.
	maxCopies = 4
)

// box is the smallest rectangle around a polygon, ends included.
type box struct {
	minLat, maxLat, minLon, maxLon int32
}

func (b *box) add(p Point) {
	b.minLat, b.maxLat = min(b.minLat, p.LatE7), max(b.maxLat, p.LatE7)
	b.minLon, b.maxLon = min(b.minLon, p.LonE7), max(b.maxLon, p.LonE7)
}

func boxOf(r Ring) box {
	b := box{r[0].LatE7, r[0].LatE7, r[0].LonE7, r[0].LonE7}
	for _, p := range r[1:] {
		b.add(p)
	}
	return b
}

func (b *box) has(p Point) bool {
	return p.LatE7 >= b.minLat && p.LatE7 <= b.maxLat && p.LonE7 >= b.minLon && p.LonE7 <= b.maxLon
}

// dist2 is a lower bound of the squared distance to anything in the box.
func (b *box) dist2(f *frame, p Point) int64 {
	near := Point{LatE7: min(max(p.LatE7, b.minLat), b.maxLat), LonE7: min(max(p.LonE7, b.minLon), b.maxLon)}
	return f.dist2(near)
}

// edge is one side of a ring with its lower end first, so that it is the same
// whichever way the ring runs.
type edge struct {
	aLat, aLon, bLat, bLon int32
}

// shape is one polygon, indexed: its edges by bands of latitude.
type shape struct {
	ward   int // index of the ward
	area   uint64
	height int64 // of a band, in units
	base   int64 // latitude of the lowest band
	start  []uint32
	edges  []edge
}

func newShape(ward int, p Polygon) (shape, box) {
	b := boxOf(p.Outer)
	s := shape{ward: ward, area: areaOf(p.Outer)}
	all := edgesOf(nil, p.Outer)
	for _, h := range p.Holes {
		s.area -= min(s.area, areaOf(h))
		all = edgesOf(all, h)
		for _, q := range h {
			b.add(q)
		}
	}
	s.base = int64(b.minLat)
	s.index(all, int64(b.maxLat)-int64(b.minLat)+1)
	return s, b
}

func edgesOf(to []edge, r Ring) []edge {
	for i, a := range r {
		b := r[(i+1)%len(r)]
		if a.LatE7 > b.LatE7 || a.LatE7 == b.LatE7 && a.LonE7 > b.LonE7 {
			a, b = b, a
		}
		to = append(to, edge{a.LatE7, a.LonE7, b.LatE7, b.LonE7})
	}
	return to
}

// areaOf is twice the ring's area in squared units. The sum may wrap on the
// way, which in arithmetic modulo 2⁶⁴ does not change the result; that is at
// most 2 × (3 × 10⁸)².
func areaOf(r Ring) uint64 {
	var sum int64
	o := r[0]
	for i, a := range r {
		b := r[(i+1)%len(r)]
		ax, ay := int64(a.LonE7)-int64(o.LonE7), int64(a.LatE7)-int64(o.LatE7)
		bx, by := int64(b.LonE7)-int64(o.LonE7), int64(b.LatE7)-int64(o.LatE7)
		sum += ax*by - bx*ay
	}
	if sum < 0 {
		sum = -sum
	}
	return uint64(sum)
}

func (s *shape) index(all []edge, span int64) {
	bands := int64(min(max(len(all)/edgesPerBand, 1), maxBands))
	for {
		s.height = (span + bands - 1) / bands
		copies := int64(0)
		for _, e := range all {
			copies += (int64(e.bLat)-s.base)/s.height - (int64(e.aLat)-s.base)/s.height + 1
		}
		if bands == 1 || copies <= maxCopies*int64(len(all)) {
			break
		}
		bands /= 2
	}
	s.start = make([]uint32, bands+1)
	each := func(f func(band int64, e edge)) {
		for _, e := range all {
			last := (int64(e.bLat) - s.base) / s.height
			for k := (int64(e.aLat) - s.base) / s.height; k <= last; k++ {
				f(k, e)
			}
		}
	}
	each(func(k int64, _ edge) { s.start[k+1]++ })
	for k := int64(0); k < bands; k++ {
		s.start[k+1] += s.start[k]
	}
	s.edges = make([]edge, s.start[bands])
	next := append([]uint32(nil), s.start[:bands]...)
	each(func(k int64, e edge) { s.edges[next[k]] = e; next[k]++ })
}

func (s *shape) band(k int64) []edge { return s.edges[s.start[k]:s.start[k+1]] }

// contains says whether the point lies in the polygon: a ray towards the east
// crosses its edges an odd number of times. An edge has its lower end and not
// its upper one, so that of two polygons that share a side exactly one contains a
// point on it. The point lies in the polygon's box.
func (s *shape) contains(p Point) bool {
	in := false
	for _, e := range s.band((int64(p.LatE7) - s.base) / s.height) {
		if p.LatE7 < e.aLat || p.LatE7 >= e.bLat {
			continue
		}
		left := (int64(p.LonE7) - int64(e.aLon)) * (int64(e.bLat) - int64(e.aLat))
		right := (int64(e.bLon) - int64(e.aLon)) * (int64(p.LatE7) - int64(e.aLat))
		if left < right {
			in = !in
		}
	}
	return in
}

// dist2 is the squared distance from the frame's place to the polygon's
// sides when that is at most limit, else far.
func (s *shape) dist2(f *frame, limit int64) int64 {
	last := int64(len(s.start)) - 2
	first := min(max((f.lat-s.base)/s.height, 0), last)
	best := limit
	if best < far {
		best++ // at the limit is still near
	}
	found := far
	scan := func(k int64) {
		for _, e := range s.band(k) {
			if d := e.dist2(f, best); d < best {
				best, found = d, d
			}
		}
	}
	scan(first)
	for step := int64(1); ; step++ {
		down, up := first-step, first+step
		more := false
		if gap := f.lat - (s.base + (down+1)*s.height - 1); down >= 0 && (gap <= 0 || gap*gap < best) {
			scan(down)
			more = true
		}
		if gap := s.base + up*s.height - f.lat; up <= last && (gap <= 0 || gap*gap < best) {
			scan(up)
			more = true
		}
		if !more {
			return found
		}
	}
}

// dist2 is the squared distance to the edge; it may be far when it is not below best.
func (e *edge) dist2(f *frame, best int64) int64 {
	ay, by := f.y(e.aLat), f.y(e.bLat)
	if ay > 0 && ay*ay >= best || by < 0 && by*by >= best {
		return far
	}
	ax, bx := f.x(e.aLon), f.x(e.bLon)
	if w := min(ax, bx); w > 0 && w*w >= best {
		return far
	}
	if w := max(ax, bx); w < 0 && w*w >= best {
		return far
	}
	return segment2(ax, ay, bx, by)
}
