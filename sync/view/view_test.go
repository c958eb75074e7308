package view

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// memory is a log in memory: the wire of this test, not its subject.
type memory struct {
	mu      sync.Mutex
	rows    []Committed
	changed chan struct{}
	asked   int // for the bodies of an incident
}

func (m *memory) add(b record.Body) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, Committed{uint64(len(m.rows) + 1), b})
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) Position() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return uint64(len(m.rows)) }

func (m *memory) Changed() <-chan struct{} { m.mu.Lock(); defer m.mu.Unlock(); return m.changed }

func (m *memory) After(pos uint64, limit int) ([]Committed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Committed(nil), m.rows[pos:min(int(pos)+limit, len(m.rows))]...), nil
}

func (m *memory) Bodies(id record.ID) (out []record.Body, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	for _, r := range m.rows {
		if r.Body.Incident == id || slices.Contains(r.Body.Payload.Incidents, id) {
			out = append(out, r.Body)
		}
	}
	return out, nil
}

func start(t testing.TB, dir string, m *memory) (*View, func()) {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(db, m, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	return v, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func opened(n int) record.Body {
	id := record.DerivedID("v", []byte(fmt.Sprint(n)))
	return record.Body{ID: record.DerivedID("r", id[:]), Incident: id, Kind: record.KindReport, Origin: "core", ReceivedAt: int64(1000 + n),
		HLC: record.HLC(n), Payload: record.Payload{Report: id, Category: record.Fire}}
}

func list(t testing.TB, v *View, m *memory, q Query) Page {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := v.CatchUp(ctx, m.Position()); err != nil {
		t.Fatal(err)
	}
	p, err := v.List(q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestView_Pages_GiveEveryIncidentOnce_NewestFirst_AlsoAfterRestart(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	dir := t.TempDir()
	v, stop := start(t, dir, m)
	for n := range 700 {
		m.add(opened(n))
	}
	list(t, v, m, Query{Limit: 1})
	stop()
	m.add(opened(700))
	v, stop = start(t, dir, m)
	defer stop()
	seen := map[record.ID]bool{}
	last := int64(1 << 60)
	q := Query{Limit: 64}
	for {
		p := list(t, v, m, q)
		for _, r := range p.Rows {
			if seen[r.ID] || r.ReceivedAt > last {
				t.Fatalf("%s comes again or out of order", r.ID)
			}
			seen[r.ID], last = true, r.ReceivedAt
		}
		if p.Next == nil {
			break
		}
		q.Cursor = p.Next
	}
	if len(seen) != 701 {
		t.Fatalf("%d of 701 incidents", len(seen))
	}
}

func TestView_ClosedIncident_LeavesTheOpenList(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	v, stop := start(t, t.TempDir(), m)
	defer stop()
	a, b := opened(1), opened(2)
	m.add(a)
	m.add(b)
	if p := list(t, v, m, Query{Status: "open", Limit: 10}); len(p.Rows) != 2 {
		t.Fatalf("%+v", p.Rows)
	}
	m.add(record.Body{ID: record.ID{9}, Incident: a.Incident, Kind: record.KindClose, Origin: "core", HLC: 50, Deps: []record.ID{a.ID},
		Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.Command}})
	if p := list(t, v, m, Query{Status: "open", Limit: 10}); len(p.Rows) != 1 || p.Rows[0].ID != b.Incident {
		t.Fatalf("%+v", p.Rows)
	}
	if p := list(t, v, m, Query{Status: "closed", Limit: 10}); len(p.Rows) != 1 || p.Rows[0].ID != a.Incident {
		t.Fatalf("%+v", p.Rows)
	}
	if _, err := v.List(Query{Cursor: []byte("x"), Limit: 1}); err == nil {
		t.Fatal("nonsense was taken for a cursor")
	}
}

func TestView_FloodOfNewIncidents_ReadsTheLogOnce_AndFoldsAllOfEach(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	dir := t.TempDir()
	for n := range 2 * batch {
		b := opened(n)
		m.rows = append(m.rows, Committed{uint64(2*n + 1), b}, Committed{uint64(2*n + 2), record.Body{ID: record.DerivedID("c", b.ID[:]), Incident: b.Incident,
			Kind: record.KindRouted, Origin: "core", HLC: b.HLC + 1, Deps: []record.ID{b.ID}, Payload: record.Payload{Report: b.Incident, Lead: "PC07"}}})
	}
	v, stop := start(t, dir, m)
	defer stop()
	p := list(t, v, m, Query{Unit: "PC07", Limit: 3 * batch})
	if len(p.Rows) != 2*batch || m.asked != 0 {
		t.Fatalf("%d of %d incidents with their lead; the log was asked %d times for what had come", len(p.Rows), 2*batch, m.asked)
	}
	m.add(record.Body{ID: record.ID{9}, Incident: p.Rows[0].ID, Kind: record.KindClassify, Origin: "core", HLC: 1 << 40,
		Deps:  []record.ID{m.rows[len(m.rows)-1].Body.ID},
		Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.Command}, Payload: record.Payload{Category: record.Medical}})
	if p = list(t, v, m, Query{Limit: 1}); p.Rows[0].Category != record.Medical || p.Rows[0].Lead != "PC07" || m.asked != 1 {
		t.Fatalf("%+v after %d readings", p.Rows[0], m.asked)
	}
}

// TestView_StormAboutOneEvent_IsNotFoldedAgain: suggestions and missed deadlines
// change nothing that a row shows but who was told; the row is what a fold gives.
func TestView_StormAboutOneEvent_IsNotFoldedAgain(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	v, stop := start(t, t.TempDir(), m)
	defer stop()
	a := opened(1)
	m.add(a)
	list(t, v, m, Query{Limit: 1})
	for n := range 50 {
		kind := record.KindSuggested
		if n%2 == 0 {
			kind = record.KindMissed
		}
		m.add(record.Body{ID: record.DerivedID("q", []byte{byte(n)}), Incident: a.Incident, Kind: kind, Origin: "core", HLC: record.HLC(100 + n),
			Payload: record.Payload{Step: "claim", Reason: "near_same_kind", Incidents: []record.ID{opened(2).Incident}}})
		list(t, v, m, Query{Limit: 1})
	}
	got := list(t, v, m, Query{Limit: 1}).Rows[0]
	if m.asked != 0 {
		t.Errorf("folded again %d times", m.asked)
	}
	bodies, err := m.Bodies(a.Incident)
	if err != nil {
		t.Fatal(err)
	}
	got.begun = 0
	if want := RowOf(record.Fold(a.Incident, bodies), m.Position()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("row  %+v\nfold %+v", got, want)
	}
}
