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
		out.Items = append(out.Items, j)
	}
	if page.Next != nil {
		n := base64.RawURLEncoding.EncodeToString(page.Next)
		out.Next = &n
	}
	return s.answer(w, 200, out)
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

// Detail is an incident as a desk reads it.
type detailJSON struct {
	*record.Incident
	Version   string         `json:"version"`
	Open      bool           `json:"open"`
	Priority  string         `json:"priority,omitempty"`
	Place     *placeJSON     `json:"place,omitempty"`
	Summary   string         `json:"summary,omitempty"`
	Reports   []arrivalJSON  `json:"reports"`
	Deadlines []deadlineJSON `json:"deadlines,omitempty"`
	Parked    *Time          `json:"parked_until,omitempty"`
	Timeline  []lineJSON     `json:"timeline"`
	Delivery  deliveryJSON   `json:"delivery"`
	Group     []record.ID    `json:"group,omitempty"`
	// Order and Heads are in timeline and version.
	Order []record.ID `json:"order,omitempty"`
	Heads []record.ID `json:"heads,omitempty"`
	Flags []string    `json:"flags,omitempty"`
}

type placeJSON struct {
	Lat       json.Number `json:"lat"`
	Lon       json.Number `json:"lon"`
	AccuracyM json.Number `json:"accuracy_m"`
	FixedAt   *Time       `json:"fixed_at,omitempty"`
}

type deadlineJSON struct {
	Step string `json:"step"`
	At   Time   `json:"at"`
}

type arrivalJSON struct {
	ID         record.ID       `json:"id"`
	Origin     record.Origin   `json:"origin"`
	Device     string          `json:"device"`
	Category   record.Category `json:"category"`
	Place      *placeJSON      `json:"place,omitempty"`
	CapturedAt Time            `json:"captured_at"`
	ReceivedAt Time            `json:"received_at"`
	Media      []record.Medium `json:"media,omitempty"`
	Signal     *record.Signal  `json:"signal,omitempty"`
	Flags      []string        `json:"flags,omitempty"`
	Sealed     json.RawMessage `json:"sealed,omitempty"`
	Unreadable bool            `json:"unreadable,omitempty"`
}

// lineJSON is one entry in the timeline, with both times: when it was made and
// when it became part of the city's log (index; 0 is still on its way).
type lineJSON struct {
	Entry     record.ID       `json:"entry"`
	Kind      record.Kind     `json:"kind"`
	By        string          `json:"by"`
	Unit      record.UnitID   `json:"unit,omitempty"`
	Origin    record.Origin   `json:"origin"`
	At        Time            `json:"at"`
	Sure      bool            `json:"clock_sure"`
	Index     uint64          `json:"index"`
	Offline   bool            `json:"offline,omitempty"`
	Withdrawn bool            `json:"withdrawn,omitempty"`
	Value     string          `json:"value,omitempty"`
	Sealed    json.RawMessage `json:"sealed,omitempty"`
}

