package fsm

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// raftEntry is the size of the largest Raft entry (core/cluster, maxEntryBytes).
const raftEntry = 256 << 10

// everyWard is all wards of the city, as units.
func everyWard() []record.UnitID {
	var out []record.UnitID
	for i := range routing.Centres().Len() {
		out = append(out, record.WardUnit(routing.Centres().At(i).Code))
	}
	return out
}

// fillUp makes one batch of as many entries as fit into a Raft entry.
func fillUp(w *writer, size int, next func(n int) *record.Body) (item []byte, n int) {
	var list []record.Entry
	for total := 0; ; n++ {
		was := *w
		e := w.entry(next(n))
		if total += len(e.Append(nil)); total > size {
			*w = was
			return batchOf(list...), n
		}
		list = append(list, e)
	}
}

// worst is a log that draws as many rows out of one Raft entry as can be: tiny
// notes on an incident that all wards were told of, tiny reports that all look
// like the same event, merges of hundreds of incidents, acknowledgements of full outboxes.
func worst(size int) []LogEntry {
	var l log
	w := &writer{inc: 7}
	id := report(station, 1, 1).Incident
	told := record.Body{ID: record.DerivedID("told"), Incident: id, Kind: record.KindRouted, Origin: station, Payload: record.Payload{Lead: everyWard()[0], Told: everyWard()}}
	l.add(batchOf(w.entry(report(station, 1, 1)), w.entry(&told)))
	note := func(n int) *record.Body {
		return &record.Body{ID: record.DerivedID("note", fmt.Append(nil, n)), Incident: id, Kind: record.KindSignal, Origin: station}
	}
	item, _ := fillUp(w, size, note)
	l.add(item)
	item, n := fillUp(w, size, func(n int) *record.Body { return report(station, 1000+n, 1) })
	l.add(item)
	var acks [][]byte
	for range 2 * 168 {
		acks = append(acks, DownAck(routing.Centres().At(len(acks)%168).Code, record.Seq(1<<40)))
	}
	l.add(acks...)
	var ticks [][]byte
	for i := range 16 {
		ticks = append(ticks, Tick(now+int64(i)*5000))
	}
	l.add(ticks...)
	var all []record.ID
	for i := range min(n, 512) {
		all = append(all, report(station, 1000+i, 1).Incident)
	}
	item, _ = fillUp(w, size, func(n int) *record.Body {
		return &record.Body{ID: record.DerivedID("merge", fmt.Append(nil, n)), Incident: id, Kind: record.KindMerge, Origin: station,
			Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.WardUnit("26704")}, Payload: record.Payload{Incidents: all}}
	})
	l.add(item)
	return l.entries
}

func TestMachine_LargestRaftEntry_WorstRows_NeverExceedsATransaction(t *testing.T) {
	m := open(t)
	size := raftEntry / 3 // still far more than one transaction takes
	if os.Getenv("WARDLINE_LONG") != "" {
		size = raftEntry - 64
	}
	for _, e := range worst(size) {
		before, began := m.CityIndex(), time.Now()
		if _, err := m.ApplyBatch([]LogEntry{e}); err != nil {
			t.Fatal(err)
		}
		t.Logf("entry %d: %d commands, %d entries of the city, %s", e.Index, len(e.Items), m.CityIndex()-before, time.Since(began).Round(time.Millisecond))
	}
}

// A crash between two transactions of one Raft entry: what was committed
// stays, the rest is applied when the entry comes again, and no row tells the difference.
func TestMachine_KilledWithinARaftEntry_GoesOnWhereItWas(t *testing.T) {
	entries := worst(64 << 10)[:3]
	whole := open(t)
	if _, err := whole.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m := mustOpen(t, dir)
	for _, e := range entries {
		for kill := 0; ; kill++ {
			b := m.begin()
			before, turns := *m.meta.Load(), 0
			out, err := b.entry(e)
			if err != nil {
				t.Fatal(err)
			}
			b.discard() // killed: what no transaction has taken is gone
			if now := *m.meta.Load(); now != before {
				turns++
			}
			if len(out) != len(e.Items) {
				t.Fatalf("%d results for %d commands", len(out), len(e.Items))
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = mustOpen(t, dir)
			if applied, _ := m.Applied(); applied >= e.Index {
				t.Fatalf("entry %d counts as applied before it is", e.Index)
			}
			if turns == 0 || kill > 2 {
				break
			}
		}
		if _, err := m.ApplyBatch([]LogEntry{e}); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = m.Close() }()
	a, err1 := whole.Digest()
	b, err2 := m.Digest()
	if a != b || err1 != nil || err2 != nil {
		t.Fatalf("%+v %+v %v %v", a, b, err1, err2)
	}
}

// Rules take effect at their place in the log, wherever transactions end.
func TestMachine_RulesAndReportInOneBatch_RoutedAsIfApart(t *testing.T) {
	r := routing.DefaultRules()
	r.Version = 3
	fire := r.Categories[record.Fire]
	fire.Departments = []record.UnitID{"PC99"}
	r.Categories[record.Fire] = fire
	data, err := routing.MarshalRules(r)
	if err != nil {
		t.Fatal(err)
	}
	rules := record.Body{ID: record.DerivedID("rules"), Kind: record.KindRules, Origin: record.CoreOrigin, Payload: record.Payload{Rules: 3, Data: data}}
	var l log
	l.add(Body(encode(t, &rules), nil), Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	l.add(Body(encode(t, report(record.CoreOrigin, 2, 1)), nil))
	one, apart := open(t), open(t)
	if _, err := one.ApplyBatch(l.entries); err != nil {
		t.Fatal(err)
	}
	var again log
	for _, e := range l.entries {
		for _, item := range e.Items {
			again.add(item)
		}
	}
	for _, e := range again.entries {
		if _, err := apart.ApplyBatch([]LogEntry{e}); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := one.Digest()
	b, _ := apart.Digest()
	if a != b {
		t.Fatalf("%+v %+v", a, b)
	}
	rows, err := one.Incident(report(station, 1, 1).Incident)
	if err != nil || len(rows) < 2 || !slices.Contains(rows[1].Body.Payload.Told, "PC99") {
		t.Fatalf("%+v %v", rows, err)
	}
}

// What was in memory goes with the rows: an emptied machine that is given the
// log again is like a new one.
func TestMachine_Reset_ForgetsWhatWasInMemory(t *testing.T) {
	entries := worst(2 << 10)[:3]
	a, b := open(t), open(t)
	for _, m := range []*Machine{a, b} {
		if _, err := m.ApplyBatch(entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	da, _ := a.Digest()
	db, _ := b.Digest()
	if da != db {
		t.Fatalf("%+v %+v", da, db)
	}
}
