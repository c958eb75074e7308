package routing

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of a boundary file.
const (
	// MaxGeoJSON bounds the text after decompression. The 168 real wards are 5 MB;
	// fifteen digits, altitudes and indentation make ten times as much.
	MaxGeoJSON = 128 << 20
	// maxCollections bounds how deep geometry collections are nested (RFC 7946,
	// section 3.1.8, asks producers not to nest them at all).
	maxCollections = 4
	// maxNotes bounds the features that a summary names as skipped; the rest is counted.
	maxNotes = 20
)

// ErrGeoJSON says that a file of boundaries cannot be read.
var ErrGeoJSON = errors.New("routing: GeoJSON")

// InputError says where a file of boundaries is wrong. It wraps [ErrGeoJSON].
type InputError struct {
	// Feature counts from 1; 0 means the file as a whole. Line counts from 1, 0 is not known.
	Feature, Line int
	// Field is where in the feature, such as "properties.code" or
	// "geometry.coordinates, polygon 1, ring 1, point 17".
	Field string
	// Problem says what is wrong and what to do.
	Problem string
}

// Error is one line for the operator.
func (e *InputError) Error() string {
	var b strings.Builder
	b.WriteString(ErrGeoJSON.Error())
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d", e.Line)
	}
	if e.Feature > 0 {
		fmt.Fprintf(&b, ": feature %d", e.Feature)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Problem
}

// Unwrap is [ErrGeoJSON].
func (e *InputError) Unwrap() error { return ErrGeoJSON }

// Options say how to read a file. The zero value guesses.
type Options struct {
	// Version is the version that the imported wards get.
	Version uint32
	// CodeProperty and NameProperty name the properties with a ward's five-digit
	// code and its name; empty: the first that fits of a list (see [CodeProperties]).
	CodeProperty, NameProperty string
	// MaxBytes bounds the text after decompression; 0 means [MaxGeoJSON].
	MaxBytes int64
}

// ReadGeoJSON reads ward boundaries as any producer writes them (RFC 7946 and
// the GeoJSON of 2008): a FeatureCollection, one Feature or a sequence of them
// (RFC 8142 or one to a line), Polygon, MultiPolygon or a GeometryCollection of
// them, rings in either direction, closed or not, with or without altitude;
// compressed with gzip or not; with or without a byte order mark. Coordinates must be WGS 84.
// Features of one code become one ward. Other geometries are skipped and counted.
//
// A ward's centre is the built-in one when that lies inside its boundary, else
// computed from its largest polygon. Errors are [*InputError], or wrap
// [ErrWards] when everything could be read and the wards contradict each other.
func ReadGeoJSON(r io.Reader, opt Options) (*Wards, Summary, error) {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = MaxGeoJSON
	}
	text, zipped, err := readText(r, opt.MaxBytes)
	if err != nil {
		return nil, Summary{}, err
	}
	g := &geoReader{text: text, opt: opt, byCode: map[string]int{}, seen: map[string]int{}}
	g.sum.Bytes, g.sum.Gzip = int64(len(text)), zipped
	d := json.NewDecoder(bytes.NewReader(text))
	for values := 0; ; values++ {
		if err := g.value(d); err != nil {
			if errors.Is(err, io.EOF) && values > 0 {
				break
			}
			return nil, g.sum, g.wrap(err, d)
		}
	}
	return g.finish()
}

// readText reads the whole file, decompressed, without byte order mark and
// without the record separators of RFC 8142.
func readText(r io.Reader, most int64) (text []byte, zipped bool, err error) {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, true, &InputError{Problem: "begins as gzip and is not: " + err.Error()}
		}
		r, zipped = z, true
	} else {
		r = b
	}
	text, err = io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, zipped, fmt.Errorf("%w: cannot be read to its end: %w", ErrGeoJSON, err)
	}
	if int64(len(text)) > most {
		return nil, zipped, &InputError{Problem: fmt.Sprintf("longer than %d bytes: simplify the boundaries, or write fewer digits (six places are 11 cm)", most)}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if len(text) >= 2 && (text[0] == 0xff && text[1] == 0xfe || text[0] == 0xfe && text[1] == 0xff) {
		return nil, zipped, &InputError{Problem: "UTF-16; write it as UTF-8 (RFC 8259, section 8.1)"}
	}
	for i, c := range text {
		if c == 0x1e { // never inside a JSON string, where it must be escaped
			text[i] = ' '
		}
	}
	return text, zipped, nil
}

// geoReader collects what the features say.
type geoReader struct {
	text    []byte
	opt     Options
	feature int
	list    []Ward
	byCode  map[string]int // index in list
	seen    map[string]int // features per code
	points  int
	codeBy  string // property that gave the first code
	nameBy  string
	sum     Summary
}