type deliveryJSON struct {
	// Ward: synced to a station's disk. City: committed and applied.
	Ward  bool   `json:"ward"`
	City  bool   `json:"city"`
	Index uint64 `json:"index"`
	// Pending counts entries that this node knows and the city does not.
	Pending int `json:"pending"`
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

// maxGroup bounds how many merged incidents one answer follows.
const maxGroup = 200

func (s *Server) detail(r *http.Request, in *record.Incident, stored []Stored) (*detailJSON, error) {
	d := &detailJSON{Incident: in, Version: in.Version(), Open: in.Open(), Place: placeOf(in.Place),
		Reports: []arrivalJSON{}, Timeline: []lineJSON{}, Flags: flagNames(in.Flags)}
	if in.Priority != 0 {
		d.Priority = in.Priority.String()
	}
	if in.ParkedUntil != 0 {
		t := Time(in.ParkedUntil)
		d.Parked = &t
	}
	for _, x := range in.Deadlines {
		d.Deadlines = append(d.Deadlines, deadlineJSON{x.Step, Time(x.At)})
	}
	by := make(map[record.ID]*Stored, len(stored))
	for i := range stored {
		e := &stored[i]
		by[e.Body.ID] = e
		d.Delivery.Index = max(d.Delivery.Index, e.Index)
		if e.Index == 0 {
			d.Delivery.Pending++
		}
		if e.Body.Kind == record.KindReport {
			d.Delivery.Ward = d.Delivery.Ward || e.Link.Origin != record.CoreOrigin
			d.Delivery.City = d.Delivery.City || e.Index > 0
		}
	}
	for _, a := range slices.Concat(in.Reports, in.OtherContent) {
		j := arrivalJSON{ID: a.Report, Origin: a.By.Origin, Device: a.By.Name, Category: a.Category, Place: placeOf(a.Place),
			CapturedAt: Time(a.CapturedAt), ReceivedAt: Time(a.ReceivedAt), Media: a.Media, Signal: a.Signal, Flags: flagNames(a.Flags)}
		if e := by[a.By.Entry]; e != nil && e.Body.Payload.Sealed != nil {
			plain, err := s.Backend.Open(e.Body.Payload.Sealed)
			if err == nil {
				j.Sealed = plain
			} else {
				j.Unreadable = true
			}
		}
		d.Reports = append(d.Reports, j)
	}
	s.timeline(d, in, by)
	d.Group = record.Group(in.ID, func(id record.ID) []record.ID {
		edges := in.Edges
		if id != in.ID {
			more, err := s.Backend.Bodies(r.Context(), id)
			if err != nil {
				return nil
			}
			edges = record.Fold(id, bodiesOf(more)).Edges
		}
		var out []record.ID
		for _, e := range edges {
			out = append(out, e.Other)
		}
		return out
	}, maxGroup)
	if len(d.Group) == 1 {
		d.Group = nil
	}
	return d, nil
}

func (s *Server) timeline(d *detailJSON, in *record.Incident, by map[record.ID]*Stored) {
	for _, id := range in.Order {
		e := by[id]
		if e == nil {
			continue
		}
		b := &e.Body
		l := lineJSON{Entry: id, Kind: b.Kind, By: b.Actor.Name, Unit: b.UnitOf(), Origin: b.Origin, At: Time(b.HLC.Millis()),
			Sure: b.Clock == record.ClockSure, Index: e.Index, Offline: b.Payload.Flags&record.FlagOffline != 0,
			Withdrawn: slices.Contains(in.Withdrawn, id), Value: lineValue(b)}
		if b.Payload.Sealed != nil && b.Kind != record.KindReport {
			if plain, err := s.Backend.Open(b.Payload.Sealed); err == nil {
				l.Sealed = plain
			}
		}
		if in.Summary != nil && *in.Summary == id {
			var p struct{ Summary string }
			if json.Unmarshal(l.Sealed, &p) == nil {
				d.Summary = p.Summary
			}
		}
		d.Timeline = append(d.Timeline, l)
	}
}

// lineValue is what an entry says, in one word or number.
func lineValue(b *record.Body) string {
	p := &b.Payload
	switch b.Kind {
	case record.KindClassify, record.KindReport:
		return string(p.Category)
	case record.KindForward:
		return string(p.ToUnit)
	case record.KindHandover:
		return p.ToOfficer
	case record.KindDispatch, record.KindArrive:
		return p.Patrol
	case record.KindRouted:
		return string(p.Lead)
	case record.KindMissed:
		return p.Step
	}
	return p.Reason
}

func placeOf(p *record.Place) *placeJSON {
	if p == nil {
		return nil
	}
	j := &placeJSON{Lat: decimal(int64(p.LatE7), 7), Lon: decimal(int64(p.LonE7), 7), AccuracyM: decimal(int64(p.AccuracyCM), 2)}
	if p.FixedAt != 0 {
		t := Time(p.FixedAt)
		j.FixedAt = &t
	}
	return j
}

// decimal writes n / 10^digits without going through floating point.
func decimal(n int64, digits int) json.Number {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	t := strconv.FormatInt(n, 10)
	for len(t) <= digits {
		t = "0" + t
	}
	return json.Number(sign + t[:len(t)-digits] + "." + t[len(t)-digits:])
}

func flagNames(f record.Flags) []string {
	var out []string
	for _, x := range []struct {
		bit  record.Flags
		name string
	}{{record.FlagClock, "clock"}, {record.FlagOtherContent, "other_content"}, {record.FlagSilent, "silent"},
		{record.FlagOffline, "offline"}, {record.FlagUnknownCode, "unknown_code"}, {record.FlagShortAccount, "short_account"},
		{record.FlagApproximate, "approximate"}, {record.FlagCancelled, "cancelled"}, {record.FlagOutside, "outside"}, {record.FlagAlone, "routed_alone"}} {
		if f&x.bit != 0 {
			out = append(out, x.name)
		}
	}
	return out
}
