package api

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"wardline/sync/identity"
	"wardline/sync/points"
	"wardline/sync/routing"
)

// Points gives the places of help that this node knows.
type Points interface {
	// Points is the set in effect; nil when none was imported.
	Points() (*points.Set, error)
}

// PointsManager takes places of help into the city's log; only the core can.
type PointsManager interface {
	ImportPoints(ctx context.Context, by identity.Officer, geojson []byte) (version uint32, count int, err error)
}

// Limits of a question for places of help.
const (
	maxPoints = 200    // in one answer; a map near a fire shows some dozens
	maxWithin = 20_000 // metres
)

type nearJSON struct {
	ID       string      `json:"id,omitempty"`
	Kind     string      `json:"kind"`
	Name     string      `json:"name,omitempty"`
	Lat      json.Number `json:"lat"`
	Lon      json.Number `json:"lon"`
	Distance uint32      `json:"distance_m"`
}

// getPoints are the places of help near a place, the nearest first.
func (s *Server) getPoints(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	b, ok := s.Backend.(Points)
	if !ok {
		return Problem(404, "not-here", "", "this node knows no places of help")
	}
	v := r.URL.Query()
	lat, err := strconv.ParseFloat(v.Get("lat"), 64)
	if err != nil || !(math.Abs(lat) <= 90) {
		return Problem(400, "invalid-value", "lat", "a latitude in degrees, -90 to 90")
	}
	lon, err := strconv.ParseFloat(v.Get("lon"), 64)
	if err != nil || !(math.Abs(lon) <= 180) {
		return Problem(400, "invalid-value", "lon", "a longitude in degrees, -180 to 180")
	}
	within := uint64(1000)
	if t := v.Get("within"); t != "" {
		if within, err = strconv.ParseUint(t, 10, 32); err != nil || within > maxWithin {
			return Problem(400, "invalid-value", "within", "metres, at most %d", maxWithin)
		}
	}
	limit := 50
	if t := v.Get("limit"); t != "" {
		if limit, err = strconv.Atoi(t); err != nil || limit < 1 || limit > maxPoints {
			return Problem(400, "invalid-value", "limit", "1 to %d", maxPoints)
		}
	}
	kind := v.Get("kind")
	if kind != "" && !slices.Contains(points.Kinds, kind) {
		return Problem(400, "invalid-value", "kind", "one of %s", strings.Join(points.Kinds, ", "))
	}
	set, err := b.Points()
	if err != nil {
		return err
	}
	items := []nearJSON{}
	at := routing.Point{LatE7: int32(math.Round(lat * 1e7)), LonE7: int32(math.Round(lon * 1e7))}
	for _, p := range set.Near(at, uint32(within), limit, kind) {
		items = append(items, nearJSON{p.ID, p.Kind, p.Name, decimal(int64(p.At.LatE7), 7), decimal(int64(p.At.LonE7), 7), p.Metres})
	}
	return s.answer(w, 200, map[string]any{"count": set.Len(), "items": items})
}

// postPoints imports a set of them, in place of the one before.
func (s *Server) postPoints(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	m, ok := s.Backend.(PointsManager)
	if !ok {
		return Problem(404, "not-here", "", "places of help are imported at the core")
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, points.MaxFile+1))
	if err != nil {
		return Problem(400, "not-read", "", "the request broke off")
	}
	if len(raw) > points.MaxFile {
		return Problem(413, "too-large", "", "at most %d bytes", points.MaxFile)
	}
	version, count, err := m.ImportPoints(r.Context(), o, raw)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"version": version, "count": count})
}
