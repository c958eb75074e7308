package report

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from s. The first syntax error breaks it: from
// then on nothing is read any more and every value is empty.
type scanner struct {
	s      string
	i      int
	broken bool
	// notUTF8: somewhere in s are bytes that are not UTF-8.
	notUTF8 bool
	out     sink
}

// sink takes what the scanner has to say about the values.
type sink struct {
	problem  *Problem
	warnings []Warning
	// item is the place in the list that is being read, -1 outside.
	item int
}

// path is the path of a field; inside media, field is a member of the item.
func (o *sink) path(field string) string {
	switch {
	case o.item < 0:
		return field
	case field == "":
		return fmt.Sprintf("media[%d]", o.item)
	}
	return fmt.Sprintf("media[%d].%s", o.item, field)
}

// refuse keeps the first problem; reading goes on, for the id.
func (o *sink) refuse(t ProblemType, field, detail string) {
	if o.problem == nil {
		o.problem = &Problem{Type: t, Field: o.path(field), Detail: detail}
	}
}

func (o *sink) warn(field, detail string) {
	if len(o.warnings) < maxWarnings {
		o.warnings = append(o.warnings, Warning{Field: o.path(field), Detail: detail})
	}
}

// fail breaks the scanner.
func (p *scanner) fail(field, what string) {
	if p.broken {
		return
	}
	p.broken = true
	if p.i >= len(p.s) {
		what = "the payload ends in the middle of a value"
	}
	p.out.refuse(NotJSON, field, fmt.Sprintf("%s (at byte %d); send one JSON object, as RFC 8259 defines it", what, p.i))
}

func (p *scanner) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// peek is the first byte of the next value, 0 at the end.
func (p *scanner) peek() byte {
	p.space()
	if p.broken || p.i >= len(p.s) {
		return 0
	}
	return p.s[p.i]
}

// take steps over c if it comes next.
func (p *scanner) take(c byte) bool {
	if p.peek() == c && c != 0 {
		p.i++
		return true
	}
	return false
}

// plain marks the bytes that stand in a string for themselves.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return
}()

// text reads a string; the cursor is at its quote. Names of members are read
// with name set: they give no warning and are never at fault.
func (p *scanner) text(field string, name bool) string {
	p.i++
	s, from, i := p.s, p.i, p.i
	for i < len(s) && plain[s[i]] {
		i++
	}
	if i < len(s) && s[i] == '"' {
		p.i = i + 1
		return p.checked(s[from:i], field)
	}
	var b strings.Builder
	mended := false
	for i < len(s) && s[i] != '"' {
		if s[i] != '\\' {
			p.i = i
			p.fail(field, "a control character in a string must be escaped")
			return ""
		}
		b.WriteString(s[from:i])
		p.i = i
		r := p.escape(field)
		if p.broken {
			return ""
		}
		if r <= 0 {
			mended = true
			r = utf8.RuneError
		}
		b.WriteRune(r)
		from, i = p.i, p.i
		for i < len(s) && plain[s[i]] {
			i++
		}
	}
	if i >= len(s) {
		p.i = len(s)
		p.fail(field, "")
		return ""
	}
	b.WriteString(s[from:i])
	p.i = i + 1
	if mended && !name {
		p.out.warn(field, "an escaped NUL or half of a surrogate pair was replaced by U+FFFD; send whole characters")
	}
	return p.checked(b.String(), field)
}

// checked says when bytes of a string are not UTF-8.
func (p *scanner) checked(v, field string) string {
	if p.notUTF8 && !utf8.ValidString(v) {
		p.out.refuse(WrongCharset, field, "the text is not UTF-8; encode it as UTF-8 before sending")
	}
	return v
}

