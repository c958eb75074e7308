// Package points knows where help is: hydrants and other water, fire stations,
// defibrillators, clinics, police posts, shelters. A set of them is imported as GeoJSON
// (RFC 7946), travels in parts as entries of the city's log, and is asked for what is
// nearest to a place; at a station also while it is cut off.
package points

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"wardline/sync/routing"
)

// Limits of a set.
const (
	// MaxFile is the largest file that is read, in bytes.
	MaxFile = 16 << 20
	// Max bounds the points of a city; a city of ten million has some ten thousand hydrants.
	Max = 20_000
	// MaxPart bounds one part, in bytes, below what an entry takes.
	MaxPart = 190 << 10
	// MaxParts bounds the parts of a set.
	MaxParts = 64
	maxText  = 120 // of a name or an id, in bytes
)

// Kinds are what a point can be; a closed list.
var Kinds = []string{"hydrant", "water", "fire_station", "defibrillator", "clinic", "police", "shelter", "other"}

// others are words of other lists (OpenStreetMap's, Vietnamese files') for our kinds.
var others = map[string]string{"fire_hydrant": "hydrant", "tru_nuoc": "hydrant", "tru_cuu_hoa": "hydrant", "water_tank": "water", "suction_point": "water", "be_nuoc": "water", "ho": "water",
	"aed": "defibrillator", "hospital": "clinic", "tram_y_te": "clinic", "benh_vien": "clinic", "cong_an": "police", "assembly_point": "shelter"}

// Point is one place of help.
type Point struct {
	ID   string        `json:"id,omitempty"`
	Kind string        `json:"kind"`
	Name string        `json:"name,omitempty"`
	At   routing.Point `json:"at"`
}

// Set is an imported set; it does not change.
type Set struct {
	Version uint32
	list    []Point
}

// Len is how many there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.list)
}

// Near is a point and how far it is.
type Near struct {
	Point
	Metres uint32
}

// Near gives the points within some metres of a place, the nearest first, at most limit;
// kind "" is any.
func (s *Set) Near(at routing.Point, within uint32, limit int, kind string) []Near {
	if s == nil {
		return nil
	}
	var out []Near
	for _, p := range s.list {
		if kind != "" && p.Kind != kind {
			continue
		}
		if m := routing.Distance(at, p.At); m <= within {
			out = append(out, Near{p, m})
		}
	}
	slices.SortFunc(out, func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.Metres, b.Metres), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
	return out[:min(limit, len(out))]
}

// Fault says which field of a file is wrong, and what to do.
type Fault struct{ Field, Wrong, Do string }

// Error names the field first.
func (f *Fault) Error() string { return fmt.Sprintf("%s: %s (%s)", f.Field, f.Wrong, f.Do) }

func fault(do, wrong, field string, a ...any) error {
	return &Fault{Field: fmt.Sprintf(field, a...), Wrong: wrong, Do: do}
}

type featureJSON struct {
	Type       string                     `json:"type"`
	ID         json.RawMessage            `json:"id"`
	Properties map[string]json.RawMessage `json:"properties"`
	Geometry   *struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	} `json:"geometry"`
}

