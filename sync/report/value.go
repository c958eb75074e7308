package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// wrongType steps over a value and refuses it; depth counts what it stands in.
// What is no JSON at all is refused as that.
func (p *scanner) wrongType(field, detail string, depth int) {
	if p.skip("", depth); !p.broken {
		p.out.refuse(WrongType, field, detail)
	}
}

// null steps over null, which stands for a field that is not given.
func (p *scanner) null(field string) bool {
	if p.peek() != 'n' {
		return false
	}
	p.word(field)
	return true
}

// opens says whether an object or a list comes next, as bracket says; null is
// passed over, and anything else refused with detail.
func (p *scanner) opens(bracket byte, field, detail string) bool {
	switch {
	case p.peek() == bracket:
		return true
	case !p.null(field):
		p.wrongType(field, detail, 1)
	}
	return false
}

// str reads a text of at most limit characters; null is the empty one.
func (p *scanner) str(field string, limit int) string {
	if p.null(field) {
		return ""
	}
	if p.peek() != '"' {
		p.wrongType(field, "must be a text in quotes", 2)
		return ""
	}
	s := p.text(field, false)
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		p.out.refuse(TooLarge, field, fmt.Sprintf("has more than %d characters; shorten it", limit))
		return ""
	}
	return s
}

// num reads a number × 10^scale, rounded; exact says that nothing was rounded
// off. One that is null is not given, and gives 0.
func (p *scanner) num(field string, scale int) (v int64, exact, given bool) {
	if p.null(field) {
		return 0, false, false
	}
	if c := p.peek(); c != '-' && c-'0' > 9 {
		p.wrongType(field, "must be a number without quotes", 2)
		return 0, false, false
	}
	s := p.number(field)
	if p.broken {
		return 0, false, false
	}
	v, exact = scaled(s, scale)
	return v, exact, true
}

func (p *scanner) boolean(field string) bool {
	c := p.peek()
	switch c {
	case 't', 'f', 'n':
		p.word(field)
	default:
		p.wrongType(field, "must be true or false", 2)
	}
	return c == 't' && !p.broken
}

// time reads a time as RFC 3339 writes it, in milliseconds since the Unix
// epoch, UTC; 0 for null. One that cannot be read, or lies at the epoch or
// before, is 0 with a warning and not ok.
func (p *scanner) time(field string) (at int64, ok bool) {
	if p.null(field) {
		return 0, true
	}
	if p.peek() == '"' {
		// Letters may be small (RFC 3339, section 5.6).
		t, err := time.Parse(time.RFC3339, strings.ToUpper(p.text(field, true)))
		if err == nil && t.UnixMilli() > 0 {
			return t.UnixMilli(), true
		}
	} else {
		p.skip(field, 2)
	}
	p.out.warn(field, "is not a time after 1970 as RFC 3339 writes it, for example 2026-01-02T15:04:05.000Z, and was left out")
	return 0, false
}
