package fsm

import (
	"testing"

	"wardline/sync/record"
)

// restarted applies entries at one node, and at another that restarts after half of them;
// both must have concluded the same. It gives the first one.
func restarted(t *testing.T, entries []LogEntry, half int) *Machine {
	t.Helper()
	a, dir := open(t), t.TempDir()
	b := mustOpen(t, dir)
	if _, err := a.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ApplyBatch(entries[:half]); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = mustOpen(t, dir)
	defer func() { _ = b.Close() }()
	if _, err := b.ApplyBatch(entries[half:]); err != nil {
		t.Fatal(err)
	}
	da, err1 := a.Digest()
	db, err2 := b.Digest()
	if err1 != nil || err2 != nil || da != db {
		t.Fatalf("a restart made a difference: %+v %+v %v %v", da, db, err1, err2)
	}
	return a
}

// TestMachine_CrowdAtOnePlace_NoIncidentGrowsWithIt: many people report one fire.
// Each report names a few others, all hang together, and no history grows with the
// crowd: an apply that costs the square of a crowd stops the city. A node that
// restarts in the middle concludes the same.
func TestMachine_CrowdAtOnePlace_NoIncidentGrowsWithIt(t *testing.T) {
	const crowd, half = 600, 300
	w := &writer{inc: 7}
	var l log
	for n := range crowd {
		l.add(batchOf(w.entry(report(station, n, 1))))
	}
	a := restarted(t, l.entries, half)
	rows, err := a.After(0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	named, alone := map[record.ID]int{}, crowd
	linked := map[record.ID]bool{}
	for _, r := range rows {
		if r.Listed != record.KindSuggested {
			continue
		}
		named[r.Body.Payload.Incidents[0]]++
		if !linked[r.Body.Incident] {
			linked[r.Body.Incident] = true
			alone--
		}
	}
	if alone != 1 { // the first
		t.Errorf("%d reports of a crowd name no other", alone)
	}
	for id, n := range named {
		if n > maxNamed {
			t.Errorf("incident %s is named %d times, at most %d", id, n, maxNamed)
		}
	}
}

// TestMachine_StationsOwnSuggestions_ARestartMakesNoDifference: only what the city
// named itself counts towards maxNamed, also in a window that is read from the log.
func TestMachine_StationsOwnSuggestions_ARestartMakesNoDifference(t *testing.T) {
	w := &writer{inc: 7}
	first := report(station, 1, 1)
	var l log
	l.add(batchOf(w.entry(first)))
	for n := range byte(maxNamed) {
		l.add(batchOf(w.entry(&record.Body{ID: record.DerivedID("suggested", []byte{n}), Incident: record.DerivedID("other", []byte{n}), Kind: record.KindSuggested,
			Origin: station, ReceivedAt: first.ReceivedAt, Payload: record.Payload{Reason: "near_same_kind", Incidents: []record.ID{first.Incident}}})))
	}
	half := len(l.entries)
	l.add(batchOf(w.entry(report(station, 2, 1))))
	restarted(t, l.entries, half)
}
