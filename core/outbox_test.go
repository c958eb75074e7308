package core

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

// alone is a cluster of one that commits at once.
type alone struct {
	t *testing.T
	m *fsm.Machine
	n uint64
}

func (a *alone) Propose(_ context.Context, _ cluster.Lane, item []byte) (fsm.Result, error) {
	a.n++
	out, err := a.m.ApplyBatch([]fsm.LogEntry{{Index: a.n, Term: 1, Items: [][]byte{item}}})
	if err != nil {
		return fsm.Result{}, err
	}
	return fsm.DecodeResult(out[0][0])
}

func (a *alone) ReadIndex(context.Context) error { return nil }

func newLine(t *testing.T) (outbox, *alone) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	m, err := fsm.Open(fsm.Options{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := sealing.OpenKeyring(filepath.Join(t.TempDir(), "k"))
	if err != nil {
		t.Fatal(err)
	}
	a := &alone{t: t, m: m}
	return outbox{NewLine(LineDeps{ID: "core-1", Machine: m, Keys: keys, Cluster: a, Wall: time.Now, Log: log, Clock: record.NewClock(0, time.Now)})}, a
}

const outOrigin = record.Origin("ward-26704")

// stationEntries appends n entries with bodies of some size to a station's chain.
func (a *alone) stationEntries(n, size int) {
	a.t.Helper()
	var prev record.Hash
	for seq := 1; seq <= n; seq++ {
		id := record.DerivedID("out", []byte{byte(seq), byte(seq >> 8)})
		b := record.Body{ID: id, Incident: id, Kind: record.KindReport, Origin: outOrigin, HLC: record.HLC(seq), ReceivedAt: 5,
			Payload: record.Payload{Report: id, Category: record.Fire, Ward: "26704", Data: make([]byte, size)}}
		raw, err := b.Encode()
		if err != nil {
			a.t.Fatal(err)
		}
		e := record.Entry{Link: record.Link{Origin: outOrigin, Incarnation: 7, Lane: record.Urgent, Seq: record.Seq(seq), HLC: b.HLC, Prev: prev}, Body: raw}
		prev = e.Hash()
		if r, err := a.Propose(context.Background(), cluster.Urgent, fsm.Batch(e.Append(nil), nil)); err != nil || r.Status != fsm.OK {
			a.t.Fatal(r, err)
		}
	}
}

func TestOutbox_Parts_AreBounded_AndNothingIsLeftOut(t *testing.T) {
	x, a := newLine(t)
	a.stationEntries(100, 40<<10)
	seen := 0
	err := x.Missing(t.Context(), outOrigin, nil, session(t), func(p downlink.Part) error {
		size := 0
		for _, e := range p.Entries {
			size += len(e.Raw)
		}
		if size > partBytes+record.MaxBody {
			t.Errorf("a part of %d bytes", size)
		}
		seen += len(p.Entries)
		return nil
	})
	if err != nil || seen != 100 {
		t.Fatalf("%d entries of 100: %v", seen, err)
	}
}

func TestOutbox_Open_ResyncsACursorThatIsOldOrOfAnotherHash(t *testing.T) {
	x, a := newLine(t)
	ctx := t.Context()
	open := func(c downlink.Cursor) bool {
		t.Helper()
		resync, err := x.Open(ctx, outOrigin, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resync
	}
	if !open(downlink.Cursor{}) {
		t.Fatal("a station that comes for the first time needs what is in effect")
	}
	a.stationEntries(10, 10)
	rows, st, err := a.m.Outbox("26704", 0, 100)
	if err != nil || len(rows) < 10 {
		t.Fatal(len(rows), err)
	}
	at := func(i int) downlink.Cursor { return downlink.Cursor{Seq: rows[i].Seq, Hash: rows[i].Hash} }
	for _, c := range []downlink.Cursor{{}, at(0), at(5), {Seq: st.Head, Hash: st.Hash}} {
		if open(c) {
			t.Errorf("cursor %d is as it should be, and was resynced", c.Seq)
		}
	}
	if !open(downlink.Cursor{Seq: rows[5].Seq, Hash: record.Hash{1}}) || !open(downlink.Cursor{Seq: st.Head, Hash: record.Hash{1}}) {
		t.Error("another hash was not resynced")
	}
	if !open(downlink.Cursor{Seq: st.Head + 1}) {
		t.Error("a cursor from the future was not resynced")
	}
	if err := x.Taken(ctx, outOrigin, at(5)); err != nil {
		t.Fatal(err)
	}
	if !open(at(3)) {
		t.Error("a cursor older than what was acknowledged was not resynced")
	}
	if open(at(5)) {
		t.Error("the cursor that was acknowledged was resynced")
	}
	// A twin acknowledged them while our stream stood before: skipping them
	// would lose them.
	_, err = x.Next(ctx, outOrigin, at(3), session(t), func(downlink.Part) error { return nil })
	if !errors.Is(err, errTaken) {
		t.Errorf("rows that another line acknowledged were skipped: %v", err)
	}
	got, err := x.Next(ctx, outOrigin, at(5), session(t), func(downlink.Part) error { return nil })
	if err != nil || got.Seq != st.Head || got.Hash != st.Hash {
		t.Errorf("the rest: %+v %v", got, err)
	}
}

// session is a key as a stream agrees it.
func session(t *testing.T) *record.Wrapper {
	t.Helper()
	w, err := record.NewWrapper([8]byte{1}, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return w
}
