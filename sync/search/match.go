package search

import (
	"bytes"
	"strings"

	"wardline/sync/record"
)

// Part is a piece of a text; Hit pieces are what was looked for.
type Part struct {
	Text string `json:"text"`
	Hit  bool   `json:"hit,omitempty"`
}

// Snippet is where an incident says what was looked for.
type Snippet struct {
	// Field is one of those of Field.Name, or id.
	Field string `json:"field"`
	Parts []Part `json:"parts"`
}

// maxSnippets bounds the texts of one incident that are shown, and snippetBytes each of them.
const (
	maxSnippets  = 3
	snippetBytes = 240
)

// Match holds an incident, as it is now, to the question: every word must stand in one
// of its texts. It shows where.
func (q *Query) Match(id record.ID, fields []Field) ([]Snippet, bool) {
	if s, is := ids(q.Text); is && bytes.Compare(id[:], s.from[:]) >= 0 && bytes.Compare(id[:], s.to[:]) <= 0 {
		return []Snippet{{Field: "id", Parts: []Part{{Text: id.String(), Hit: true}}}}, true
	}
	ws := words(q.Text)
	seen := make([]bool, len(ws))
	var out []Snippet
	for _, f := range fields {
		var hits [][2]int
		fresh := false // it says a word that no text before it said
		tokens(f.Text, func(t token) bool {
			hit := false
			for i, w := range ws {
				if t.folded == w.folded || i == len(ws)-1 && begins(ws) && strings.HasPrefix(t.folded, w.folded) {
					fresh = fresh || !seen[i]
					seen[i], hit = true, true
				}
			}
			if hit {
				hits = append(hits, [2]int{t.from, t.to})
			}
			return true
		})
		if fresh && len(out) < maxSnippets {
			out = append(out, snippet(f, hits))
		}
	}
	for _, s := range seen {
		if !s {
			return nil, false
		}
	}
	return out, len(ws) > 0
}

// snippet cuts a text around its hits.
func snippet(f Field, hits [][2]int) Snippet {
	from, to := 0, len(f.Text)
	if to > snippetBytes {
		from = max(0, hits[0][0]-snippetBytes/4)
		to = min(len(f.Text), from+snippetBytes)
		for from > 0 && f.Text[from-1] != ' ' {
			from--
		}
		for to < len(f.Text) && f.Text[to] != ' ' && to < from+2*snippetBytes {
			to++
		}
		to = len(cutAt(f.Text, to))
	}
	s := Snippet{Field: f.Name}
	add := func(text string, hit bool) {
		if text != "" {
			s.Parts = append(s.Parts, Part{text, hit})
		}
	}
	at := from
	if from > 0 {
		add("… ", false)
	}
	for _, h := range hits {
		if h[0] < at || h[1] > to {
			continue
		}
		add(f.Text[at:h[0]], false)
		add(f.Text[h[0]:h[1]], true)
		at = h[1]
	}
	add(f.Text[at:to], false)
	if to < len(f.Text) {
		add(" …", false)
	}
	return s
}

// cutAt cuts a text at a byte without cutting a letter.
func cutAt(s string, n int) string {
	for n < len(s) && n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
