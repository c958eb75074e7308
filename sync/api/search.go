package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/search"
	"wardline/sync/view"
)

// Limits of a search.
const (
	defaultFound = 20
	maxFound     = 100
	// maxOpened bounds the incidents that one answer reads anew; an answer that found less
	// among them has a next.
	maxOpened = 300
	// maxSearches bounds the searches that are under way: they must not take a small box
	// from those who report.
	maxSearches = 4
	// levelWait is how long an answer waits for the index to have what was written just before.
	levelWait = 300 * time.Millisecond
)

// foundJSON is an incident that was found, and where it says so.
type foundJSON struct {
	Row   rowJSON          `json:"row"`
	Found []search.Snippet `json:"found"`
}

type searchJSON struct {
	Items []foundJSON `json:"items"`
	Next  *string     `json:"next"`
	// Index says how far this node's index was when it was asked: unless it is ready, something may be missing.
	Index search.State `json:"index"`
}

func (s *Server) getSearch(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	q, err := parseSearch(r.URL.Query())
	if err != nil {
		return err
	}
	if !o.SeesAll() {
		q.Scope = o.Unit
	}
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	default:
		e := Problem(503, "busy", "", "%d searches are under way at this node; ask again", maxSearches)
		e.RetryAfter = 1
		return e
	}
	x := s.Backend.Index()
	wait, stop := context.WithTimeout(r.Context(), levelWait)
	x.CatchUp(wait, s.Backend.Log().Position())
	stop()
	out := searchJSON{Items: []foundJSON{}, Index: x.State()}
	want := q.Limit
	for opened := 0; len(out.Items) < want; {
		q.Limit = min(want-len(out.Items), maxOpened-opened)
		page, err := x.Search(q)
		if err != nil {
			return searchProblem(err)
		}
		for _, id := range page.IDs {
			item, err := s.found(id, &q, o)
			if err != nil {
				return err
			}
			if item == nil {
				x.Again(id)
			} else {
				out.Items = append(out.Items, *item)
			}
		}
		opened += len(page.IDs)
		if q.Cursor = page.Next; page.Next == nil {
			break
		}
		n := base64.RawURLEncoding.EncodeToString(page.Next)
		if out.Next = &n; opened >= maxOpened || r.Context().Err() != nil {
			break
		}
	}
	if q.Cursor == nil {
		out.Next = nil
	}
	return s.answer(w, 200, out)
}

// found reads a candidate as it is now and holds it to the asker and to the question:
// what the index says of it may be old. nil when it is none.
func (s *Server) found(id record.ID, q *search.Query, o identity.Officer) (*foundJSON, error) {
	stored, err := s.Backend.Here(id)
	if err != nil || len(stored) == 0 {
		return nil, err
	}
	in := record.Fold(id, bodiesOf(stored))
	if !o.Sees(in) || !q.Holds(in) {
		return nil, nil
	}
	entries := make([]search.Entry, len(stored))
	var last uint64
	for i := range stored {
		entries[i] = search.Entry{Position: stored[i].Position, Body: stored[i].Body}
		last = max(last, stored[i].Position)
	}
	snippets, ok := q.Match(id, search.Fields(in, entries, s.Backend.Open))
	if !ok {
		return nil, nil
	}
	row := view.RowOf(in, last)
	j := rowFrom(&row)
	j.Brief = s.brief(in, stored)
	return &foundJSON{j, snippets}, nil
}

func searchProblem(err error) error {
	switch {
	case errors.Is(err, search.ErrNoWords):
		return Problem(400, "no-words", "q", "write a word, an id or a receipt code to look for")
	case errors.Is(err, search.ErrCursor):
		return Problem(400, "invalid-cursor", "cursor", "the index was built anew meanwhile; ask again without it")
	case errors.Is(err, search.ErrNotReady):
		e := Problem(503, "index-closed", "", "this node's search index is being opened; ask again")
		e.RetryAfter = 5
		return e
	}
	return err
}

func parseSearch(v url.Values) (search.Query, error) {
	q := search.Query{Text: v.Get("q"), Limit: defaultFound, Status: v.Get("status"), Category: record.Category(v.Get("category"))}
	if len(q.Text) > search.MaxText {
		return q, Problem(400, "too-large", "q", "at most %d bytes", search.MaxText)
	}
	if !q.Words() {
		return q, searchProblem(search.ErrNoWords)
	}
	if q.Status != "" && q.Status != "open" && !slices.Contains(record.Statuses, q.Status) {
		return q, Problem(400, "unknown-status", "status", "%q is none of open, %v", q.Status, record.Statuses)
	}
	if q.Category != "" && !q.Category.Valid() {
		return q, Problem(400, "unknown-category", "category", "%q is none of %v", q.Category, record.Categories)
	}
	if p := v.Get("priority"); p != "" {
		if len(p) != 2 || p[0] != 'P' || p[1] < '1' || p[1] > '4' {
			return q, Problem(400, "out-of-range", "priority", "one of P1, P2, P3, P4")
		}
		q.Priority = record.Priority(p[1] - '0')
	}
	if ward := record.WardCode(v.Get("ward")); ward != "" {
		if !ward.Valid() {
			return q, Problem(400, "invalid-ward", "ward", "a ward is five digits, for example 26704")
		}
		q.Unit = record.WardUnit(ward)
	}
	var err error
	if q.From, err = parseTime(v, "from"); err != nil {
		return q, err
	}
	if q.To, err = parseTime(v, "to"); err != nil {
		return q, err
	}
	if v.Get("limit") != "" {
		n, err := parseLimit(v)
		if err != nil {
			return q, err
		}
		q.Limit = min(n, maxFound)
	}
	if c := v.Get("cursor"); c != "" {
		if q.Cursor, err = base64.RawURLEncoding.DecodeString(c); err != nil {
			return q, Problem(400, "invalid-cursor", "cursor", "send back `next` as it was given")
		}
	}
	return q, nil
}

// parseTime reads a time of a query, milliseconds since the Unix epoch, UTC; 0 when it is not there.
func parseTime(v url.Values, name string) (int64, error) {
	t := v.Get(name)
	if t == "" {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339, t)
	if err != nil {
		return 0, Problem(400, "invalid-time", name, "write the time as RFC 3339, for example 2026-01-02T15:04:05Z")
	}
	return at.UnixMilli(), nil
}
