package api

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"wardline/sync/record"
	"wardline/sync/routing"
)

func TestOutline_LosesPointsButNoMoreThanItsError(t *testing.T) {
	var ring routing.Ring
	for i := range 2000 { // a circle of some 5 km
		a := float64(i) / 2000 * 2 * math.Pi
		ring = append(ring, routing.Point{LatE7: 107000000 + int32(450000*math.Sin(a)), LonE7: 1067000000 + int32(450000*math.Cos(a))})
	}
	out := outline(ring)
	if len(out) > 200 || len(out) < 20 || out[0] != out[len(out)-1] {
		t.Fatalf("%d points, closed %v", len(out), out[0] == out[len(out)-1])
	}
	at := func(p [2]json.Number) routing.Point {
		lon, err := p[0].Float64()
		lat, err2 := p[1].Float64()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return routing.Point{LatE7: int32(math.Round(lat * 1e7)), LonE7: int32(math.Round(lon * 1e7))}
	}
	const rounding = 100 // five digits
	for _, p := range ring {
		best := math.Inf(1)
		for i := 1; i < len(out); i++ {
			best = min(best, offLine(at(out[i-1]), at(out[i]), p))
		}
		if math.Sqrt(best) > outlineError+2*rounding {
			t.Fatalf("%v lies %f off the drawn line", p, math.Sqrt(best))
		}
	}
	if sliver := outline(routing.Ring{{LatE7: 1}, {LatE7: 2}, {LatE7: 3}}); len(sliver) < 4 {
		t.Errorf("a ring of %d points", len(sliver))
	}
}

func TestWardsMap_WithoutBoundaries_GivesEveryCentreOnce(t *testing.T) {
	var m wardsMap
	etag, raw, gz, err := m.forms(nil)
	if err != nil || etag == "" || len(gz) >= len(raw) {
		t.Fatalf("%q %d %d %v", etag, len(raw), len(gz), err)
	}
	var c struct {
		Type     string
		Features []struct {
			ID         string
			Properties struct {
				Code record.WardCode
				Name string
			}
			Geometry struct{ Type string }
		}
	}
	if err := json.Unmarshal(raw, &c); err != nil || c.Type != "FeatureCollection" || len(c.Features) != routing.Centres().Len() {
		t.Fatalf("%v %s %d", err, c.Type, len(c.Features))
	}
	for _, f := range c.Features {
		if f.Geometry.Type != "Point" || !f.Properties.Code.Valid() || f.Properties.Name == "" {
			t.Errorf("%+v", f)
		}
	}
	if again, _, _, _ := m.forms(nil); again != etag {
		t.Error("made anew")
	}
}

func TestContactBook_Faults_NameTheField(t *testing.T) {
	good := Contact{ID: "tt-1", Name: "Tổ 1", Kind: "patrol", Unit: "ward/26704"}
	if err := (&ContactBook{Contacts: []Contact{good}}).Validate(); err != nil {
		t.Fatal(err)
	}
	for field, list := range map[string][]Contact{
		"contacts[0].id": {{Name: "x", Kind: "unit"}}, "contacts[1].id": {good, good}, "contacts[0].kind": {{ID: "x", Name: "x", Kind: "friend"}},
		"contacts[0].unit": {{ID: "x", Name: "x", Kind: "patrol"}}, "contacts[0].name": {{ID: "x", Name: strings.Repeat("ạ", maxContactText+1), Kind: "unit"}},
	} {
		err := (&ContactBook{Contacts: list}).Validate()
		var f *contactFault
		if !errors.As(err, &f) || f.field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestShorten_CountsCharactersAndNotBytes(t *testing.T) {
	if got := shorten(strings.Repeat("ế", 200), maxBrief); len([]rune(got)) != maxBrief || !strings.HasSuffix(got, "ế…") {
		t.Errorf("%q", got)
	}
	if got := shorten("cháy", maxBrief); got != "cháy" {
		t.Errorf("%q", got)
	}
}