// Read reads a FeatureCollection of points. An error is a *Fault that names the feature.
func Read(raw []byte) ([]Point, error) {
	if len(raw) > MaxFile {
		return nil, fault("split the file, or leave out what is not needed", fmt.Sprintf("%d bytes, at most %d", len(raw), MaxFile), "file")
	}
	var doc struct {
		Type     string            `json:"type"`
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &doc); err != nil {
		return nil, fault("give GeoJSON (RFC 7946)", err.Error(), "file")
	}
	if doc.Type != "FeatureCollection" {
		return nil, fault("give a FeatureCollection of points", fmt.Sprintf("is %.40q", doc.Type), "type")
	}
	if len(doc.Features) == 0 || len(doc.Features) > Max {
		return nil, fault(fmt.Sprintf("give 1 to %d", Max), fmt.Sprintf("%d of them", len(doc.Features)), "features")
	}
	out := make([]Point, len(doc.Features))
	for i, f := range doc.Features {
		p, err := read(i, f)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

func read(i int, raw json.RawMessage) (p Point, err error) {
	var f featureJSON
	if err := json.Unmarshal(raw, &f); err != nil {
		return p, fault("give a Feature with a Point", err.Error(), "features[%d]", i)
	}
	if f.Geometry == nil || f.Geometry.Type != "Point" {
		return p, fault("give a Point", "is none", "features[%d].geometry", i)
	}
	var at []float64
	if json.Unmarshal(f.Geometry.Coordinates, &at) != nil || len(at) < 2 || math.Abs(at[0]) > 180 || math.Abs(at[1]) > 90 {
		return p, fault("give [longitude, latitude] in degrees", fmt.Sprintf("%.60s is no place on earth", f.Geometry.Coordinates), "features[%d].geometry.coordinates", i)
	}
	p.At = routing.Point{LonE7: int32(math.Round(at[0] * 1e7)), LatE7: int32(math.Round(at[1] * 1e7))}
	word := first(f.Properties, "kind", "type", "emergency", "amenity", "loai")
	p.Kind = strings.ToLower(strings.ReplaceAll(word, " ", "_"))
	if k, ok := others[p.Kind]; ok {
		p.Kind = k
	}
	if !slices.Contains(Kinds, p.Kind) {
		return p, fault("use one of "+strings.Join(Kinds, ", "), fmt.Sprintf("%.40q is no kind that is known", word), "features[%d].properties.kind", i)
	}
	p.Name = first(f.Properties, "name", "ten", "address", "dia_chi")
	if p.ID = scalar(f.ID); p.ID == "" {
		p.ID = first(f.Properties, "id", "ref", "code", "ma", "@id")
	}
	for field, v := range map[string]string{"properties.name": p.Name, "id": p.ID} {
		if len(v) > maxText || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			return p, fault(fmt.Sprintf("give at most %d bytes of text", maxText), fmt.Sprintf("%d bytes, or no text", len(v)), "features[%d].%s", i, field)
		}
	}
	return p, nil
}

func first(m map[string]json.RawMessage, names ...string) string {
	for _, n := range names {
		if v := scalar(m[n]); v != "" {
			return v
		}
	}
	return ""
}

func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// Parts writes points as parts that fit into entries.
func Parts(list []Point) (out [][]byte, err error) {
	var part []Point
	size := 2
	flush := func() {
		if b, e := json.Marshal(part); e == nil {
			out = append(out, b)
		} else {
			err = e
		}
		part, size = nil, 2
	}
	for _, p := range list {
		b, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		if size+len(b)+1 > MaxPart {
			flush()
		}
		part = append(part, p)
		size += len(b) + 1
	}
	if len(part) > 0 || len(out) == 0 {
		flush()
	}
	if len(out) > MaxParts {
		return nil, fmt.Errorf("points: %d parts, at most %d", len(out), MaxParts)
	}
	return out, err
}

// Part is one entry's part of a set.
type Part struct {
	Version     uint32
	Number, All uint32
	Data        []byte
}

// Assemble gives the newest set of which every part is there; nil when none is. Parts
// may come in any order, and those of older sets among them.
func Assemble(parts []Part) (*Set, error) {
	byVersion := map[uint32]map[uint32]Part{}
	for _, p := range parts {
		if p.All == 0 || p.All > MaxParts || p.Number >= p.All {
			return nil, fmt.Errorf("points: part %d of %d cannot be", p.Number, p.All)
		}
		if byVersion[p.Version] == nil {
			byVersion[p.Version] = map[uint32]Part{}
		}
		byVersion[p.Version][p.Number] = p
	}
	var best *Set
	for v, m := range byVersion {
		if best != nil && v < best.Version {
			continue
		}
		s := &Set{Version: v}
		whole := true
		for n := range m[0].All {
			p, ok := m[n]
			if !ok || p.All != m[0].All {
				whole = false
				break
			}
			var list []Point
			if err := json.Unmarshal(p.Data, &list); err != nil {
				return nil, fmt.Errorf("points: part %d of set %d: %w", n, v, err)
			}
			s.list = append(s.list, list...)
		}
		if _, begun := m[0]; begun && whole {
			best = s
		}
	}
	return best, nil
}
