package view

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

func TestRow_Encoded_IsReadAsItWas_AndDamagedIsRefused(t *testing.T) {
	r := Row{Position: 9, Status: "claimed", Open: true, Cancelled: true, Suggested: true, Category: record.Fire, Priority: 1, ReceivedAt: 1700000000000, Lead: "ward/26704",
		Told:      []Told{{"PC07", record.Told, ""}, {"ward/26704", record.Accepted, "lan"}},
		Conflicts: 2, Verdict: "true:seen", Device: "app-1", Place: record.Place{LatE7: -107000000, LonE7: 1067000000, AccuracyCM: 1250, FixedAt: 5},
		Deadlines: []record.Deadline{{Step: "claim", At: 1700000060000}}, ParkedUntil: 1700000600000, Merged: []record.ID{{1}, {2}}}
	b := r.append(nil)
	var got Row
	if err := got.decode(b); err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%v\n%+v\n%+v", err, got, r)
	}
	for n := range b {
		var cut Row
		_ = cut.decode(b[:n]) // whatever it says, it must not panic
	}
	b[0]++
	if err := got.decode(b); err == nil {
		t.Error("a row of another form was read")
	}
}

func FuzzRow(f *testing.F) {
	f.Add((&Row{Told: []Told{{Unit: "command"}}, Merged: []record.ID{{1}}}).append(nil))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var r Row
		_ = r.decode(b)
	})
}

func TestView_OfAnotherForm_IsBuiltAgain(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	m.add(opened(1))
	dir := filepath.Join(t.TempDir(), "db")
	v, stop := start(t, dir, m)
	list(t, v, m, Query{Limit: 1})
	stop()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *badger.Txn) error { return tx.Set(keyForm, []byte{rowVersion - 1}) })
	if err != nil {
		t.Fatal(err)
	}
	v, err = New(db, m, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if v.Position() != 0 {
		t.Errorf("kept rows of another form, up to %d", v.Position())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	v, stop = start(t, dir, m)
	defer stop()
	if rows := list(t, v, m, Query{Limit: 5}).Rows; len(rows) != 1 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestView_Source_CountsWhatBecameOfADevicesReports(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	v, stop := start(t, t.TempDir(), m)
	defer stop()
	for n, verdict := range []string{"false:prank", "false:test", "true:seen", ""} {
		b := opened(n)
		b.Actor = record.Actor{Kind: record.ByDevice, Name: "app-1"}
		m.add(b)
		if verdict == "" {
			continue
		}
		m.add(record.Body{ID: record.DerivedID("w", []byte(fmt.Sprint(n))), Incident: b.Incident, Kind: record.KindVerify, Origin: "core", HLC: record.HLC(100 + n), Deps: []record.ID{b.ID},
			Actor: record.Actor{Kind: record.ByOfficer, Name: "lan", Unit: record.Command}, Payload: record.Payload{Reason: verdict}})
	}
	other := opened(9)
	other.Actor = record.Actor{Kind: record.ByDevice, Name: "app-10"} // begins with the other's name
	m.add(other)
	if err := v.CatchUp(context.Background(), m.Position()); err != nil {
		t.Fatal(err)
	}
	h, err := v.Source("app-1")
	want := History{Reports: 4, Verdicts: map[string]int{"false:prank": 1, "false:test": 1, "true:seen": 1, "": 1}, Last: 1003}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%+v %v, want %+v", h, err, want)
	}
}
