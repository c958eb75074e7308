package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"wardline/sync/identity"
	"wardline/sync/routing"
)

// wardsMap is the map of the wards as a screen draws it, made once per set.
type wardsMap struct {
	mu   sync.Mutex // guards the rest
	of   *routing.Wards
	made bool
	etag string
	raw  []byte
	gz   []byte
}

// outlineError is how far a drawn boundary may lie from the imported one, in
// units of 1e-7 degrees: some 11 m, less than a pixel of a desk's map of one ward.
// Routing uses the exact boundary.
const outlineError = 1000

// mapFeature is one ward of GeoJSON (RFC 7946). A ward without a boundary is a point.
type mapFeature struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
	Geometry   map[string]any `json:"geometry"`
}

// forms gives the map of w, and the same compressed.
func (m *wardsMap) forms(w *routing.Wards) (etag string, raw, gz []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made && m.of == w {
		return m.etag, m.raw, m.gz, nil
	}
	set := w
	if set == nil {
		set = routing.Centres()
	}
	features := make([]mapFeature, set.Len())
	for i := range features {
		features[i] = featureOf(set.At(i))
	}
	raw, err = json.Marshal(map[string]any{"type": "FeatureCollection", "version": set.Version(), "features": features})
	if err != nil {
		return "", nil, nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		return "", nil, nil, err
	}
	if err := z.Close(); err != nil {
		return "", nil, nil, err
	}
	id := set.ID()
	m.of, m.made, m.etag, m.raw, m.gz = w, true, `"`+id.String()[:16]+`"`, raw, b.Bytes()
	return m.etag, m.raw, m.gz, nil
}

func featureOf(v routing.Ward) mapFeature {
	centre := []json.Number{decimal(int64(v.Centre.LonE7), 7), decimal(int64(v.Centre.LatE7), 7)}
	f := mapFeature{Type: "Feature", ID: string(v.Code), Properties: map[string]any{"code": v.Code, "name": v.Name, "centre": centre}}
	if len(v.Polygons) == 0 {
		f.Geometry = map[string]any{"type": "Point", "coordinates": centre}
		return f
	}
	var polygons [][][][2]json.Number
	for _, p := range v.Polygons {
		rings := [][][2]json.Number{outline(p.Outer)}
		for _, h := range p.Holes {
			rings = append(rings, outline(h))
		}
		polygons = append(polygons, rings)
	}
	f.Geometry = map[string]any{"type": "MultiPolygon", "coordinates": polygons}
	return f
}

// outline is a closed ring with the points that a screen needs (Douglas and
// Peucker 1973), without recursion: a boundary may have many thousand points.
func outline(r routing.Ring) [][2]json.Number {
	pts := append(append(routing.Ring{}, r...), r[0])
	keep := make([]bool, len(pts))
	// The farthest point from the first splits the ring into two lines.
	far, most := 0, int64(-1)
	for i, p := range r {
		dx, dy := int64(p.LonE7-r[0].LonE7), int64(p.LatE7-r[0].LatE7)
		if d := dx*dx + dy*dy; d > most {
			far, most = i, d
		}
	}
	keep[0], keep[far], keep[len(pts)-1] = true, true, true
	for todo := [][2]int{{0, far}, {far, len(pts) - 1}}; len(todo) > 0; {
		from, to := todo[len(todo)-1][0], todo[len(todo)-1][1]
		todo = todo[:len(todo)-1]
		at, worst := -1, float64(outlineError)*outlineError
		for i := from + 1; i < to; i++ {
			if d := offLine(pts[from], pts[to], pts[i]); d > worst {
				at, worst = i, d
			}
		}
		if at > 0 {
			keep[at] = true
			todo = append(todo, [2]int{from, at}, [2]int{at, to})
		}
	}
	var out [][2]json.Number
	for i, p := range pts {
		if keep[i] {
			out = append(out, [2]json.Number{decimal(int64(p.LonE7)/100, 5), decimal(int64(p.LatE7)/100, 5)})
		}
	}
	for len(out) < 4 { // a sliver that is smaller than a pixel stays a ring
		out = append(out, out[len(out)-1])
	}
	return out
}

// offLine is the squared distance of p from the line between a and b.
func offLine(a, b, p routing.Point) float64 {
	ax, ay := float64(p.LonE7-a.LonE7), float64(p.LatE7-a.LatE7)
	bx, by := float64(b.LonE7-a.LonE7), float64(b.LatE7-a.LatE7)
	if n := bx*bx + by*by; n > 0 {
		t := min(1, max(0, (ax*bx+ay*by)/n))
		ax, ay = ax-t*bx, ay-t*by
	}
	return ax*ax + ay*ay
}

// getWards is the base map of every screen: the wards' boundaries, thinned for
// drawing, or their centres where none were imported.
func (s *Server) getWards(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	etag, raw, gz, err := s.wards.forms(s.Backend.Wards())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/geo+json")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", etag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := raw
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = gz
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client has gone; there is nobody to tell
	return nil
}
