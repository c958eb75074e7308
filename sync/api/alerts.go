package api

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"wardline/sync/cap"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Broadcasts are the public warnings of a node, and how they get into the log.
type Broadcasts interface {
	// Broadcasts are those that this node knows, the newest first, at most limit; with until those alone
	// that hold at that time, milliseconds since the Unix epoch, UTC.
	Broadcasts(ctx context.Context, limit int, until int64) ([]Broadcast, error)
	Broadcast(ctx context.Context, id record.ID) (b Broadcast, known bool, err error)
	// Send takes a warning that was checked (cap.Alert.Check) into the log; it answers after
	// the commit, at a station after the sync. The same id again changes nothing.
	Send(ctx context.Context, by identity.Officer, body record.Body) error
}

// Broadcast is a warning and how far it is.
type Broadcast struct {
	cap.Held
	Index   uint64 // in the city's order; 0: the city does not have it yet
	Reached []Reached
}

// Reached is what a ward's station said of a warning.
type Reached struct {
	Ward record.WardCode `json:"ward"`
	// Devices acknowledged it, of Listening that read the ward's alerts.
	Devices   int  `json:"devices"`
	Listening int  `json:"listening"`
	At        Time `json:"at"`
}

// ReachedBody is the entry in which a station says how far a warning is.
func ReachedBody(id, alert record.ID, r Reached) (record.Body, error) {
	data, err := json.Marshal(r)
	return record.Body{ID: id, Kind: record.KindReached, Payload: record.Payload{Target: alert, Ward: r.Ward, Data: data}}, err
}

// ReachedOf reads such an entry.
func ReachedOf(b *record.Body) (r Reached, err error) {
	if err = json.Unmarshal(b.Payload.Data, &r); err != nil {
		return r, fmt.Errorf("api: how far warning %s is: %w", b.Payload.Target, err)
	}
	r.At = Time(b.ReceivedAt)
	return r, nil
}

// Limits of warnings.
const (
	maxAlertsListed = 200
	// maxAhead is how long a warning may hold: a month, as the longest flood.
	maxAhead = 31 * 24 * time.Hour
)

type alertJSON struct {
	ID      record.ID         `json:"id"`
	State   string            `json:"state"`
	Target  *record.ID        `json:"target,omitempty"`
	Wards   []record.WardCode `json:"wards"`
	Expires Time              `json:"expires"`
	Alert   cap.Alert         `json:"alert"`
	// For officers.
	By      string     `json:"by,omitempty"`
	Origin  string     `json:"origin,omitempty"`
	Index   *uint64    `json:"index,omitempty"`
	Reached *[]Reached `json:"reached,omitempty"`
}

func alertOf(b *Broadcast, state string) alertJSON {
	a := alertJSON{ID: b.ID, State: state, Wards: b.Wards, Expires: Time(b.Until), Alert: b.Alert}
	if a.Wards == nil {
		a.Wards = []record.WardCode{}
	}
	if !b.Target.Zero() {
		a.Target = &b.Target
	}
	return a
}

func heldOf(list []Broadcast) []cap.Held {
	out := make([]cap.Held, len(list))
	for i := range list {
		out[i] = list[i].Held
	}
	return out
}

func (s *Server) broadcasts() (Broadcasts, error) {
	b, ok := s.Backend.(Broadcasts)
	if !ok {
		return nil, Problem(404, "not-here", "", "this node knows no warnings")
	}
	return b, nil
}

// present are the warnings that hold for the public, in a ward or in any.
func (s *Server) present(r *http.Request, ward record.WardCode) ([]Broadcast, error) {
	b, err := s.broadcasts()
	if err != nil {
		return nil, err
	}
	now := s.Now().UnixMilli()
	all, err := b.Broadcasts(r.Context(), maxAlertsListed, now)
	if err != nil {
		return nil, err
	}
	var out []Broadcast
	for _, h := range cap.Present(heldOf(all), ward, now, true) {
		out = append(out, all[slices.IndexFunc(all, func(x Broadcast) bool { return x.ID == h.ID })])
	}
	return out, nil
}

// anybody bounds the questions of those who do not say who they are.
func (s *Server) anybody() error {
	if s.follow.AllowN(s.Now(), 1) {
		return nil
	}
	e := Problem(429, "too-many", "", "too many ask at once; ask again in a few seconds")
	e.RetryAfter = 5
	return e
}

