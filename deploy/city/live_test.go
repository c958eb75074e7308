package city

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"wardline/sync/identity"
)

// event is one event of a live stream.
type event struct {
	Name, ID string
	Data     struct {
		Incident string
		Reports  []string
		Status   string
		Index    uint64
		At       string
		Line     struct{ State string }
	}
}

// follower reads a live stream and keeps what came.
type follower struct {
	header http.Header
	mu     sync.Mutex // guards below
	events []event
	ended  bool
}

func (l *follower) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

// find gives the first event that fits.
func (l *follower) find(fits func(event) bool) (event, bool) {
	for _, e := range l.all() {
		if fits(e) {
			return e, true
		}
	}
	return event{}, false
}

// follow opens a live stream as an officer; lastID may be empty.
func (f *fleet) follow(base string, role identity.Role, lastID string) *follower {
	f.t.Helper()
	c := f.login(base, role)
	c.Timeout = 0
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/live", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	a, err := c.Do(r)
	if err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("live stream of %s: %v %+v", base, err, a)
	}
	l, done := &follower{header: a.Header}, make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = a.Body.Close() }() // the stream has ended
		var e event
		for s := bufio.NewScanner(a.Body); s.Scan(); {
			k, v, _ := strings.Cut(s.Text(), ": ")
			switch k {
			case "event":
				e.Name = v
			case "id":
				e.ID = v
			case "data":
				if err := json.Unmarshal([]byte(v), &e.Data); err != nil && ctx.Err() == nil { // else it was left in the middle of a line
					f.t.Errorf("data of an event: %v in %s", err, v)
				}
			case "":
				l.mu.Lock()
				l.events = append(l.events, e)
				l.mu.Unlock()
				e = event{}
			}
		}
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
	}()
	f.t.Cleanup(func() { cancel(); <-done })
	return l
}

func about(id string) func(event) bool {
	return func(e event) bool { return e.Name == "incident" && e.Data.Incident == id }
}

// here is a report in Phú Mỹ; near is one beside it, so that the city suggests
// that they are about the same event.
const (
	here = `"category":"fire","location":{"lat":10.6111,"lon":107.0455,"accuracy_m":5}`
	near = `"category":"fire","location":{"lat":10.6113,"lon":107.0455,"accuracy_m":5}`
)

func TestLive_FromTheStartAndAsItHappens_GivesEveryIncidentAtEveryNode(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startFleet(t)
	streams := map[string]*follower{
		"city, from its start":       f.follow(f.coreURL(0), identity.CommandOfficer, "0"),
		"city, from now on":          f.follow(f.coreURL(1), identity.CommandOfficer, ""),
		"station, from its start":    f.follow(f.stationURL(), identity.WardOfficer, "0"),
		"station, from now on":       f.follow(f.stationURL(), identity.WardOfficer, ""),
		"department, from now on":    f.follow(f.coreURL(2), identity.DepartmentOfficer, ""),
		"department, from its start": f.follow(f.coreURL(2), identity.DepartmentOfficer, "0"),
	}
	ids := []string{f.report(f.coreURL(0), here), f.report(f.coreURL(1), near), f.report(f.stationURL(), near)}
	auditor := f.login(f.coreURL(0), identity.Auditor)
	f.wait("the city suggests", func() bool {
		return strings.Count(string(f.call(auditor, "GET", f.coreURL(0)+"/api/v1/entries?limit=1000", nil).body), `"suggested"`) >= 2
	})
	streams["city, afterwards"] = f.follow(f.coreURL(0), identity.CommandOfficer, "0")
	streams["station, afterwards"] = f.follow(f.stationURL(), identity.WardOfficer, "0")
	for name, l := range streams {
		for _, id := range ids {
			f.wait(name+": an event of "+id, func() bool {
				e, ok := l.find(about(id))
				return ok && e.ID != "" && len(e.Data.Reports) == 1 && e.Data.Reports[0] == id
			})
		}
	}
}

// lastID is the id of the last event that had one.
func (l *follower) lastID() string {
	id := ""
	for _, e := range l.all() {
		if e.ID != "" {
			id = e.ID
		}
	}
	return id
}

