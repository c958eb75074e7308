package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"wardline/sync/record"
)

const (
	byteOrderMark = "\xef\xbb\xbf"
	encodeUTF8    = "the payload is not UTF-8; encode it as UTF-8 without a byte order mark (RFC 8259, section 8.1)"
)

// parser puts what the scanner reads into the report.
type parser struct {
	scanner
	r    Report
	seen seen
	// found: an id or a category stood there, whatever it was.
	found struct{ id, category bool }
}

// Parse reads a report. A *[Problem] refuses it for good and names the first
// field at fault; warnings do not. Of a refused report only the problem is given.
//
// A place of exactly 0°, 0° is left out with a warning: it is what a device
// sends that has no fix, and must not be routed by.
func Parse(raw []byte) (Report, []Warning, *Problem) {
	p := parser{}
	p.out.item = -1
	if len(raw) > MaxPayload {
		p.out.refuse(TooLarge, "", fmt.Sprintf("the report has more than %d bytes; send photos and clips as media, not inside the report", MaxPayload))
		raw = raw[:MaxPayload] // read on for the id
	}
	p.s = string(raw)
	p.notUTF8 = !utf8.ValidString(p.s)
	if strings.HasPrefix(p.s, byteOrderMark) {
		p.out.refuse(WrongCharset, "", encodeUTF8)
		p.i = len(byteOrderMark)
	} else if strings.IndexByte(p.s[:min(4, len(p.s))], 0) >= 0 {
		p.out.refuse(WrongCharset, "", encodeUTF8) // UTF-16 or UTF-32
	}
	p.report()
	b := p.out.problem
	if b == nil {
		return p.r, p.out.warnings, nil
	}
	if b.Type == NotJSON && p.notUTF8 {
		b.Type, b.Detail = WrongCharset, encodeUTF8
	}
	b.ID = p.r.ID
	return Report{}, nil, b
}

func (p *parser) report() {
	if p.peek() != '{' {
		p.wrongType("", "the report must be a JSON object", 0)
	} else {
		p.object("", p.member)
	}
	if p.space(); p.i < len(p.s) {
		p.fail("", "something follows after the report")
	}
	if p.broken {
		return
	}
	if !p.found.id {
		p.out.refuse(Missing, "id", "give each report an id of its own, a UUID, and send it again with the same one")
	}
	if !p.found.category {
		p.out.refuse(Missing, "category", oneOf)
	}
}

var oneOf = fmt.Sprintf("say what it is about: one of %v", record.Categories)

// seen are the members of one object that were met, a bit each.
type seen uint16

// again says whether a member was met before, and remembers it.
func (s *seen) again(bit int) bool {
	was := *s&(1<<bit) != 0
	*s |= 1 << bit
	return was
}

// once warns when a member stands there a second time.
func (p *parser) once(s *seen, bit int, field string) {
	if s.again(bit) {
		p.out.warn(field, "was given more than once; the last was taken. Send each field once")
	}
}

// member reads one member of the report.
func (p *parser) member(name string) {
	r := &p.r
	switch name {
	case "id":
		p.id()
	case "category":
		p.category()
	case "text":
		p.once(&p.seen, 2, name)
		r.Text = p.str(name, MaxText)
	case "place_text":
		p.once(&p.seen, 3, name)
		r.PlaceText = p.str(name, MaxPlaceText)
	case "location":
		p.once(&p.seen, 4, name)
		r.Place = p.location()
	case "captured_at":
		p.once(&p.seen, 5, name)
		r.CapturedAt = p.clock(name)
	case "sent_at":
		p.once(&p.seen, 6, name)
		r.SentAt = p.clock(name)
	case "reporter":
		p.once(&p.seen, 7, name)
		r.Reporter = p.reporter()
	case "media":
		p.once(&p.seen, 8, name)
		r.Media = p.media()
	case "exercise":
		p.once(&p.seen, 9, name)
		r.Exercise = p.exercise()
	default:
		p.skip("", 1)
	}
}

// exercise reads which exercise the report says to be part of. What cannot be read marks
// nothing: in doubt a report is real.
func (p *parser) exercise() record.ID {
	text := p.str("exercise", MaxPhone)
	if text == "" {
		return record.ID{}
	}
	id, err := record.ParseID(text)
	if err != nil {
		p.out.warn("exercise", "is no exercise's id; the report was taken as a real one")
	}
	return id
}

func (p *parser) id() {
	if p.seen.again(0) {
		p.out.refuse(Duplicate, "id", "was given more than once; send it once")
		old := p.r.ID
		if p.r.ID = (record.ID{}); p.str("id", MaxPayload) == old.String() {
			p.r.ID = old
		}
		return
	}
	if p.null("id") {
		return
	}
	p.found.id = true
	s := p.str("id", MaxPayload)
	id, err := record.ParseID(s)
	if err != nil || id.Zero() {
		p.out.refuse(InvalidID, "id", "must be a UUID other than zero, for example 018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")
		return
	}
	p.r.ID = id
}

func (p *parser) category() {
	if p.seen.again(1) {
		p.out.refuse(Duplicate, "category", "was given more than once; send it once")
	}
	if p.null("category") {
		return
	}
	p.found.category = true
	if p.r.Category = record.Category(p.str("category", MaxPayload)); !p.r.Category.Valid() {
		p.out.refuse(UnknownCategory, "category", oneOf)
	}
}

// clock reads a time of the source's clock.
func (p *parser) clock(field string) int64 {
	at, ok := p.time(field)
	if !ok {
		p.r.ClockDoubt = true
	}
	return at
}

