package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// token is a word of a text: without diacritics, with them, and where it stands.
type token struct {
	folded, exact string
	from, to      int // bytes of the text
}

// maxWord bounds a word, in bytes; what is longer is nobody's word and is cut.
const maxWord = 48

// tokens calls each for every word of a text until it says false. A word is a run of
// letters, digits and the marks on them, whatever the normal form.
func tokens(text string, each func(token) bool) {
	from := -1
	word := func(to int) bool {
		if from < 0 {
			return true
		}
		w := text[from:to]
		at := from
		from = -1
		t := token{folded: fold(w), exact: exact(w), from: at, to: to}
		return t.folded == "" || each(t)
	}
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) {
			if from < 0 {
				from = i
			}
		} else if !word(i) {
			return
		}
	}
	word(len(text))
}

// fold writes a word as it is typed without diacritics: "Đường" is "duong".
func fold(word string) string {
	if s, ok := lowerASCII(word); ok {
		return cut(s)
	}
	var b strings.Builder
	for _, r := range norm.NFD.String(word) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r == 'đ' || r == 'Đ' || r == 'ð' || r == 'Ð':
			b.WriteByte('d')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return cut(b.String())
}

// exact writes a word with its diacritics in one form.
func exact(word string) string {
	if s, ok := lowerASCII(word); ok {
		return cut(s)
	}
	return cut(norm.NFC.String(strings.Map(unicode.ToLower, word)))
}

func lowerASCII(s string) (string, bool) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return "", false
		}
	}
	return strings.ToLower(s), true
}

func cut(s string) string {
	if len(s) <= maxWord {
		return s
	}
	n := maxWord
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
