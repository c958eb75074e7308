package view

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/tables"
)

func openLate(t *testing.T, dir string, m *memory) (*View, func()) {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	o, err := tables.NewOrdered(db)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(db, m, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	v.Late(o.Commit)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	return v, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		o.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// grown is a log of the first n incidents.
func grown(n int) *memory {
	m := &memory{changed: make(chan struct{})}
	for i := range n {
		m.add(opened(i))
	}
	return m
}

// A power cut takes less of the lists than of the state: the state comes again.
func TestView_LogThatCameBackShorter_IsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	v, stop := openLate(t, dir, grown(30))
	list(t, v, grown(30), Query{Limit: 1})
	stop()
	m := grown(10)
	v, stop = openLate(t, dir, m)
	defer stop()
	for i := 10; i < 40; i++ {
		m.add(opened(i))
		if v.Position() < 30 {
			t.Fatalf("at %d of %d: it is built again", v.Position(), i)
		}
	}
	if p := list(t, v, m, Query{Limit: 100}); len(p.Rows) != 40 {
		t.Errorf("%d of 40 incidents", len(p.Rows))
	}
}

func TestView_LateViewOfAnotherLog_IsBuiltAgain(t *testing.T) {
	dir := t.TempDir()
	v, stop := openLate(t, dir, grown(30))
	list(t, v, grown(30), Query{Limit: 1})
	stop()
	m := &memory{changed: make(chan struct{})}
	v, stop = openLate(t, dir, m)
	defer stop()
	for i := range 35 {
		m.add(opened(1000 + i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := v.CatchUp(ctx, 35); err != nil {
		t.Fatal(err)
	}
	p := list(t, v, m, Query{Limit: 100})
	for _, r := range p.Rows {
		if r.ReceivedAt < 2000 {
			t.Fatalf("%s is of the other log", r.ID)
		}
	}
	if len(p.Rows) != 35 {
		t.Errorf("%d of 35 incidents", len(p.Rows))
	}
}
