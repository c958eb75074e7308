package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"wardline/sync/record"
)

// maxDepth bounds nesting in fields that are ignored.
const maxDepth = 64

// Parse reads a report. A *Problem refuses it for good; warnings do not.
func Parse(raw []byte) (Report, []Warning, *Problem) {
	var r Report
	if len(raw) > MaxBytes {
		return r, nil, problem(TooLarge, "", "the report has more than %d bytes; send photos and clips as media, not inside the report", MaxBytes)
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return r, nil, problem(WrongCharset, "", "the report is not UTF-8 text; encode it as UTF-8 (RFC 8259, section 8.1)")
	}
	if bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")) {
		return r, nil, problem(WrongCharset, "", "the report begins with a byte order mark; leave it out (RFC 8259, section 8.1)")
	}
	if tooDeep(raw) {
		return r, nil, problem(NotJSON, "", "the JSON is nested deeper than %d levels", maxDepth)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			return r, nil, problem(WrongType, "", "the report must be a JSON object, not %s", te.Value)
		}
		return r, nil, problem(NotJSON, "", "the report is not JSON: %v", err)
	}
	if m == nil {
		return r, nil, problem(WrongType, "", "the report must be a JSON object, not null")
	}
	p := parser{m: m}
	p.id(&r)
	p.category(&r)
	p.text("text", &r.Text, MaxText)
	p.text("place_text", &r.PlaceText, MaxPlaceText)
	p.location(&r)
	r.CapturedAt = p.time(m["captured_at"], "captured_at")
	r.SentAt = p.time(m["sent_at"], "sent_at")
	p.reporter(&r)
	p.media(&r)
	if p.bad != nil {
		if !r.ID.Zero() {
			p.bad.ID = r.ID.String()
		}
		return Report{}, nil, p.bad
	}
	return r, p.warn, nil
}

