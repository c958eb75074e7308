package api

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// Page sizes of lists.
const (
	defaultPage = 100
	maxPage     = 1000
)

// rowJSON is an incident in a list.
type rowJSON struct {
	ID         record.ID       `json:"id"`
	Status     string          `json:"status"`
	Stub       bool            `json:"stub,omitempty"`
	Category   record.Category `json:"category,omitempty"`
	Priority   string          `json:"priority,omitempty"`
	ReceivedAt *Time           `json:"received_at,omitempty"`
	Lead       record.UnitID   `json:"lead,omitempty"`
	Units      []record.UnitID `json:"units"`
	Silent     bool            `json:"silent,omitempty"`
	Conflicts  int             `json:"conflicts,omitempty"`
	Index      uint64          `json:"index"`
}

type listJSON struct {
	Items []rowJSON `json:"items"`
	Next  *string   `json:"next"`
}

func (s *Server) listIncidents(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	scope := q.Unit
	if !o.SeesAll() {
		q.Unit = o.Unit
	}
	page, err := s.Backend.List(r.Context(), q)
	if err != nil {
		return err
	}
	out := listJSON{Items: []rowJSON{}}
	for _, row := range page.Rows {
		if scope != "" && row.Lead != scope && !slices.Contains(row.Told, scope) {
			continue
		}
		out.Items = append(out.Items, rowFrom(&row))
	}
	if page.Next != nil {
		n := base64.RawURLEncoding.EncodeToString(page.Next)
		out.Next = &n
	}
	return s.answer(w, 200, out)
}

func rowFrom(row *view.Row) rowJSON {
	j := rowJSON{ID: row.ID, Status: row.Status, Stub: row.Stub, Category: row.Category, Lead: row.Lead,
		Units: row.Told, Silent: row.Silent, Conflicts: row.Conflicts, Index: row.Position}
	if row.Priority != 0 {
		j.Priority = row.Priority.String()
	}
	if row.ReceivedAt != 0 {
		t := Time(row.ReceivedAt)
		j.ReceivedAt = &t
	}
	if j.Units == nil {
		j.Units = []record.UnitID{}
	}
	return j
}

func parseQuery(v url.Values) (view.Query, error) {
	q := view.Query{Limit: defaultPage, Status: v.Get("status")}
	if q.Status != "" && q.Status != "open" && !slices.Contains(record.Statuses, q.Status) {
		return q, Problem(400, "unknown-status", "status", "%q is none of open, %v", q.Status, record.Statuses)
	}
	if ward := record.WardCode(v.Get("ward")); ward != "" {
		if !ward.Valid() {
			return q, Problem(400, "invalid-ward", "ward", "a ward is five digits, for example 26704")
		}
		q.Unit = record.WardUnit(ward)
	}
	if t := v.Get("since"); t != "" {
		at, err := time.Parse(time.RFC3339, t)
		if err != nil {
			return q, Problem(400, "invalid-time", "since", "write the time as RFC 3339, for example 2026-01-02T15:04:05Z")
		}
		q.Since = at.UnixMilli()
	}
	n, err := parseLimit(v)
	if err != nil {
		return q, err
	}
	q.Limit = n
	if c := v.Get("cursor"); c != "" {
		raw, err := base64.RawURLEncoding.DecodeString(c)
		if err != nil {
			return q, Problem(400, "invalid-cursor", "cursor", "send back `next` as it was given")
		}
		q.Cursor = raw
	}
	return q, nil
}

func parseLimit(v url.Values) (int, error) {
	t := v.Get("limit")
	if t == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(t)
	if err != nil || n < 1 {
		return 0, Problem(400, "invalid-limit", "limit", "a number from 1 to %d", maxPage)
	}
	return min(n, maxPage), nil
}

func (s *Server) getIncident(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return Problem(404, "not-found", "id", "no incident %s is known here", id)
	}
	in := record.Fold(id, bodiesOf(stored))
	if !o.Sees(in) {
		return Problem(404, "not-found", "id", "no incident %s is known here", id)
	}
	d, err := s.detail(r, in, stored)
	if err != nil {
		return err
	}
	return s.answer(w, 200, d)
}
