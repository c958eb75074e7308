package routing

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"wardline/sync/record"
)

// centresCSV lists the 168 commune-level units of Ho Chi Minh City since 1 July
// 2025: code, name and a centre. Three of these centres lie in a neighbour's
// area; by nearest centre about three places in four get the right ward.
//
//go:embed centres.csv
var centresCSV string

// Centres is the built-in set: the city's 168 wards by centre, without
// boundaries, version 0. What is routed with it is approximate.
func Centres() *Wards { return centres() }

var centres = sync.OnceValue(func() *Wards {
	w, err := parseCentres(centresCSV)
	if err != nil {
		panic("routing: the built-in list of centres: " + err.Error()) // a test reads the same bytes
	}
	return w
})

func parseCentres(csv string) (*Wards, error) {
	var list []Ward
	for i, line := range strings.Split(strings.TrimSuffix(csv, "\n"), "\n") {
		if i == 0 {
			continue
		}
		f := strings.Split(line, ",")
		if len(f) != 4 {
			return nil, fmt.Errorf("line %d: %d fields, want code,name,lat,lon", i+1, len(f))
		}
		lat, err := parseDegrees(f[2])
		if err != nil {
			return nil, fmt.Errorf("line %d: lat: %w", i+1, err)
		}
		lon, err := parseDegrees(f[3])
		if err != nil {
			return nil, fmt.Errorf("line %d: lon: %w", i+1, err)
		}
		list = append(list, Ward{Code: record.WardCode(f[0]), Name: f[1], Centre: Point{LatE7: lat, LonE7: lon}})
	}
	return NewWards(0, list)
}

// parseDegrees reads a decimal of up to seven places without floating point.
func parseDegrees(s string) (int32, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > 7 {
		return 0, fmt.Errorf("%q has more than seven places", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 7-len(frac)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not degrees: %w", s, err)
	}
	return int32(n), nil
}
