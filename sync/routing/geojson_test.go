package routing

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wardline/sync/record"
)

const (
	squareA = `[[106.70,10.70],[106.72,10.70],[106.72,10.72],[106.70,10.72],[106.70,10.70]]`
	squareB = `[[106.72,10.70],[106.74,10.70],[106.74,10.72],[106.72,10.72],[106.72,10.70]]`
	innerA  = `[[106.71,10.71],[106.711,10.71],[106.711,10.711],[106.71,10.71]]`
)

func featureOf(properties, kind, coordinates string) string {
	return fmt.Sprintf(`{"type":"Feature","properties":%s,"geometry":{"type":%q,"coordinates":%s}}`, properties, kind, coordinates)
}

func collectionOf(features ...string) string {
	return `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
}

func mustRead(t testing.TB, text string, opt Options) (*Wards, Summary) {
	t.Helper()
	w, s, err := ReadGeoJSON(strings.NewReader(text), opt)
	if err != nil {
		t.Fatal(err)
	}
	return w, s
}

func gzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadGeoJSON_AnyProducer_GivesTheSameTwoWards(t *testing.T) {
	const a, b = `{"code":"00001","name":"A"}`, `{"code":"00002","name":"B"}`
	plainFile := collectionOf(featureOf(a, "Polygon", "["+squareA+"]"), featureOf(b, "Polygon", "["+squareB+"]"))
	want, _ := mustRead(t, plainFile, Options{})
	altitude := func(s string) string {
		return strings.NewReplacer(",10.70]", ",10.70,3.5]", ",10.72]", ", 10.72 , -1e0, 7]").Replace(s)
	}
	for name, text := range map[string]string{
		"gzip":                 gzipped(t, plainFile),
		"byte order mark":      "\xef\xbb\xbf" + plainFile,
		"gzip with mark":       gzipped(t, "\xef\xbb\xbf"+plainFile),
		"multipolygon":         collectionOf(featureOf(a, "MultiPolygon", "[["+squareA+"]]"), featureOf(b, "MultiPolygon", "[["+squareB+"]]")),
		"altitude":             altitude(plainFile),
		"not closed":           strings.ReplaceAll(plainFile, ",[106.70,10.70]]", "]"),
		"repeated points":      strings.ReplaceAll(plainFile, "[106.72,10.72]", "[106.72,10.72],[106.72,10.72]"),
		"features before type": `{"name":"x","features":[` + featureOf(a, "Polygon", "["+squareA+"]") + "," + featureOf(b, "Polygon", "["+squareB+"]") + `],"bbox":[1,2,3,4],"type":"FeatureCollection"}`,
		"one to a line":        featureOf(a, "Polygon", "["+squareA+"]") + "\n" + featureOf(b, "Polygon", "["+squareB+"]") + "\n",
		"RFC 8142":             "\x1e" + featureOf(a, "Polygon", "["+squareA+"]") + "\n\x1e" + featureOf(b, "Polygon", "["+squareB+"]") + "\n",
		"collection":           collectionOf(`{"type":"Feature","properties":`+a+`,"geometry":{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},{"type":"Polygon","coordinates":[`+squareA+`]}]}}`, featureOf(b, "Polygon", "["+squareB+"]")),
		"crs of 2008":          `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}},` + plainFile[len(`{"type":"FeatureCollection",`):],
		"spaced out":           strings.NewReplacer(",", " ,\n\t", "[", "[ ", "]", " ]").Replace(plainFile),
	} {
		got, _, err := ReadGeoJSON(strings.NewReader(text), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got.list, want.list) {
			t.Errorf("%s: read %+v, want %+v", name, got.list, want.list)
		}
	}
}

func TestReadGeoJSON_SaysWhatItRead(t *testing.T) {
	line := featureOf(`{}`, "LineString", `[[1,2],[3,4]]`)
	text := collectionOf(
		featureOf(`{"MA_XA":26740,"TEN_XA":"Phường  Sài Gòn "}`, "Polygon", "["+squareA+","+innerA+"]"),
		featureOf(`{"MA_XA":26740}`, "Polygon", "["+squareB+"]"), line,
		featureOf(`{"MA_XA":"99999"}`, "MultiPolygon", "[["+squareB+"],[[[106.7,10.7],[106.8,10.7],[106.7,10.7]]]]"),
		`{"type":"Feature","properties":null,"geometry":null}`)
	w, s := mustRead(t, gzipped(t, text), Options{Version: 3})
	if v, ok := w.Find("26740"); !ok || v.Name != "Phường Sài Gòn" || len(v.Polygons) != 2 || len(v.Polygons[0].Holes) != 1 {
		t.Errorf("%+v", v)
	}
	if v, ok := w.Find("99999"); !ok || v.Name != "99999" {
		t.Errorf("%+v", v)
	}
	s.Absent = s.Absent[:1]
	want := Summary{Bytes: int64(len(text)), Gzip: true, Features: 5, Skipped: 2, Notes: []string{"feature 3: a LineString has no area", "feature 5: no geometry"},
		Wards: 2, Polygons: 3, Holes: 1, Points: 15, Dropped: 1, CodeFrom: "MA_XA", NameFrom: "TEN_XA",
		SouthWest: Point{107_000_000, 1_067_000_000}, NorthEast: Point{107_200_000, 1_067_400_000},
		Duplicates: []record.WardCode{"26740"}, Unknown: []record.WardCode{"99999"}, Absent: []record.WardCode{"25747"}, OffCentre: []record.WardCode{"26740"}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("summary\n%+v\nwant\n%+v", s, want)
	}
	if w.Version() != 3 {
		t.Error("the version is lost")
	}
	for _, word := range []string{"2 wards", "5 features", "gzip", "15 points", "MA_XA", "skipped 2", "26740", "10.7000000,106.7000000"} {
		if !strings.Contains(s.String(), word) {
			t.Errorf("%q is not in\n%s", word, s)
		}
	}
}

func TestReadGeoJSON_GuessesCodeAndName(t *testing.T) {
	for _, c := range []struct {
		properties, code, name string
		opt                    Options
	}{
		{`{"code":"26740","name":"Sài Gòn","fullName":"Phường Sài Gòn"}`, "26740", "Phường Sài Gòn", Options{}},
		{`{"Ward Code":"26740","id":7,"code":"79"}`, "26740", "Phường Sài Gòn", Options{}},
		{`{"ADM3_PCODE":"VN26740","ADM3_VI":"X"}`, "26740", "X", Options{}},
		{`{"id":26740.0}`, "26740", "Phường Sài Gòn", Options{}},
		{`{"code":"79","weird":4,"name":"A","label":"B"}`, "00004", "B", Options{CodeProperty: "weird", NameProperty: "label"}},
	} {
		w, _ := mustRead(t, featureOf(c.properties, "Polygon", "["+squareA+"]"), c.opt)
		if v := w.At(0); string(v.Code) != c.code || v.Name != c.name {
			t.Errorf("%s: %s %q, want %s %q", c.properties, v.Code, v.Name, c.code, c.name)
		}
	}
	w, s := mustRead(t, `{"type":"Feature","id":"26740","properties":null,"geometry":{"type":"Polygon","coordinates":[`+squareA+`]}}`, Options{})
	if w.At(0).Code != "26740" || s.CodeFrom != "the feature's id" {
		t.Errorf("%+v", s)
	}
}

func TestReadGeoJSON_Centre_LiesInTheWard(t *testing.T) {
	crescent := `[[106.70,10.70],[106.80,10.70],[106.80,10.71],[106.71,10.71],[106.71,10.79],[106.80,10.79],[106.80,10.80],[106.70,10.80],[106.70,10.70]]`
	w, _ := mustRead(t, collectionOf(featureOf(`{"code":"00001"}`, "Polygon", "["+crescent+"]"), featureOf(`{"code":"00002"}`, "Polygon", "["+squareB+"]")), Options{})
	if got := w.At(0).Centre; got != (Point{107_500_000, 1_067_050_000}) {
		t.Errorf("crescent: %v", got)
	}
	if got := w.At(1).Centre; got != (Point{107_100_000, 1_067_300_000}) {
		t.Errorf("square: %v", got)
	}
}

func TestReadGeoJSON_WhatIsWrong_IsNamedWithFeatureAndField(t *testing.T) {
	ok := featureOf(`{"code":"00001"}`, "Polygon", "["+squareA+"]")
	second := func(coordinates string) string {
		return collectionOf(ok, featureOf(`{"code":"00002"}`, "Polygon", coordinates))
	}
	for text, want := range map[string]InputError{
		"":                             {Line: 1, Problem: "empty"},
		"[1]":                          {Problem: "begins with ["},
		`{"type":"Topology"}`:          {Field: "type", Problem: "TopoJSON"},
		`{"type":"FeatureCollection"}`: {Field: "features", Problem: "array features"},
		`{"features":[]}`:              {Field: "features", Problem: "type is \"\""},
		collectionOf():                 {Problem: "no ward in 0 features"},
		collectionOf(featureOf(`{"code":"00001"}`, "LineString", "[]")): {Problem: "MultiPolygon (feature 1: a LineString has no area)"},
		`{"type":"Point"}`:                                               {Feature: 1, Field: "type", Problem: "Point"},
		collectionOf(ok) + "x":                                           {Feature: 1, Line: 1, Problem: "invalid character 'x'"},
		collectionOf(ok, "{\n\n,"):                                       {Feature: 2, Line: 3, Problem: "invalid character ','"},
		strings.TrimRight(ok, "}"):                                       {Line: 1, Problem: "ends too early"},
		collectionOf(ok, `{"type":7}`):                                   {Feature: 2, Field: "type", Problem: "a number cannot"},
		collectionOf(`{"type":"Ward"}`):                                  {Feature: 1, Field: "type", Problem: `"Ward"`},
		collectionOf(featureOf(`{}`, "Circle", "[]")):                    {Feature: 1, Field: "geometry.type", Problem: "Circle"},
		collectionOf(`{"type":"Feature","geometry":{"type":"Polygon"}}`): {Feature: 1, Field: "geometry.coordinates", Problem: "missing"},
		collectionOf(ok, featureOf(`{"id":"x","city":"y"}`, "Polygon", "["+squareA+"]")):                              {Feature: 2, Field: "properties", Problem: "there are city, id"},
		collectionOf(featureOf(`{"code":"00001","name":"`+strings.Repeat("x", 200)+`"}`, "Polygon", "["+squareA+"]")): {Feature: 1, Field: "properties.name", Problem: "200 bytes"},
		second(`[[[106.7,10.7],[106.8,10.7],[null,10.8]]]`):                                                           {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 3", Problem: "number, not null"},
		second(`[[[106.7,10.7],[106.8]]]`):                                                                            {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 2", Problem: "1 numbers"},
		second(`[[[10.7,106.7],[10.7,106.8],[10.8,106.8]]]`):                                                          {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 1", Problem: "longitude must come first"},
		second(`[[[603214.2,1190000.5],[603214.2,1190100],[603300,1190000]]]`):                                        {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 1", Problem: "EPSG:4326"},
		second(`[[[1e999,10.7],[1,2],[3,4]]]`):                                                                        {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 1", Problem: "1e999"},
		second(`[[[106.7,10.7],[106.8,10.7],[16.8,10.7]]]`):                                                           {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 3", Problem: "30° of longitude"},
		second(squareA): {Feature: 2, Field: "geometry.coordinates, polygon 1, ring 1, point 1", Problem: "array of numbers"},
		`{"type":"FeatureCollection","crs":{"properties":{"name":"urn:ogc:def:crs:EPSG::3405"}},"features":[]}`: {Field: "crs.properties.name", Problem: "convert"},
		"\xff\xfe{\x00": {Problem: "UTF-16"},
		"\x1f\x8bxxxx":  {Problem: "gzip"},
	} {
		_, _, err := ReadGeoJSON(strings.NewReader(text), Options{})
		var got *InputError
		if !errors.As(err, &got) || !errors.Is(err, ErrGeoJSON) {
			t.Errorf("%.80s: %v", text, err)
			continue
		}
		if got.Feature != want.Feature || got.Field != want.Field || got.Line != want.Line || !strings.Contains(got.Problem, want.Problem) {
			t.Errorf("%.200s:\n got %v\nwant %v", text, got, &want)
		}
	}
}

func TestReadGeoJSON_NamedProperty_IsTheOnlyOneLookedAt(t *testing.T) {
	text := featureOf(`{"code":"00001","name":"x"}`, "Polygon", "["+squareA+"]")
	for field, opt := range map[string]Options{"properties.ward": {CodeProperty: "ward"}, "properties.name": {CodeProperty: "name"}, "properties.ten": {NameProperty: "ten"}} {
		_, _, err := ReadGeoJSON(strings.NewReader(text), opt)
		var got *InputError
		if !errors.As(err, &got) || got.Field != field {
			t.Errorf("%+v: %v", opt, err)
		}
	}
}

func TestReadGeoJSON_TooLong_IsRefusedAlsoWhenCompressed(t *testing.T) {
	text := collectionOf(featureOf(`{"code":"00001"}`, "Polygon", "["+squareA+"]")) + strings.Repeat(" ", 10_000)
	for _, file := range []string{text, gzipped(t, text)} {
		_, _, err := ReadGeoJSON(strings.NewReader(file), Options{MaxBytes: 10_000})
		if !errors.Is(err, ErrGeoJSON) || !strings.Contains(err.Error(), "longer than 10000 bytes") {
			t.Errorf("%v", err)
		}
	}
	if _, _, err := ReadGeoJSON(strings.NewReader(gzipped(t, text)[:100]), Options{}); !errors.Is(err, ErrGeoJSON) {
		t.Errorf("cut short: %v", err)
	}
}

func TestReadGeoJSON_HoleOutsideItsPolygon_IsDropped(t *testing.T) {
	w, s := mustRead(t, featureOf(`{"code":"00001"}`, "Polygon", "["+squareA+","+squareB+"]"), Options{})
	if len(w.At(0).Polygons[0].Holes) != 0 || s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

func FuzzReadGeoJSON(f *testing.F) {
	good := collectionOf(featureOf(`{"code":"00001","name":"A"}`, "Polygon", "["+squareA+","+innerA+"]"),
		featureOf(`{"ma_xa":26740}`, "MultiPolygon", "[["+squareB+"]]"))
	f.Add([]byte(good))
	f.Add([]byte(gzipped(f, good)))
	f.Add([]byte("\x1e" + featureOf(`{"code":"00001"}`, "Polygon", "["+squareA+"]")))
	f.Add([]byte(`{"type":"GeometryCollection","geometries":[{"type":"GeometryCollection","geometries":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, s, err := ReadGeoJSON(bytes.NewReader(b), Options{MaxBytes: 1 << 20})
		if err != nil {
			if !errors.Is(err, ErrGeoJSON) && !errors.Is(err, ErrWards) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		if w.Len() != s.Wards || s.String() == "" {
			t.Fatalf("summary %+v", s)
		}
		again, err := DecodeWards(w.Encode())
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Fatalf("does not travel: %v", err)
		}
		for i := range w.Len() {
			v := w.At(i)
			d := Route(nil, w, Input{Category: record.Fire, Place: &record.Place{LatE7: v.Centre.LatE7, LonE7: v.Centre.LonE7, AccuracyCM: 5000}})
			if !slices.Contains(d.Told, d.Lead) {
				t.Fatal("the lead is not told")
			}
		}
	})
}
