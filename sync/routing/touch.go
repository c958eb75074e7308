package routing

import "wardline/sync/record"

// Touching are the wards that a closed line touches or holds, by code, ascending. A
// ward without a boundary is touched when its centre lies inside, or when it is the
// nearest to one of the line's points. The line is read as drawn on a map: straight in degrees.
func (w *Wards) Touching(r Ring) []record.WardCode {
	if len(r) > 1 && r[0] == r[len(r)-1] {
		r = r[:len(r)-1] // GeoJSON and CAP repeat the first point
	}
	if len(r) < 3 {
		return nil
	}
	line, area := newShape(0, Polygon{Outer: r})
	edges := edgesOf(nil, r)
	// A line around half the world: products of its sides would not fit, and centres are enough.
	wide := int64(area.maxLat)-int64(area.minLat) > maxSpan || int64(area.maxLon)-int64(area.minLon) > maxSpan
	hit := make([]bool, len(w.list))
	for i, v := range w.list {
		hit[i] = (wide || len(v.Polygons) == 0) && area.has(v.Centre) && line.contains(v.Centre)
	}
	for i := range w.shapes {
		if v := w.shapes[i].ward; !wide && !hit[v] && w.boxes[i].meets(&area) {
			hit[v] = w.shapes[i].meets(&w.boxes[i], r, &line, &area, edges)
		}
	}
	if w.bare > 0 {
		for _, p := range r {
			if f, ok := w.locate(&record.Place{LatE7: p.LatE7, LonE7: p.LonE7}); ok && f.basis == ByCentre {
				hit[f.lead] = true
			}
		}
	}
	var out []record.WardCode
	for i, h := range hit {
		if h {
			out = append(out, w.list[i].Code)
		}
	}
	return out
}

func (b *box) meets(o *box) bool {
	return b.minLat <= o.maxLat && o.minLat <= b.maxLat && b.minLon <= o.maxLon && o.minLon <= b.maxLon
}

// meets says whether a shape and a line have a point in common: a corner of one in
// the other, or sides that cross.
func (s *shape) meets(box *box, r Ring, line *shape, area *box, sides []edge) bool {
	for _, p := range r {
		if box.has(p) && s.contains(p) {
			return true
		}
	}
	for _, e := range s.edges {
		if p := (Point{e.aLat, e.aLon}); area.has(p) && line.contains(p) {
			return true
		}
		for i := range sides {
			if e.crosses(&sides[i]) {
				return true
			}
		}
	}
	return false
}

func (e *edge) crosses(o *edge) bool {
	if max(e.aLat, e.bLat) < min(o.aLat, o.bLat) || max(o.aLat, o.bLat) < min(e.aLat, e.bLat) ||
		max(e.aLon, e.bLon) < min(o.aLon, o.bLon) || max(o.aLon, o.bLon) < min(e.aLon, e.bLon) {
		return false
	}
	return e.side(o.aLat, o.aLon) != e.side(o.bLat, o.bLon) && o.side(e.aLat, e.aLon) != o.side(e.bLat, e.bLon)
}

// side is on which side of the edge a point lies: -1, 0, 1. Wards span at most
// maxSpan, so that the products stay below 2⁶³.
func (e *edge) side(lat, lon int32) int {
	c := (int64(e.bLat)-int64(e.aLat))*(int64(lon)-int64(e.aLon)) - (int64(e.bLon)-int64(e.aLon))*(int64(lat)-int64(e.aLat))
	switch {
	case c > 0:
		return 1
	case c < 0:
		return -1
	}
	return 0
}
