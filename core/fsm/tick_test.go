package fsm

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

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

// threadTime is the processor time of this thread: what an apply itself costs,
// whatever else the machine does.
func threadTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(1, &u); err != nil { // RUSAGE_THREAD
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A mass of missed deadlines stands in nobody's way: a tick that takes as many
// as it may costs about a batch of reports, and one that comes when all were taken costs
// next to nothing, although the store keeps what was deleted.
func TestMachine_Tick_AmidManyMissedDeadlines_CostsNoMoreThanABatch(t *testing.T) {
	m := open(t)
	n := 4000
	if os.Getenv("WARDLINE_LONG") != "" {
		n = 20_000
	}
	w, due := unclaimed(t, m, n)
	m.meta.Load().time = due + 3_600_000 // everything is due
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := func(item func() []byte) time.Duration { // of what others do on the machine, little is in the least of ten
		took := time.Hour
		for range 10 {
			next := item()
			began := threadTime(t)
			do(t, m, next)
			took = min(took, threadTime(t)-began)
		}
		return took
	}
	tick := func() []byte { return Tick(due) }
	before := kinds(t, m)["missed"]
	full := least(tick)
	if got := kinds(t, m)["missed"] - before; got < 10*missedPerTick || got > 10*(missedPerTick+dueClasses) {
		t.Fatalf("ten ticks took %d deadlines", got)
	}
	batch := least(func() []byte {
		var list []record.Entry
		for range 256 {
			list = append(list, w.entry(scattered(n)))
			n++
		}
		return batchOf(list...)
	})
	for at := uint64(0); at != m.CityIndex(); {
		at = m.CityIndex()
		do(t, m, Tick(due))
	}
	idle := least(tick)
	t.Logf("200 missed deadlines %v, none left %v, a batch of 256 reports %v", full, idle, batch)
	if full > 2*batch || idle > batch/2 {
		t.Fatalf("a tick costs %v and %v, a batch %v", full, idle, batch)
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