func (p *parser) location() *record.Place {
	if !p.opens('{', "location", "must be an object with lat and lon") {
		return nil
	}
	var (
		met            seen
		lat, lon, cm   int64
		hasLat, hasLon bool
		place          record.Place
	)
	p.object("location", func(name string) {
		switch name {
		case "lat":
			p.once(&met, 0, "location.lat")
			lat, hasLat = p.degrees("location.lat", 90)
		case "lon":
			p.once(&met, 1, "location.lon")
			lon, hasLon = p.degrees("location.lon", 180)
		case "accuracy_m":
			p.once(&met, 2, "location.accuracy_m")
			if cm, _, _ = p.num("location.accuracy_m", 2); cm < 0 {
				p.out.refuse(OutOfRange, "location.accuracy_m", "must not be negative; it is a radius in metres")
			}
		case "fixed_at":
			p.once(&met, 3, "location.fixed_at")
			place.FixedAt, _ = p.time("location.fixed_at")
		default:
			p.skip("", 2)
		}
	})
	const degrees = "a location needs lat and lon, in degrees, as numbers"
	switch {
	case p.broken:
		return nil
	case !hasLat:
		p.out.refuse(Missing, "location.lat", degrees)
	case !hasLon:
		p.out.refuse(Missing, "location.lon", degrees)
	case lat == 0 && lon == 0:
		p.out.warn("location", "0, 0 was left out: it is what a device sends that has no fix. Leave location out then")
		return nil
	}
	place.LatE7, place.LonE7, place.AccuracyCM = int32(lat), int32(lon), uint32(max(0, min(cm, MaxAccuracyCM)))
	return &place
}

// degrees reads an angle × 10⁷ within ± limit degrees.
func (p *parser) degrees(field string, limit int64) (v int64, given bool) {
	v, _, given = p.num(field, 7)
	if v > limit*1e7 || v < -limit*1e7 {
		p.out.refuse(OutOfRange, field, fmt.Sprintf("must lie between -%d and %d degrees", limit, limit))
		v = 0
	}
	return v, given
}

func (p *parser) reporter() (who Reporter) {
	if !p.opens('{', "reporter", "must be an object with name, phone and anonymous") {
		return who
	}
	var met seen
	p.object("reporter", func(name string) {
		switch name {
		case "name":
			p.once(&met, 0, "reporter.name")
			who.Name = p.str("reporter.name", MaxName)
		case "phone":
			p.once(&met, 1, "reporter.phone")
			who.Phone = p.str("reporter.phone", MaxPhone)
		case "anonymous":
			p.once(&met, 2, "reporter.anonymous")
			who.Anonymous = p.boolean("reporter.anonymous")
		default:
			p.skip("", 2)
		}
	})
	return who
}

func (p *parser) media() (all []record.Medium) {
	if !p.opens('[', "media", "must be a list") {
		return nil
	}
	p.list("media", func(n int) {
		if n >= MaxMedia {
			if n == MaxMedia {
				p.out.refuse(TooMany, "media", fmt.Sprintf("names more than %d; send the others with another report", MaxMedia))
			}
			p.skip("", 2)
			return
		}
		p.out.item = n
		if m, ok := p.medium(); ok {
			all = append(all, m)
		}
		p.out.item = -1
	})
	return all
}

func (p *parser) medium() (m record.Medium, ok bool) {
	const shape = "must be an object with sha256, type and bytes"
	if p.peek() != '{' {
		p.wrongType("", shape, 2)
		return m, false
	}
	var (
		met              seen
		hasSum, hasBytes bool
	)
	p.object("", func(name string) {
		switch name {
		case "sha256":
			p.once(&met, 0, name)
			if hasSum = !p.null(name); hasSum {
				if err := m.SHA256.UnmarshalText([]byte(p.str(name, MaxPayload))); err != nil {
					p.out.refuse(InvalidValue, name, "must be the SHA-256 sum of the file's bytes, 64 hexadecimal digits")
				}
			}
		case "type":
			p.once(&met, 1, name)
			m.Type = p.mediaType(name)
		case "bytes":
			p.once(&met, 2, name)
			var n int64
			var whole bool
			n, whole, hasBytes = p.num(name, 0)
			if hasBytes && (!whole || n < 1 || n > MaxMediaBytes) {
				p.out.refuse(OutOfRange, name, fmt.Sprintf("must be a whole number from 1 to %d", int64(MaxMediaBytes)))
			}
			m.Bytes = uint64(max(0, n))
		default:
			p.skip("", 3)
		}
	})
	switch {
	case p.broken:
	case !hasSum:
		p.out.refuse(Missing, "sha256", "a medium needs the SHA-256 sum of its bytes")
	case !hasBytes:
		p.out.refuse(Missing, "bytes", "a medium needs its size in bytes")
	}
	if m.Type == "" {
		m.Type = DefaultMediaType
	}
	return m, true
}

func (p *parser) mediaType(field string) string {
	s := p.str(field, MaxPayload)
	if len(s) > MaxMediaType {
		p.out.refuse(TooLarge, field, fmt.Sprintf("has more than %d bytes", MaxMediaType))
		return ""
	}
	slash := strings.IndexByte(s, '/')
	wrong := s != "" && (slash < 1 || slash == len(s)-1)
	for i := range len(s) {
		wrong = wrong || s[i] < ' ' || s[i] > '~'
	}
	if wrong {
		p.out.refuse(InvalidValue, field, "must be a media type (RFC 6838), for example image/jpeg")
	}
	return s
}
