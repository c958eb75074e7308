package fsm

import (
	"testing"

	"wardline/sync/record"
)

// A station that lost what it had sent routes alone what is offered to it again: under the
// same id, at another time. The city lists that as a repeat, and whoever was told of the
// first is told of it too, because the fold chooses between the two.
func TestMachine_StationRoutedAlone_Twice_IsListedAsARepeat(t *testing.T) {
	for _, apart := range []bool{false, true} { // in one transaction, and after a start
		dir := t.TempDir()
		m := mustOpen(t, dir)
		r := report(station, 1, 1)
		alone := func(hlc record.HLC) *record.Body {
			return &record.Body{ID: record.DerivedID("routed-alone", r.Incident[:], []byte(station)), Incident: r.Incident, Kind: record.KindRouted, Origin: station, Deps: []record.ID{r.ID},
				HLC: hlc, ReceivedAt: now, Payload: record.Payload{Report: r.Incident, Lead: record.WardUnit("26704"), Told: []record.UnitID{record.WardUnit("26704"), record.WardUnit("26740")}}}
		}
		w, again := &writer{inc: 7}, &writer{inc: 8}
		first, second := batchOf(w.entry(r), w.entry(alone(r.HLC+1))), batchOf(again.entry(r), again.entry(alone(r.HLC+9)))
		if apart {
			do(t, m, first)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = mustOpen(t, dir)
			do(t, m, second)
		} else if _, err := m.ApplyBatch([]LogEntry{{Index: 1, Term: 1, Items: [][]byte{first, second}}}); err != nil {
			t.Fatal(err)
		}
		rows, err := m.After(0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var at []uint64
		for _, x := range rows {
			if x.Body.ID == alone(0).ID {
				at = append(at, x.Index)
				if want := map[int]record.Kind{1: record.KindRouted, 2: record.KindRepeat}[len(at)]; x.Listed != want || x.Listed == record.KindRepeat && x.First != at[0] {
					t.Errorf("apart %v: its routing %d is listed as %v of %d", apart, len(at), x.Listed, x.First)
				}
			}
		}
		if len(at) != 2 {
			t.Fatalf("apart %v: %d routings of its own", apart, len(at))
		}
		out, _, err := m.Outbox("26740", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		told := false
		for _, x := range out {
			for _, ref := range x.Refs {
				told = told || ref.Index == at[1]
			}
		}
		if !told {
			t.Errorf("apart %v: the ward that has the first is not told of the second: %+v", apart, out)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