// wrap gives errors of encoding/json a place.
func (g *geoReader) wrap(err error, d *json.Decoder) error {
	var in *InputError
	if errors.As(err, &in) {
		return err
	}
	at := min(d.InputOffset(), int64(len(g.text)))
	problem := "cannot be read: " + err.Error()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return g.fail(kind.Field, "a %s cannot stand here", kind.Value)
	case errors.As(err, &syntax):
		// A decoder does not say where in the file; reading on from where the
		// value begins does.
		var again *json.SyntaxError
		if errors.As(json.Unmarshal(g.text[at:], new(json.RawMessage)), &again) {
			at += max(again.Offset-1, 0)
		}
		problem = "no JSON here: " + syntax.Error()
	case errors.Is(err, io.EOF):
		problem = "the file is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		at = int64(len(g.text))
		problem = "the file ends too early"
	}
	return &InputError{Feature: g.feature, Line: 1 + bytes.Count(g.text[:at], []byte("\n")), Problem: problem}
}

func (g *geoReader) fail(field, format string, args ...any) error {
	return &InputError{Feature: g.feature, Field: field, Problem: fmt.Sprintf(format, args...)}
}

// feature is one feature, or a bare geometry, or the frame of a collection.
type feature struct {
	Type       string                     `json:"type"`
	ID         json.RawMessage            `json:"id"`
	Properties map[string]json.RawMessage `json:"properties"`
	Geometry   *geometry                  `json:"geometry"`
}

type geometry struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
	Geometries  []geometry      `json:"geometries"`
}

// value reads one value of the file. The members of a collection may stand in
// any order, so features are read before its type may be known.
func (g *geoReader) value(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return &InputError{Problem: fmt.Sprintf("begins with %v, want an object of type FeatureCollection", t)}
	}
	kind, collection := "", false
	single := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		switch key {
		case "features":
			collection = true
			err = g.features(d)
		case "type":
			err = d.Decode(&kind)
		default:
			var raw json.RawMessage
			if err = d.Decode(&raw); err == nil {
				single[key.(string)] = raw
			}
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if err := checkCRS(single["crs"]); err != nil {
		return err
	}
	switch {
	case collection && kind == "FeatureCollection":
		return nil
	case collection || kind == "FeatureCollection":
		return &InputError{Field: "features", Problem: fmt.Sprintf("the file's type is %q; want FeatureCollection with an array features", kind)}
	case kind == "Topology":
		return &InputError{Field: "type", Problem: "TopoJSON; convert it to GeoJSON"}
	}
	return g.one(kind, single)
}

func (g *geoReader) features(d *json.Decoder) error {
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('[') {
		return &InputError{Field: "features", Problem: "want an array"}
	}
	for d.More() {
		g.feature++
		var f feature
		if err := d.Decode(&f); err != nil {
			return err
		}
		if f.Type != "Feature" {
			return g.fail("type", "%q, want Feature", f.Type)
		}
		if err := g.take(&f); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// one takes a feature or a geometry that stands alone.
func (g *geoReader) one(kind string, m map[string]json.RawMessage) error {
	g.feature++
	f := feature{Type: kind}
	bare := &geometry{Type: kind}
	for _, v := range []struct {
		key  string
		into any
	}{{"id", &f.ID}, {"properties", &f.Properties}, {"geometry", &f.Geometry}, {"coordinates", &bare.Coordinates}, {"geometries", &bare.Geometries}} {
		if raw, ok := m[v.key]; ok {
			if err := json.Unmarshal(raw, v.into); err != nil {
				return g.fail(v.key, "%s", strings.TrimPrefix(err.Error(), "json: "))
			}
		}
	}
	switch kind {
	case "Feature":
	case "Polygon", "MultiPolygon", "GeometryCollection":
		f.Geometry = bare // without properties; the error says that a code is missing
	default:
		return g.fail("type", "%q, want FeatureCollection, Feature, Polygon or MultiPolygon", kind)
	}
	return g.take(&f)
}

// checkCRS accepts what the GeoJSON of 2008 wrote for WGS 84 and refuses any
// other reference system: coordinates would be read wrong without a sign.
func checkCRS(raw json.RawMessage) error {
	var crs struct {
		Properties struct {
			Name string `json:"name"`
		} `json:"properties"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &crs) != nil || crs.Properties.Name == "" {
		return nil
	}
	n := strings.ToUpper(crs.Properties.Name)
	if strings.Contains(n, "CRS84") || strings.HasSuffix(n, ":4326") || strings.HasSuffix(n, ":4979") || strings.Contains(n, "WGS 84") || strings.Contains(n, "WGS84") {
		return nil
	}
	return &InputError{Field: "crs.properties.name", Problem: fmt.Sprintf("%q; convert the file to WGS 84 (EPSG:4326), for example with ogr2ogr -t_srs EPSG:4326", crs.Properties.Name)}
}