// tooDeep counts brackets outside strings.
func tooDeep(raw []byte) bool {
	depth, in := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case in && c == '\\':
			i++
		case c == '"':
			in = !in
		case in:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// maxExponent bounds an exponent with its letter, so that a short text cannot
// ask for a number of a million digits.
const maxExponent = 3

type parser struct {
	m    map[string]json.RawMessage
	warn []Warning
	bad  *Problem // the first problem
}

func (p *parser) fail(b *Problem) {
	if p.bad == nil {
		p.bad = b
	}
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func (p *parser) string(raw json.RawMessage, field string) (string, bool) {
	if !given(raw) {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		p.fail(problem(WrongType, field, "must be a text in quotes"))
		return "", false
	}
	if strings.ContainsRune(s, 0) {
		p.fail(problem(WrongCharset, field, "contains a zero character; leave it out"))
		return "", false
	}
	return s, true
}

func (p *parser) id(r *Report) {
	s, ok := p.string(p.m["id"], "id")
	if !ok {
		p.fail(problem(Missing, "id", "give each report an id of its own, a UUID, and send it again with the same one"))
		return
	}
	id, err := record.ParseID(s)
	if err != nil || id.Zero() {
		p.fail(problem(InvalidID, "id", "must be a UUID, for example 018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"))
		return
	}
	r.ID = id
}

func (p *parser) category(r *Report) {
	s, ok := p.string(p.m["category"], "category")
	if !ok {
		p.fail(problem(Missing, "category", "say what it is about: one of %v", record.Categories))
		return
	}
	r.Category = record.Category(s)
	if !r.Category.Valid() {
		p.fail(problem(UnknownCategory, "category", "must be one of %v", record.Categories))
	}
}

func (p *parser) text(field string, into *string, limit int) {
	s, _ := p.string(p.m[field], field)
	if utf8.RuneCountInString(s) > limit {
		p.fail(problem(TooLarge, field, "has more than %d characters; shorten it", limit))
	}
	*into = s
}

// time reads a time; one that cannot be read is a warning, never a refusal.
func (p *parser) time(raw json.RawMessage, field string) int64 {
	if !given(raw) {
		return 0
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if t, err := time.Parse(time.RFC3339, s); err == nil && t.UnixMilli() > 0 {
			return t.UnixMilli()
		}
	}
	p.warn = append(p.warn, Warning{field, "is not a time as RFC 3339 writes it and was left out; for example 2026-01-02T15:04:05.000Z"})
	return 0
}

func (p *parser) object(raw json.RawMessage, field string) map[string]json.RawMessage {
	if !given(raw) {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		p.fail(problem(WrongType, field, "must be an object"))
		return nil
	}
	return m
}

func (p *parser) location(r *Report) {
	m := p.object(p.m["location"], "location")
	if m == nil {
		return
	}
	lat, ok1 := p.degrees(m["lat"], "location.lat", 90)
	lon, ok2 := p.degrees(m["lon"], "location.lon", 180)
	if !ok1 || !ok2 {
		return
	}
	place := &record.Place{LatE7: int32(lat), LonE7: int32(lon), FixedAt: p.time(m["fixed_at"], "location.fixed_at")}
	if given(m["accuracy_m"]) {
		cm, ok := p.scaled(m["accuracy_m"], "location.accuracy_m", 100)
		switch {
		case !ok:
			return
		case cm < 0:
			p.fail(problem(OutOfRange, "location.accuracy_m", "must not be negative; it is a radius in metres"))
			return
		}
		place.AccuracyCM = uint32(min(cm, MaxAccuracyM*100))
	}
	r.Place = place
}

func (p *parser) degrees(raw json.RawMessage, field string, limit int64) (int64, bool) {
	if !given(raw) {
		p.fail(problem(Missing, field, "a location needs lat and lon, in degrees"))
		return 0, false
	}
	v, ok := p.scaled(raw, field, 1e7)
	if ok && (v > limit*1e7 || v < -limit*1e7) {
		p.fail(problem(OutOfRange, field, "must lie between -%d and %d degrees", limit, limit))
		return 0, false
	}
	return v, ok
}

// scaled reads a JSON number times scale, rounded to the nearest integer, from
// its decimal text: no node may round differently.
func (p *parser) scaled(raw json.RawMessage, field string, scale int64) (int64, bool) {
	var n json.Number
	if raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
		p.fail(problem(WrongType, field, "must be a number without quotes"))
		return 0, false
	}
	t := n.String()
	if at := strings.IndexAny(t, "eE"); (at >= 0 && len(t)-at > maxExponent) || len(t) > 64 {
		p.fail(problem(OutOfRange, field, "is a number out of any range"))
		return 0, false
	}
	x, ok := new(big.Rat).SetString(t)
	if !ok {
		p.fail(problem(WrongType, field, "must be a number"))
		return 0, false
	}
	x.Mul(x, new(big.Rat).SetInt64(scale*2))
	x.Add(x, big.NewRat(1, 1)) // floor((2v+1)/2) rounds half up
	q := new(big.Int).Div(x.Num(), new(big.Int).Mul(x.Denom(), big.NewInt(2)))
	if !q.IsInt64() {
		p.fail(problem(OutOfRange, field, "is a number out of any range"))
		return 0, false
	}
	return q.Int64(), true
}

func (p *parser) reporter(r *Report) {
	m := p.object(p.m["reporter"], "reporter")
	if m == nil {
		return
	}
	who := &Reporter{}
	who.Name, _ = p.string(m["name"], "reporter.name")
	who.Phone, _ = p.string(m["phone"], "reporter.phone")
	if utf8.RuneCountInString(who.Name) > MaxName {
		p.fail(problem(TooLarge, "reporter.name", "has more than %d characters", MaxName))
	}
	if utf8.RuneCountInString(who.Phone) > MaxPhone {
		p.fail(problem(TooLarge, "reporter.phone", "has more than %d characters", MaxPhone))
	}
	if given(m["anonymous"]) && json.Unmarshal(m["anonymous"], &who.Anonymous) != nil {
		p.fail(problem(WrongType, "reporter.anonymous", "must be true or false"))
	}
	if *who != (Reporter{}) {
		r.Reporter = who
	}
}

func (p *parser) media(r *Report) {
	if !given(p.m["media"]) {
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(p.m["media"], &list) != nil {
		p.fail(problem(WrongType, "media", "must be a list"))
		return
	}
	if len(list) > MaxMedia {
		p.fail(problem(TooMany, "media", "names more than %d; send the others with another report", MaxMedia))
		return
	}
	for i, raw := range list {
		field := "media[" + strconv.Itoa(i) + "]"
		m := p.object(raw, field)
		if m == nil {
			p.fail(problem(WrongType, field, "must be an object with sha256, type and bytes"))
			return
		}
		var x Medium
		sum, _ := p.string(m["sha256"], field+".sha256")
		if err := x.SHA256.UnmarshalText([]byte(sum)); err != nil {
			p.fail(problem(WrongType, field+".sha256", "must be 64 hexadecimal digits"))
			return
		}
		x.Type, _ = p.string(m["type"], field+".type")
		if x.Type == "" || len(x.Type) > 100 {
			p.fail(problem(Missing, field+".type", "a medium needs its type, for example image/jpeg"))
			return
		}
		if !given(m["bytes"]) {
			p.fail(problem(Missing, field+".bytes", "a medium needs its size in bytes"))
			return
		}
		n, ok := p.scaled(m["bytes"], field+".bytes", 1)
		if !ok {
			return
		}
		if n < 1 || n > MaxMediaBytes {
			p.fail(problem(OutOfRange, field+".bytes", "must lie between 1 and %d", int64(MaxMediaBytes)))
			return
		}
		x.Bytes = n
		r.Media = append(r.Media, x)
	}
}
