package ledger

import (
	"slices"
	"sync"
	"testing"

	"wardline/sync/record"
)

func routedBody(report *record.Body) *record.Body {
	return &record.Body{ID: record.DerivedID("routed-alone", report.ID[:]), Incident: report.Incident, Kind: record.KindRouted, Origin: origin,
		Deps: []record.ID{report.ID}, HLC: report.HLC, Payload: record.Payload{Report: report.Incident, Lead: "ward/26704"}}
}

// flood submits reports all at once and waits for them; those of which routed is true have their
// routing behind them, and each has a key of its own.
func flood(t testing.TB, l *Ledger, from, to int, routed func(i int) bool) {
	t.Helper()
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		body := reportBody(l, reportID(i))
		body.Payload.Sealed = &record.Sealed{Key: keyOf(i), Ciphertext: make([]byte, 1+i%3000)}
		a := Append{Lane: record.Routine, Body: body, Keys: []record.WrappedKey{{Key: keyOf(i), Blob: make([]byte, 60)}}, Once: &Once{ID: reportID(i), Fingerprint: record.Hash{1}}}
		if routed(i) {
			a.Behind = routedBody(&body)
		}
		wg.Add(1)
		l.Submit(a, func(_ Result, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
}

func keyOf(i int) record.KeyID {
	return record.KeyID(record.DerivedID("key", []byte{byte(i), byte(i >> 8)}))
}

func kinds(t testing.TB, l *Ledger, i int) (out []record.Kind) {
	t.Helper()
	rows, err := l.Incident(reportID(i))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[record.ID]bool{}
	for _, r := range rows {
		if !seen[r.Body.ID] {
			out = append(out, r.Body.Kind)
		}
		seen[r.Body.ID] = true
	}
	slices.Sort(out)
	return out
}

func TestLedger_RoutingBehindAReport_IsThereOnceAndNotAskedForAgain(t *testing.T) {
	const reports = 900 // several blocks
	odd := func(i int) bool { return i%2 == 1 }
	l := mustOpen(t, t.TempDir())
	flood(t, l.Ledger, 0, reports, odd)
	flood(t, l.Ledger, 0, reports, odd) // all of them again
	if n := checkChains(t, l.Ledger); n != reports*3/2 {
		t.Fatalf("%d entries", n)
	}
	var unrouted []record.ID
	for pos := uint64(0); pos < l.Position(); {
		rows, next, err := l.Unrouted(pos, 100, 333)
		if err != nil || next == pos {
			t.Fatal(pos, next, err)
		}
		for _, r := range rows {
			unrouted = append(unrouted, r.Body.Incident)
		}
		pos = next
	}
	if len(unrouted) != reports/2 {
		t.Fatalf("%d reports have no routing", len(unrouted))
	}
	for i := range reports {
		want := []record.Kind{record.KindReport}
		if odd(i) {
			want = append(want, record.KindRouted)
		}
		slices.Sort(want)
		if got := kinds(t, l.Ledger, i); !slices.Equal(got, want) {
			t.Fatalf("report %d: %v", i, got)
		}
	}
}

func TestLedger_EntriesOfABlock_AreReadFromAnyPlace_WithTheirKeys(t *testing.T) {
	const reports = 500
	l := mustOpen(t, t.TempDir())
	flood(t, l.Ledger, 0, reports, func(i int) bool { return i%3 == 0 })
	all, err := l.After(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for at := range all {
		rows, err := l.After(uint64(at), 3)
		if err != nil || len(rows) != min(3, len(all)-at) || rows[0].Position != uint64(at+1) || rows[0].Body.ID != all[at].Body.ID {
			t.Fatalf("after %d: %d rows, %v", at, len(rows), err)
		}
		if s := rows[0].Body.Payload.Sealed; s != nil {
			if k, err := l.Key(rows[0].Position, s.Key); err != nil || k == nil || k.Key != s.Key {
				t.Fatalf("key of position %d: %v %v", at+1, k, err)
			}
		}
	}
	for _, c := range l.Chains() {
		if c.Chain.Lane != record.Routine {
			continue
		}
		for from := record.Seq(1); from <= c.Head.Seq; from += 7 {
			list, keys, err := l.Read(c.Chain, from, 10, 1<<20)
			sealed := 0
			for _, e := range list {
				if b, err := record.DecodeBody(e.Body); err != nil {
					t.Fatal(err)
				} else if b.Payload.Sealed != nil {
					sealed++
				}
			}
			if err != nil || len(list) != min(10, int(c.Head.Seq-from)+1) || len(keys) != sealed || list[0].Link.Seq != from {
				t.Fatalf("from %d: %d entries, %d sealed, %d keys, %v", from, len(list), sealed, len(keys), err)
			}
		}
	}
}

// The routing of a report stays its own when a fork moves the one and not the other.
func TestLedger_Fork_MovedReportsKeepTheirRoutingAndTheirKeys(t *testing.T) {
	const reports = 300
	dir := t.TempDir()
	l := mustOpen(t, dir)
	flood(t, l.Ledger, 0, reports, func(int) bool { return true })
	var chain record.ChainID
	for _, c := range l.Chains() {
		if c.Chain.Lane == record.Routine {
			chain = c.Chain
		}
	}
	const kept = 51 // the last of them without its routing
	if err := l.Reincarnate(chain, 2*kept); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the fork's entries are appended again", func() bool {
		n := record.Seq(0)
		for _, c := range l.Chains() {
			if c.Chain.Lane == record.Routine {
				n += c.Head.Seq
			}
		}
		return n == 2*reports
	})
	for range 2 {
		checkChains(t, l.Ledger)
		moved := 0
		for i := range reports {
			if got := kinds(t, l.Ledger, i); len(got) != 2 {
				t.Fatalf("report %d: %v", i, got)
			}
			s, ok, err := l.Once(reportID(i))
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			list, keys, err := l.Read(record.ChainID{Origin: origin, Incarnation: s.Incarnation, Lane: s.Lane}, s.Seq, 1, 1<<20)
			if err != nil || len(list) != 1 || len(keys) != 1 || keys[0].Key != keyOf(i) {
				t.Fatalf("report %d: %d entries, %d keys, %v", i, len(list), len(keys), err)
			}
			if s.Incarnation != chain.Incarnation {
				moved++
			}
		}
		if moved != reports-kept {
			t.Fatalf("%d moved", moved)
		}
		l.stop()
		l = mustOpen(t, dir)
	}
}

// What a disk lost in the middle of a chain comes back, with what still stands behind the hole.
func TestLedger_HoleInAChain_IsMendedByWhatTheCityHas(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 30 {
		mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
	}
	chain := l.Chains()[0].Chain
	list, _, err := l.Read(chain, 1, 100, 1<<20)
	if err != nil || len(list) != 30 {
		t.Fatal(len(list), err)
	}
	if err := l.op(0, func(b *batch) error { return b.drop(blockKey(11)) }); err != nil { // seq 11
		t.Fatal(err)
	}
	l.stop()
	l = mustOpen(t, dir)
	if rows, err := l.After(0, 100); err != nil || len(rows) != 29 {
		t.Fatalf("%d entries are read around the hole, %v", len(rows), err)
	}
	if cuts := l.Found().Cuts; len(cuts) != 1 || cuts[0].Have != 10 || cuts[0].Had != 30 {
		t.Fatalf("%+v", cuts)
	}
	var back []CityEntry
	for i := 10; i < 30; i++ {
		back = append(back, CityEntry{uint64(i), list[i]})
	}
	if err := l.Foreign(Foreign{Entries: back}); err != nil {
		t.Fatal(err)
	}
	for _, c := range l.Chains() {
		if c.Chain == chain && c.Head.Seq != 30 {
			t.Fatalf("the chain ends at %d", c.Head.Seq)
		}
	}
	checkChains(t, l.Ledger)
	l.stop()
	l = mustOpen(t, dir)
	if cuts := l.Found().Cuts; len(cuts) != 0 { // seq 11 stands behind seq 30 now
		t.Fatalf("a chain that is whole was cut: %+v", cuts)
	}
	checkChains(t, l.Ledger)
}

// TestLedger_RoutingBehindARoutineReport_LeavesTheUrgentLaneToEmergencies: while the
// line was cut the routings of thousands of routine reports stood before the next
// emergency in the urgent chain, and all of them went first.
func TestLedger_RoutingBehindARoutineReport_LeavesTheUrgentLaneToEmergencies(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	flood(t, l.Ledger, 0, 20, func(int) bool { return true })
	if res := mustSubmit(t, l.Ledger, record.Urgent, reportID(99)); res.Link.Seq != 1 {
		t.Errorf("%d entries stand before an emergency in its lane", res.Link.Seq-1)
	}
}
