package api

import (
	"encoding/base64"
	"encoding/json"
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
	Told       []toldJSON      `json:"told"`
	Silent     bool            `json:"silent,omitempty"`
	Cancelled  bool            `json:"cancelled,omitempty"`
	Conflicts  int             `json:"conflicts,omitempty"`
	Suggested  bool            `json:"suggested,omitempty"`
	Verdict    string          `json:"verdict,omitempty"`
	Device     string          `json:"device,omitempty"`
	Place      *placeJSON      `json:"place,omitempty"`
	Deadlines  []deadlineJSON  `json:"deadlines,omitempty"`
	Parked     *Time           `json:"parked_until,omitempty"`
	Merged     []record.ID     `json:"merged,omitempty"`
	// Exercise is that of which it is part; left out of what is real.
	Exercise *record.ID `json:"exercise,omitempty"`
	Index    uint64     `json:"index"`
	// Brief is said where the list was asked with its words.
	Brief *briefJSON `json:"brief,omitempty"`
}

// toldJSON is a told unit in a list.
type toldJSON struct {
	Unit     record.UnitID   `json:"unit"`
	Progress record.Progress `json:"progress"`
	Holder   string          `json:"holder,omitempty"`
}

// briefJSON is what makes an incident recognisable, out of its sealed parts, and
// whether the city has all of it.
type briefJSON struct {
	Text  string `json:"text,omitempty"`  // the summary, else the report's words; shortened
	Place string `json:"place,omitempty"` // as the source described it
	// Pending counts entries that the city does not have.
	Pending int `json:"pending,omitempty"`
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
	words := r.URL.Query().Get("with") == "brief"
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
		if scope != "" && row.Lead != scope && !slices.ContainsFunc(row.Told, func(t view.Told) bool { return t.Unit == scope }) {
			continue
		}
		j := rowFrom(&row)
		if words {
			stored, err := s.Backend.Here(row.ID)
			if err != nil {
				return err
			}
			j.Brief = s.brief(record.Fold(row.ID, bodiesOf(stored)), stored)
		}
		out.Items = append(out.Items, j)
	}
	if page.Next != nil {
		n := base64.RawURLEncoding.EncodeToString(page.Next)
		out.Next = &n
	}
	return s.answer(w, 200, out)
}

func rowFrom(row *view.Row) rowJSON {
	j := rowJSON{ID: row.ID, Status: row.Status, Stub: row.Stub, Category: row.Category, Lead: row.Lead, Units: []record.UnitID{}, Told: []toldJSON{},
		Silent: row.Silent, Cancelled: row.Cancelled, Conflicts: row.Conflicts, Suggested: row.Suggested, Verdict: row.Verdict, Device: row.Device,
		Merged: row.Merged, Index: row.Position}
	if row.Priority != 0 {
		j.Priority = row.Priority.String()
	}
	if row.ReceivedAt != 0 {
		t := Time(row.ReceivedAt)
		j.ReceivedAt = &t
	}
	if row.ParkedUntil != 0 {
		t := Time(row.ParkedUntil)
		j.Parked = &t
	}
	if row.Place != (record.Place{}) {
		j.Place = placeOf(&row.Place)
	}
	if !row.Exercise.Zero() {
		id := row.Exercise
		j.Exercise = &id
	}
	for _, u := range row.Told {
		j.Units = append(j.Units, u.Unit)
		j.Told = append(j.Told, toldJSON(u))
	}
	for _, d := range row.Deadlines {
		j.Deadlines = append(j.Deadlines, deadlineJSON{d.Step, Time(d.At)})
	}
	return j
}

// maxBrief bounds the words of a row, in characters: two lines of a queue.
const maxBrief = 160

// brief opens what a queue shows of an incident's words.
func (s *Server) brief(in *record.Incident, stored []Stored) *briefJSON {
	b := &briefJSON{}
	var first *record.ID
	if a := in.Report(); a != nil {
		first = &a.By.Entry
	}
	open := func(x *Stored, into any) {
		if x.Body.Payload.Sealed == nil {
			return
		}
		if plain, err := s.open(in, x); err == nil { // a key that is gone: nothing to show, and the incident says why
			_ = json.Unmarshal(plain, into) // written by this program; a damaged one shows nothing
		}
	}
	redacted := map[record.ID]bool{}
	for i := range stored {
		if x := &stored[i]; x.Body.Kind == record.KindRedact && !slices.Contains(in.Withdrawn, x.Body.ID) {
			redacted[x.Body.Payload.Target] = true
		}
	}
	summary := ""
	for i := range stored {
		x := &stored[i]
		if x.Index == 0 {
			b.Pending++
		}
		switch {
		case redacted[x.Body.ID]:
		case in.Summary != nil && x.Body.ID == *in.Summary:
			var t struct{ Summary string }
			open(x, &t)
			summary = t.Summary
		case first != nil && x.Body.ID == *first:
			var t struct {
				Text      string
				PlaceText string `json:"place_text"`
			}
			open(x, &t)
			b.Text, b.Place = t.Text, t.PlaceText
		}
	}
	if summary != "" {
		b.Text = summary
	}
	b.Text, b.Place = shorten(b.Text, maxBrief), shorten(b.Place, maxBrief)
	return b
}

func shorten(t string, most int) string {
	if r := []rune(t); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return t
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
