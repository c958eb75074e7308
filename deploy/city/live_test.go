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
				if err := json.Unmarshal([]byte(v), &e.Data); err != nil {
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
		return strings.Count(string(f.call(auditor, "GET", f.coreURL(0)+"/api/v1/entries?limit=1000", nil).body), `"suggested"`) >= 3
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
