package routing

import (
	"slices"
	"testing"

	"wardline/sync/record"
)

func ringAt(lat, lon, size int32) Ring {
	return Ring{{lat, lon}, {lat + size, lon}, {lat + size, lon + size}, {lat, lon + size}}
}

// TestTouching_LinesOnTheMap_FindTheirWards: inside one, over a border, around one, a band
// that has no corner in any ward, and wards that are known by their centres alone.
func TestTouching_LinesOnTheMap_FindTheirWards(t *testing.T) {
	const lat, lon, k = 107_000_000, 1_067_000_000, 100_000
	w, err := NewWards(1, []Ward{
		{Code: "10001", Name: "a", Centre: Point{lat + k/2, lon + k/2}, Polygons: []Polygon{{Outer: ringAt(lat, lon, k)}}},
		{Code: "10002", Name: "b", Centre: Point{lat + k/2, lon + 3*k/2}, Polygons: []Polygon{{Outer: ringAt(lat, lon+k, k)}}},
		{Code: "10003", Name: "c", Centre: Point{lat + 5*k, lon + 5*k}},
		{Code: "10004", Name: "d", Centre: Point{lat + 9*k, lon + 9*k}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		line Ring
		want []record.WardCode
	}{
		"inside one":            {ringAt(lat+k/4, lon+k/4, k/4), []record.WardCode{"10001"}},
		"over the border":       {ringAt(lat+k/4, lon+3*k/4, k/2), []record.WardCode{"10001", "10002"}},
		"around one":            {ringAt(lat-k/10, lon-k/10, k+k/5), []record.WardCode{"10001", "10002"}},
		"a band across both":    {Ring{{lat + k/4, lon - k}, {lat + k/2, lon - k}, {lat + k/2, lon + 3*k}, {lat + k/4, lon + 3*k}}, []record.WardCode{"10001", "10002"}},
		"around a centre alone": {ringAt(lat+4*k, lon+4*k, 2*k), []record.WardCode{"10003"}},
		"near a centre":         {ringAt(lat+6*k, lon+6*k, k/10), []record.WardCode{"10003"}},
		"no area":               {Ring{{lat, lon}, {lat, lon}}, nil},
	} {
		closed := append(slices.Clone(c.line), c.line[0])
		if got := w.Touching(c.line); !slices.Equal(got, c.want) || !slices.Equal(w.Touching(closed), c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
