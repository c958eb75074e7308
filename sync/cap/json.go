package cap

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"wardline/sync/routing"
)

// MarshalText is RFC 3339 in UTC with milliseconds, as everywhere in the interface.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// UnmarshalText reads RFC 3339 and keeps whole seconds.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	*t = Time(v.Unix() * 1000)
	return err
}

var errPosition = errors.New("a position is [longitude, latitude] in degrees")

// MarshalJSON is a ring of GeoJSON (RFC 7946, 3.1.6): longitude first.
func (p Polygon) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 24*len(p)+2), '[')
	for i, q := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = append(b, degrees(q.LonE7)...)
		b = append(b, ',')
		b = append(b, degrees(q.LatE7)...)
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads a ring of GeoJSON: longitude first.
func (p *Polygon) UnmarshalJSON(b []byte) error {
	var ring [][]float64
	if err := json.Unmarshal(b, &ring); err != nil {
		return err
	}
	if len(ring) > maxPoints {
		return fmt.Errorf("%d points, at most %d", len(ring), maxPoints)
	}
	*p = make(Polygon, len(ring))
	for i, at := range ring {
		if len(at) < 2 {
			return errPosition
		}
		q, ok := point(at[1], at[0])
		if !ok {
			return errPosition
		}
		(*p)[i] = q
	}
	return nil
}

// circleJSON is a circle with its centre as a position of GeoJSON.
type circleJSON struct {
	Centre Polygon `json:"centre"` // of one point
	Radius string  `json:"radius_km"`
}

// MarshalJSON has the centre as GeoJSON has it.
func (c Circle) MarshalJSON() ([]byte, error) {
	return json.Marshal(circleJSON{Polygon{c.Centre}, c.Radius})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Circle) UnmarshalJSON(b []byte) error {
	var j circleJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if len(j.Centre) != 1 {
		return errPosition
	}
	c.Centre, c.Radius = j.Centre[0], j.Radius
	return nil
}

// point makes a point of degrees; false when there is none.
func point(lat, lon float64) (routing.Point, bool) {
	if !(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) { // also NaN
		return routing.Point{}, false
	}
	return routing.Point{LatE7: int32(math.Round(lat * 1e7)), LonE7: int32(math.Round(lon * 1e7))}, true
}

// degrees writes a coordinate without an exponent and without trailing zeros.
func degrees(e7 int32) string {
	n, sign := int64(e7), ""
	if n < 0 {
		n, sign = -n, "-"
	}
	s := fmt.Sprintf("%s%d.%07d", sign, n/10_000_000, n%10_000_000)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}
