package search

import (
	"encoding/hex"
	"strings"

	"wardline/sync/record"
)

// span is a range of ids, both ends within.
type span struct{ from, to record.ID }

// minID is how many digits of an id say that one is meant: four are a number of a house.
const minID = 8

const (
	codeDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeChecks = codeDigits + "*~$=U"
)

// ids are the incidents whose id, or whose report's code on the citizen's page, begins
// as the text says; ok is false when the text is neither.
func ids(text string) (s span, ok bool) {
	if s, ok = hexSpan(text); ok {
		return s, true
	}
	id, ok := codeID(text)
	return span{id, id}, ok
}

// hexSpan reads a UUID or its beginning.
func hexSpan(text string) (s span, ok bool) {
	digits := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "-", "")
	if len(digits) < minID || len(digits) > 32 {
		return s, false
	}
	from, err := hex.DecodeString(digits + strings.Repeat("0", 32-len(digits)))
	if err != nil {
		return s, false
	}
	to, err := hex.DecodeString(digits + strings.Repeat("f", 32-len(digits)))
	if err != nil {
		return s, false
	}
	return span{record.ID(from), record.ID(to)}, true
}

// codeID reads a receipt code: an id in Crockford's base 32 with his check symbol, as
// the citizen's page prints it.
func codeID(text string) (id record.ID, ok bool) {
	t := strings.NewReplacer(" ", "", "-", "", "O", "0").Replace(strings.ToUpper(strings.TrimSpace(text)))
	if len(t) != 27 {
		return id, false
	}
	var hi, lo, rest uint64
	for i := range 26 {
		c := t[i]
		if c == 'I' || c == 'L' {
			c = '1'
		}
		d := strings.IndexByte(codeDigits, c)
		if d < 0 || hi>>59 != 0 { // more than 128 bits
			return id, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	for i := range 8 {
		id[i], id[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	for _, b := range id {
		rest = (rest<<8 | uint64(b)) % 37
	}
	return id, codeChecks[rest] == t[26]
}
