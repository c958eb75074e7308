package fsm

import (
	"errors"
	"math"
	"os"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// bothWays applies a log at once, and entry by entry by a node that is started again after some of them.
func bothWays(t *testing.T, l *log, again func(i int) bool) (whole, single *Machine) {
	t.Helper()
	whole, dir := open(t), t.TempDir()
	if _, err := whole.ApplyBatch(l.entries); err != nil {
		t.Fatal(err)
	}
	single = mustOpen(t, dir)
	for i, e := range l.entries {
		if _, err := single.ApplyBatch([]LogEntry{e}); err != nil {
			t.Fatal(err)
		}
		if again(i) {
			if err := single.Close(); err != nil {
				t.Fatal(err)
			}
			single = mustOpen(t, dir)
		}
	}
	t.Cleanup(func() { _ = single.Close() })
	return whole, single
}

func sameDigest(t *testing.T, x, y *Machine) {
	t.Helper()
	a, err := x.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := y.Digest(); err != nil || a != b {
		t.Fatalf("%+v and %+v (%v)", a, b, err)
	}
}

// Deadlines that are set, taken and looked for in one transaction, in many, and
// by a node that was started again are the same, and none is passed over.
func TestMachine_MissedDeadlines_HoweverApplied_AreTheSame(t *testing.T) {
	var l log
	w := &writer{inc: 7}
	l.add(Tick(now))
	for part := range 6 {
		var list []record.Entry
		for n := range 60 {
			body := scattered(part*60 + n)
			body.CapturedAt = now - int64(n%4)*600_000 // some were due before they came, and behind what was taken
			list = append(list, w.entry(body))
		}
		l.add(batchOf(list...))
		for i := range int64(4) {
			l.add(Tick(now + 4000*(int64(part)*4+i)))
		}
	}
	for i := range int64(250) {
		l.add(Tick(now + 5000*(24+i)))
	}
	whole, single := bothWays(t, &l, func(i int) bool { return i%100 == 7 || (i < 30 && i%3 == 0) })
	rows, err := whole.After(0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	set, missed := map[string]bool{}, 0
	for _, r := range rows {
		for _, d := range r.Body.Payload.Deadlines {
			if d.At <= whole.CityTime() {
				set[r.Body.Incident.String()+d.Step] = true
			}
		}
		if r.Listed == record.KindMissed {
			missed++
		}
	}
	if missed != len(set) || missed < 360 {
		t.Fatalf("%d deadlines passed, %d were missed", len(set), missed)
	}
	if a, b := whole.CityIndex(), single.CityIndex(); a != b {
		t.Fatalf("city index %d and %d", a, b)
	}
	sameDigest(t, whole, single)
}

// applyTick applies one tick; a tick that walks over a damaged row fails with ErrHole.
func applyTick(m *Machine, due int64) error {
	index, _ := m.Applied()
	_, err := m.ApplyBatch([]LogEntry{{Index: index + 1, Term: 1, Items: [][]byte{Tick(due)}}})
	return err
}

// trap lays a damaged row among the deadlines of each class, or takes it away: a tick that comes to it fails.
func trap(t *testing.T, m *Machine, at, number uint64, lay bool) {
	t.Helper()
	err := m.db.Update(func(tx *badger.Txn) error {
		for class := range byte(len(dueFrom{})) {
			key := dueKey(dueSlot{class, at}, number)
			if !lay {
				if err := tx.Delete(key); err != nil {
					return err
				}
			} else if err := tx.Set(key, []byte{1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A mass of missed deadlines stands in nobody's way: a tick takes as many as it may, reads
// none behind them and writes no more than two batches of reports do; one that comes when all
// were taken writes next to nothing and does not walk over what was taken again, although the
// store keeps what was deleted. Counted in rows: the time of a busy machine says nothing.
func TestMachine_Tick_AmidManyMissedDeadlines_CostsNoMoreThanABatch(t *testing.T) {
	m := open(t)
	n := 4000
	if os.Getenv("WARDLINE_LONG") != "" {
		n = 20_000
	}
	w, due := unclaimed(t, m, n)
	m.meta.Load().time = due + 3_600_000 // everything is due
	last := uint64(m.CityTime()) / 1000
	wrote := func(item []byte) uint64 {
		t.Helper()
		before := m.steps.Load()
		do(t, m, item)
		return m.steps.Load() - before
	}
	trap(t, m, last, math.MaxUint64, true)
	before, full := kinds(t, m)["missed"], uint64(0)
	for range 10 {
		full = max(full, wrote(Tick(due)))
	}
	if got := kinds(t, m)["missed"] - before; got < 10*missedPerTick || got > 10*(missedPerTick+dueClasses) {
		t.Fatalf("ten ticks took %d deadlines", got)
	}
	var list []record.Entry
	for range 256 {
		list = append(list, w.entry(scattered(n)))
		n++
	}
	batch := wrote(batchOf(list...))
	trap(t, m, last, math.MaxUint64, false)
	for at := uint64(0); at != m.CityIndex(); {
		at = m.CityIndex()
		do(t, m, Tick(due))
	}
	trap(t, m, 1, 0, true)
	idle := wrote(Tick(due))
	t.Logf("rows written by a tick with %d missed deadlines %d, with none left %d, by a batch of 256 reports %d", missedPerTick, full, idle, batch)
	if full > 2*batch || idle > 10 {
		t.Errorf("a tick writes %d rows, with nothing left %d, a batch %d", full, idle, batch)
	}
	m.dueFrom.reset() // as after a start, which knows nothing of what was taken
	if err := applyTick(m, due); !errors.Is(err, ErrHole) {
		t.Errorf("a tick that walks from the beginning does not come to the trap: it proves nothing (%v)", err)
	}
}

// The trap of the test before is met where a tick takes less than it may.
func TestMachine_Tick_LessThanItMay_LooksToTheEnd(t *testing.T) {
	m := open(t)
	_, due := unclaimed(t, m, missedPerTick/4)
	m.meta.Load().time = due + 3_600_000
	trap(t, m, uint64(m.CityTime())/1000, math.MaxUint64, true)
	if err := applyTick(m, due); !errors.Is(err, ErrHole) {
		t.Fatalf("it did not look at the last row that is due: %v", err)
	}
}

// An escalation of a call for help never waits behind older ones of the routine.
func TestMachine_MissedDeadlines_OfACallForHelp_AreSaidBeforeOlderRoutine(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	do(t, m, Tick(now))
	var list []record.Entry
	for n := range 2 * missedPerTick {
		body := scattered(n)
		body.Payload.Category = record.Feedback
		list = append(list, w.entry(body))
	}
	do(t, m, batchOf(list...))
	help := scattered(2 * missedPerTick)
	help.Payload.Category, help.CapturedAt, help.ReceivedAt = record.Panic, now+30*24*3_600_000, now+30*24*3_600_000
	do(t, m, batchOf(w.entry(help)))
	m.meta.Load().time = now + 60*24*3_600_000 // everything is due, the routine for long
	do(t, m, Tick(now))
	rows, err := m.Incident(help.Incident)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, r := range rows {
		if r.Listed == record.KindMissed {
			said++
		}
	}
	if all := kinds(t, m)["missed"]; said == 0 || all >= 3*missedPerTick {
		t.Fatalf("the first tick said %d deadlines of the call for help, %d in all", said, all)
	}
}
