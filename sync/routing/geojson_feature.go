package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"wardline/sync/record"
)

// CodeProperties and NameProperties are the properties in which a ward's code
// and name are looked for, in this order; letters in either case, without
// regard to "_", "-", ".", ":" and spaces. A code is only taken when it is five
// digits: a row number or a province's code is passed over.
var (
	CodeProperties = []string{"ward_code", "commune_code", "ma_xa", "ma_phuong", "ma_phuong_xa", "ma_px", "ma_dvhc", "ma_don_vi", "ma_gso",
		"gso_code", "ref_gso", "adm3_pcode", "adm3_code", "code", "ma", "pcode", "id"}
	NameProperties = []string{"full_name", "ward_name", "commune_name", "ten_day_du", "ten_xa", "ten_phuong", "ten_phuong_xa", "ten_px", "ten_dvhc", "ten_don_vi",
		"adm3_vi", "adm3_name", "name_vi", "name", "ten"}
)

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-.: ", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// take adds one feature to its ward.
func (g *geoReader) take(f *feature) error {
	g.sum.Features++
	if f.Geometry == nil {
		g.skip("no geometry")
		return nil
	}
	polygons, others, err := g.polygons(f.Geometry, 0)
	if err != nil {
		return err
	}
	if len(polygons) == 0 {
		if others == "" {
			others = "no area"
		}
		g.skip(others)
		return nil
	}
	code, err := g.code(f)
	if err != nil {
		return err
	}
	name, err := g.name(f, code)
	if err != nil {
		return err
	}
	g.sum.Polygons += len(polygons)
	for _, p := range polygons {
		g.sum.Holes += len(p.Holes)
	}
	g.seen[code]++
	if i, ok := g.byCode[code]; ok {
		g.list[i].Polygons = append(g.list[i].Polygons, polygons...)
		return nil
	}
	g.byCode[code] = len(g.list)
	g.list = append(g.list, Ward{Code: record.WardCode(code), Name: name, Polygons: polygons})
	return nil
}

func (g *geoReader) skip(why string) {
	g.sum.Skipped++
	if len(g.sum.Notes) < maxNotes {
		g.sum.Notes = append(g.sum.Notes, fmt.Sprintf("feature %d: %s", g.feature, why))
	}
}

func (g *geoReader) code(f *feature) (string, error) {
	if p := g.opt.CodeProperty; p != "" {
		raw, ok := f.Properties[p]
		if !ok {
			return "", g.fail("properties."+p, "missing; there are %s", present(f))
		}
		// Named by the operator: a number has lost its leading zeros.
		code := scalar(raw)
		if n := len(code); n > 0 && n < 5 {
			code = strings.Repeat("0", 5-n) + code
		}
		if !record.WardCode(code).Valid() {
			return "", g.fail("properties."+p, "%s is not a five-digit code", clip(raw))
		}
		g.codeBy = p
		return code, nil
	}
	key, code := guess(f, CodeProperties, func(v string) (string, bool) {
		v = strings.TrimPrefix(v, "VN")
		return v, record.WardCode(v).Valid()
	})
	if key != "" {
		note(&g.codeBy, key)
		return code, nil
	}
	if code = scalar(f.ID); record.WardCode(code).Valid() {
		note(&g.codeBy, "the feature's id")
		return code, nil
	}
	return "", g.fail("properties", "no ward code of five digits in %s; there are %s: name the property that has it", strings.Join(CodeProperties, ", "), present(f))
}

// guess finds the first property of a list whose value fits.
func guess(f *feature, list []string, fits func(string) (string, bool)) (key, value string) {
	keys := sortedKeys(f.Properties)
	for _, want := range list {
		for _, key := range keys {
			if plain(key) != plain(want) {
				continue
			}
			if v, ok := fits(scalar(f.Properties[key])); ok {
				return key, v
			}
		}
	}
	return "", ""
}

// note keeps the first answer.
func note(into *string, key string) {
	if *into == "" {
		*into = key
	}
}