// escape reads one escape, or two that make a surrogate pair; 0 is NUL and -1
// half of a pair.
func (p *scanner) escape(field string) rune {
	if p.i+1 >= len(p.s) {
		p.i = len(p.s)
		p.fail(field, "")
		return 0
	}
	c := p.s[p.i+1]
	if c == 'u' {
		r := hex4(p.s[p.i+2:])
		if r < 0 {
			p.fail(field, "\\u must be followed by four hexadecimal digits")
			return 0
		}
		p.i += 6
		if !utf16.IsSurrogate(r) {
			return r
		}
		if strings.HasPrefix(p.s[p.i:], `\u`) {
			if pair := utf16.DecodeRune(r, hex4(p.s[p.i+2:])); pair != utf8.RuneError {
				p.i += 6
				return pair
			}
		}
		return -1
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	at := strings.IndexByte(from, c)
	if at < 0 {
		p.fail(field, "an unknown escape in a string")
		return 0
	}
	p.i += 2
	return rune(to[at])
}

// hex4 is the value of four hexadecimal digits, -1 when they are not there.
func hex4(s string) rune {
	if len(s) < 4 {
		return -1
	}
	var r rune
	for i := range 4 {
		h := unhex(s[i])
		if h > 15 {
			return -1
		}
		r = r<<4 | rune(h)
	}
	return r
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// number reads a number (RFC 8259, section 6) and gives its characters.
func (p *scanner) number(field string) string {
	from := p.i
	if p.s[p.i] == '-' {
		p.i++
	}
	lead := p.i
	if p.digits() == 0 || (p.s[lead] == '0' && p.i > lead+1) {
		p.fail(field, "a number must begin with a digit, and with 0 only before a point")
		return ""
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		if p.digits() == 0 {
			p.fail(field, "a number must have a digit after its point")
			return ""
		}
	}
	if p.i < len(p.s) && p.s[p.i]|0x20 == 'e' {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if p.digits() == 0 {
			p.fail(field, "a number must have a digit in its exponent")
			return ""
		}
	}
	return p.s[from:p.i]
}

func (p *scanner) digits() int {
	from := p.i
	for p.i < len(p.s) && p.s[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i - from
}

// word steps over true, false or null.
func (p *scanner) word(field string) {
	for _, w := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.s[p.i:], w) {
			p.i += len(w)
			return
		}
	}
	p.fail(field, "here should stand a value")
}

// skip steps over a value that nobody wants; depth counts what it stands in.
func (p *scanner) skip(field string, depth int) {
	switch c := p.peek(); {
	case c == '"':
		p.text(field, true)
	case c == '-' || c-'0' <= 9:
		p.number(field)
	case c != '{' && c != '[':
		p.word(field)
	case depth >= MaxDepth:
		p.out.refuse(TooDeep, field, fmt.Sprintf("nested deeper than %d levels; send flatter fields", MaxDepth))
		p.broken = true
	case c == '[':
		p.list(field, func(int) { p.skip(field, depth+1) })
	default:
		p.object(field, func(string) { p.skip(field, depth+1) })
	}
}

// object reads the members of an object; the cursor is at its brace. member
// reads the value of one.
func (p *scanner) object(field string, member func(name string)) {
	p.i++
	if p.take('}') {
		return
	}
	for !p.broken {
		if p.peek() != '"' {
			p.fail(field, "here should stand the name of a member in quotes")
			return
		}
		name := p.text(field, true)
		if !p.take(':') {
			p.fail(field, "after the name of a member should stand a colon")
			return
		}
		member(name)
		if p.take('}') {
			return
		}
		if !p.take(',') {
			p.fail(field, "after a member should stand a comma or a closing brace")
		}
	}
}

// list reads the items of an array; the cursor is at its bracket.
func (p *scanner) list(field string, item func(n int)) {
	p.i++
	if p.take(']') {
		return
	}
	for n := 0; !p.broken; n++ {
		item(n)
		if p.take(']') {
			return
		}
		if !p.take(',') {
			p.fail(field, "after an item should stand a comma or a closing bracket")
		}
	}
}
