package search

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"wardline/sync/record"
	"wardline/sync/view"
)

// logbook is a log in memory with its sealed parts' keys: the wire of these tests, not
// their subject.
type logbook struct {
	mu      sync.Mutex
	rows    []view.Committed
	of      map[record.ID][]int
	keys    map[record.KeyID]record.PartKey
	changed chan struct{}
}

func newLog() *logbook {
	return &logbook{of: map[record.ID][]int{}, keys: map[record.KeyID]record.PartKey{}, changed: make(chan struct{})}
}

func (l *logbook) Position() uint64 { l.mu.Lock(); defer l.mu.Unlock(); return uint64(len(l.rows)) }

func (l *logbook) Changed() <-chan struct{} { l.mu.Lock(); defer l.mu.Unlock(); return l.changed }

func (l *logbook) After(pos uint64, limit int) ([]view.Committed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows[pos:min(int(pos)+limit, len(l.rows))]), nil
}

func (l *logbook) Entries(id record.ID) (out []Entry, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.of[id] {
		out = append(out, Entry{l.rows[i].Position, l.rows[i].Body})
	}
	return out, nil
}

func (l *logbook) Open(_ uint64, s *record.Sealed) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.keys[s.Key]
	if !ok {
		return nil, record.ErrSealed
	}
	return s.Open(k)
}

// forget destroys every key.
func (l *logbook) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.keys)
}

// add commits an entry; sealed is its sealed part, or nil.
func (l *logbook) add(b record.Body, sealed any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sealed != nil {
		plain, err := json.Marshal(sealed)
		if err != nil {
			panic(err)
		}
		s, k, err := record.Seal(plain)
		if err != nil {
			panic(err)
		}
		b.Payload.Sealed, l.keys[s.Key] = &s, k
	}
	l.rows = append(l.rows, view.Committed{Position: uint64(len(l.rows) + 1), Body: b})
	l.of[b.Incident] = append(l.of[b.Incident], len(l.rows)-1)
	close(l.changed)
	l.changed = make(chan struct{})
}

func incident(n int) record.ID { return record.DerivedID("incident", fmt.Append(nil, n)) }

type said struct {
	Text      string            `json:"text,omitempty"`
	Summary   string            `json:"summary,omitempty"`
	PlaceText string            `json:"place_text,omitempty"`
	Reporter  map[string]string `json:"reporter,omitempty"`
}

// report commits a report about incident n, received at second n.
func (l *logbook) report(n int, s said, told ...record.UnitID) record.ID {
	id := incident(n)
	l.add(record.Body{ID: record.DerivedID("r", id[:]), Incident: id, Kind: record.KindReport, Origin: record.CoreOrigin, HLC: record.HLC(n + 1), ReceivedAt: int64(n) * 1000,
		Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"}, Payload: record.Payload{Report: id, Category: record.Security}}, s)
	if len(told) > 0 {
		l.add(record.Body{ID: record.DerivedID("routed", id[:]), Incident: id, Kind: record.KindRouted, Origin: record.CoreOrigin, HLC: record.HLC(n + 2),
			Payload: record.Payload{Report: id, Lead: told[0], Told: told, Priority: 2}}, nil)
	}
	return id
}

// officer commits an officer's entry.
func (l *logbook) officer(id record.ID, kind record.Kind, p record.Payload, sealed any) record.ID {
	entry := record.DerivedID("entry", id[:], fmt.Append(nil, l.Position()))
	l.add(record.Body{ID: entry, Incident: id, Kind: kind, Origin: record.CoreOrigin, HLC: record.HLC(1_000_000 + l.Position()), Deps: nil,
		Actor: record.Actor{Kind: record.ByOfficer, Name: "lan", Unit: record.Command}, Payload: p}, sealed)
	return entry
}

// start runs an index over the log.
func start(t testing.TB, l *logbook, dir string, key [32]byte) *Index {
	t.Helper()
	x := New(Options{Dir: dir, Log: l, Key: func() ([32]byte, error) { return key, nil }, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return x
}

// level waits until the index has all of the log.
func level(t testing.TB, x *Index, l *logbook) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	x.CatchUp(ctx, l.Position())
	for x.State().Word != "ready" {
		if ctx.Err() != nil {
			t.Fatalf("%+v", x.State())
		}
		time.Sleep(time.Millisecond)
	}
}

// find gives what a question finds and what stands after each was read anew, as an answer does.
func find(t testing.TB, x *Index, l *logbook, q Query) (out []record.ID) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	for {
		p, err := x.Search(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range p.IDs {
			entries, err := l.Entries(id)
			if err != nil {
				t.Fatal(err)
			}
			var bodies []record.Body
			for _, e := range entries {
				bodies = append(bodies, e.Body)
			}
			if _, ok := q.Match(id, Fields(record.Fold(id, bodies), entries, l.Open)); ok {
				out = append(out, id)
			}
		}
		if p.Next == nil {
			return out
		}
		q.Cursor = p.Next
	}
}