// TestLive_ResumedAtAnotherNode_GivesWhatChangedMeanwhile: the city index is
// the same at all nodes, so that a screen goes on where another node stopped.
func TestLive_ResumedAtAnotherNode_GivesWhatChangedMeanwhile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startFleet(t)
	before := f.report(f.stationURL(), here)
	first := f.follow(f.coreURL(0), identity.CommandOfficer, "0")
	f.wait("an event of the report", func() bool { _, ok := first.find(about(before)); return ok })
	f.wait("the report is routed there", func() bool { // its last event
		a := f.call(f.as(f.coreURL(0), identity.Auditor), "GET", f.coreURL(0)+"/api/v1/digest", nil)
		var d struct{ Index json.Number }
		f.into(a, &d)
		return d.Index.String() == first.lastID()
	})
	from := first.lastID()
	f.stop["core-1"]()
	f.wait("the stream ends with its node", func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.ended })
	var ids []string
	for range 3 {
		ids = append(ids, f.report(f.stationURL(), here))
	}
	second := f.follow(f.coreURL(1), identity.CommandOfficer, from)
	for _, id := range ids {
		f.wait("an event of "+id, func() bool { _, ok := second.find(about(id)); return ok })
	}
	if e, ok := second.find(func(e event) bool { return e.Name == "reset" || e.ID != "" && e.Data.Index < first.index() }); ok {
		t.Errorf("resumed after %s and got %+v", from, e)
	}
	f.startCore(0)
	f.ready(f.coreURL(0))
	third := f.follow(f.coreURL(0), identity.CommandOfficer, from)
	for _, id := range ids {
		f.wait("an event of "+id+" at the node that is back", func() bool { _, ok := third.find(about(id)); return ok })
	}
}

// index is the largest index among the events.
func (l *follower) index() (n uint64) {
	for _, e := range l.all() {
		if e.Name == "incident" {
			n = max(n, e.Data.Index)
		}
	}
	return n
}

// TestLive_StationRestarted_ResumesAndShowsTheLine: a ward desk loses its stream
// with the station, and comes back to it with the city cut off.
func TestLive_StationRestarted_ResumesAndShowsTheLine(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startFleet(t)
	f.report(f.stationURL(), here)
	desk := f.follow(f.stationURL(), identity.WardOfficer, "")
	f.wait("a heartbeat with the line up", func() bool {
		_, ok := desk.find(func(e event) bool { return e.Name == "heartbeat" && e.Data.Line.State == "connected" && e.ID == "" })
		return ok
	})
	during := f.report(f.stationURL(), here)
	f.wait("an event", func() bool { _, ok := desk.find(about(during)); return ok })
	f.stop["station"]()
	f.wait("the stream ends with the station", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return desk.ended })
	from := desk.lastID()
	meanwhile := f.report(f.coreURL(0), here) // comes by the downlink
	f.startStation()
	after := f.report(f.stationURL(), here)
	again := f.follow(f.stationURL(), identity.WardOfficer, from)
	for _, id := range []string{meanwhile, after} {
		f.wait("an event of "+id, func() bool { _, ok := again.find(about(id)); return ok })
	}
	if e, ok := again.find(func(e event) bool { return e.Name == "incident" && e.Data.Index < desk.index() }); ok {
		t.Errorf("resumed after %s and got what was before: %+v", from, e)
	}
	for i := range f.cores {
		f.stop[f.cores[i].ID]()
	}
	f.wait("a heartbeat with the line cut", func() bool {
		_, ok := again.find(func(e event) bool { return e.Name == "heartbeat" && e.Data.Line.State == "cut" })
		return ok
	})
	alone := f.report(f.stationURL(), here)
	f.wait("an event with the line cut", func() bool { _, ok := again.find(about(alone)); return ok })
	other := f.follow(f.stationURL(), identity.WardOfficer, "999999999")
	f.wait("a position that is not of this log resets", func() bool {
		e, ok := other.find(func(event) bool { return true })
		return ok && e.Name == "reset" && e.ID != ""
	})
}