func (g *geoReader) name(f *feature, code string) (string, error) {
	key, name := g.opt.NameProperty, ""
	if key != "" {
		if name = scalar(f.Properties[key]); name == "" {
			return "", g.fail("properties."+key, "missing or empty; there are %s", present(f))
		}
	} else {
		key, name = guess(f, NameProperties, func(v string) (string, bool) { return v, v != "" })
	}
	if key == "" {
		if v, ok := Centres().Find(record.WardCode(code)); ok {
			note(&g.nameBy, "the built-in list")
			return v.Name, nil
		}
		return code, nil
	}
	note(&g.nameBy, key)
	name = strings.Join(strings.Fields(name), " ")
	if len(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", g.fail("properties."+key, "the name of ward %s has %d bytes or control characters, want up to %d bytes", code, len(name), MaxName)
	}
	return name, nil
}

// scalar is a property's text: a string without the space around it, or a
// number as it is written.
func scalar(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return strings.TrimSpace(s)
	}
	if raw[0] >= '0' && raw[0] <= '9' {
		return strings.TrimSuffix(string(raw), ".0") // tables write 26704 as 26704.0
	}
	return ""
}

// clip shortens what an error shows of the file.
func clip(raw json.RawMessage) string {
	switch {
	case len(raw) == 0:
		return "the end"
	case len(raw) > 60:
		return strings.ToValidUTF8(string(raw[:60]), "") + "…"
	}
	return string(raw)
}

// present lists the properties that a feature has, for the error that asks for one.
func present(f *feature) string {
	keys := sortedKeys(f.Properties)
	if len(keys) == 0 {
		return "none"
	}
	if len(keys) > 30 {
		keys = append(keys[:30:30], "…")
	}
	return strings.Join(keys, ", ")
}

// polygons gives the areas of a geometry; others names what it is instead.
func (g *geoReader) polygons(m *geometry, depth int) (list []Polygon, others string, err error) {
	switch m.Type {
	case "Polygon", "MultiPolygon":
		list, err = g.areas(m)
		return list, "", err
	case "Point", "MultiPoint", "LineString", "MultiLineString":
		return nil, "a " + m.Type + " has no area", nil
	case "GeometryCollection":
		if depth >= maxCollections {
			return nil, "", g.fail("geometry.geometries", "nested deeper than %d", maxCollections)
		}
		for i := range m.Geometries {
			l, o, err := g.polygons(&m.Geometries[i], depth+1)
			if err != nil {
				return nil, "", err
			}
			list = append(list, l...)
			if o != "" {
				others = o
			}
		}
		return list, others, nil
	}
	return nil, "", g.fail("geometry.type", "%q is not a geometry of RFC 7946", m.Type)
}

// areas reads the coordinates of a Polygon or MultiPolygon and drops what has no area.
func (g *geoReader) areas(m *geometry) ([]Polygon, error) {
	if len(m.Coordinates) == 0 {
		return nil, g.fail("geometry.coordinates", "missing")
	}
	c := &coordinates{text: m.Coordinates, room: MaxPoints - g.points}
	var list []Polygon
	var err error
	one := func() error {
		p, e := c.polygon()
		if e == nil && len(p.Outer) > 0 {
			list = append(list, p)
		}
		return e
	}
	if m.Type == "Polygon" {
		c.at[0] = 1
		err = one()
	} else {
		err = c.array("polygons", func(i int) error { c.at[0] = i; return one() })
	}
	if err != nil {
		var in *InputError
		if errors.As(err, &in) {
			in.Feature = g.feature
		}
		return nil, err
	}
	g.points += c.points
	g.sum.Dropped += c.dropped
	for i := range list {
		b := boxOf(list[i].Outer)
		list[i].Holes = slices.DeleteFunc(list[i].Holes, func(h Ring) bool {
			hb := boxOf(h)
			out := hb.minLat < b.minLat || hb.maxLat > b.maxLat || hb.minLon < b.minLon || hb.maxLon > b.maxLon
			if out { // would count as area beside the polygon
				g.sum.Dropped++
			}
			return out
		})
		if len(list[i].Holes) == 0 {
			list[i].Holes = nil
		}
	}
	return list, nil
}