// getAlerts are the warnings that hold, for everybody.
func (s *Server) getAlerts(w http.ResponseWriter, r *http.Request) error {
	if err := s.anybody(); err != nil {
		return err
	}
	ward := record.WardCode(r.URL.Query().Get("ward"))
	if ward != "" && !ward.Valid() {
		return Problem(400, "invalid-ward", "ward", "a ward has five digits; leave it out for the whole city")
	}
	list, err := s.present(r, ward)
	if err != nil {
		return err
	}
	out := struct {
		At    Time        `json:"at"`
		Items []alertJSON `json:"items"`
	}{Time(s.Now().UnixMilli()), []alertJSON{}}
	for i := range list {
		out.Items = append(out.Items, alertOf(&list[i], cap.Holds))
	}
	return s.answer(w, 200, out)
}

// feed is Atom (RFC 4287), as readers of CAP poll it.
type feed struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Author  string   `xml:"author>name"`
	Entries []feedEntry
}

type feedEntry struct {
	XMLName xml.Name `xml:"entry"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Summary string   `xml:"summary"`
	Link    feedLink `xml:"link"`
}

type feedLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

const capType = "application/cap+xml"

// getAlertFeed lists the warnings that hold for other systems, with links to their CAP.
func (s *Server) getAlertFeed(w http.ResponseWriter, r *http.Request) error {
	if err := s.anybody(); err != nil {
		return err
	}
	list, err := s.present(r, "")
	if err != nil {
		return err
	}
	f := feed{ID: "urn:wardline:alerts", Title: "Wardline", Author: "Wardline", Updated: time.UnixMilli(0).UTC().Format(time.RFC3339)}
	for i := range list {
		h := &list[i]
		at := time.UnixMilli(int64(h.Alert.Sent)).UTC().Format(time.RFC3339)
		f.Updated = max(f.Updated, at)
		in := h.Alert.In("vi")
		f.Entries = append(f.Entries, feedEntry{ID: "urn:uuid:" + h.ID.String(), Title: in.Headline, Updated: at, Summary: in.Description,
			Link: feedLink{"alternate", capType, "/api/v1/alerts/" + h.ID.String() + ".cap"}})
	}
	raw, err := xml.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/atom+xml; charset=utf-8")
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // the client has gone; there is nobody to tell
	return nil
}

// getAlert is one warning, as JSON or, with .cap behind its id, as CAP. The public
// reads what was meant for it, also when it is over.
func (s *Server) getAlert(w http.ResponseWriter, r *http.Request) error {
	if err := s.anybody(); err != nil {
		return err
	}
	name, asCAP := strings.CutSuffix(r.PathValue("id"), ".cap")
	id, err := record.ParseID(name)
	if err != nil {
		return Problem(400, "invalid-id", "id", "%v", err)
	}
	b, err := s.broadcasts()
	if err != nil {
		return err
	}
	x, known, err := b.Broadcast(r.Context(), id)
	if err != nil {
		return err
	}
	_, officer := s.session(r)
	if !known || !officer && (x.Alert.Status != cap.Actual || x.Alert.Scope != cap.Public) {
		return Problem(404, "not-found", "id", "there is no warning %s", id)
	}
	if asCAP {
		w.Header().Set("Content-Type", capType)
		_, _ = w.Write(x.Alert.XML()) // the client has gone; there is nobody to tell
		return nil
	}
	all, err := b.Broadcasts(r.Context(), maxAlertsListed, 0)
	if err != nil {
		return err
	}
	return s.answer(w, 200, alertOf(&x, cap.States(append(heldOf(all), x.Held), s.Now().UnixMilli())[id]))
}

// getBroadcasts is the list of a desk: the past with it, exercises, and how far each is.
func (s *Server) getBroadcasts(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	b, err := s.broadcasts()
	if err != nil {
		return err
	}
	all, err := b.Broadcasts(r.Context(), maxAlertsListed, 0)
	if err != nil {
		return err
	}
	states := cap.States(heldOf(all), s.Now().UnixMilli())
	items := []alertJSON{}
	for i := range all {
		x := &all[i]
		j := alertOf(x, states[x.ID])
		if x.Reached == nil {
			x.Reached = []Reached{}
		}
		j.By, j.Origin, j.Index, j.Reached = x.By.Name, string(x.Origin), &x.Index, &x.Reached
		items = append(items, j)
	}
	return s.answer(w, 200, map[string]any{"items": items})
}
