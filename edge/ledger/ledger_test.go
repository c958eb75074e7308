package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wardline/sync/record"
)

const origin = record.Origin("ward-26704")

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

type running struct {
	*Ledger
	stop func()
}

// mustOpen opens a ledger and runs its committer until the test or stop ends.
func mustOpen(t testing.TB, dir string, edit ...func(*Options)) running {
	t.Helper()
	o := Default(dir, origin)
	o.Log = quiet()
	o.Ballast = 1 << 20
	for _, e := range edit {
		e(&o)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var once sync.Once
	r := running{l, func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, ErrFailed) {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}}
	t.Cleanup(r.stop)
	return r
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func reportBody(l *Ledger, id record.ID) record.Body {
	return record.Body{ID: record.DerivedID("report", id[:], []byte(origin)), Incident: id, Kind: record.KindReport, Origin: origin,
		Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"}, HLC: l.Clock().Now(), ReceivedAt: 5,
		Payload: record.Payload{Report: id, Category: record.Fire, Fingerprint: record.Hash{1}}}
}

func reportID(n int) record.ID { return record.DerivedID("test", []byte(fmt.Sprint(n))) }

func submit(l *Ledger, lane record.LaneID, id record.ID, fp record.Hash) (Result, error) {
	type answer struct {
		r   Result
		err error
	}
	ch := make(chan answer, 1)
	body := reportBody(l, id)
	body.Payload.Fingerprint = fp
	l.Submit(Append{Lane: lane, Body: body, Once: &Once{ID: id, Fingerprint: fp, Extra: []byte("w")}},
		func(r Result, err error) { ch <- answer{r, err} })
	a := <-ch
	return a.r, a.err
}

func mustSubmit(t testing.TB, l *Ledger, lane record.LaneID, id record.ID) Result {
	t.Helper()
	r, err := submit(l, lane, id, record.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkChains reads every chain from its start and proves it; it returns how
// many entries there are.
func checkChains(t testing.TB, l *Ledger) int {
	t.Helper()
	n := 0
	for _, c := range l.Chains() {
		var prev record.Hash
		for seq := record.Seq(1); seq <= c.Head.Seq; {
			list, _, err := l.Read(c.Chain, seq, 256, 1<<20)
			if err != nil || len(list) == 0 {
				t.Fatalf("chain %v breaks off at %d of %d: %v", c.Chain, seq, c.Head.Seq, err)
			}
			for _, e := range list {
				if e.Link.Seq != seq || e.Link.Prev != prev {
					t.Fatalf("chain %v is broken at %d", c.Chain, seq)
				}
				prev = e.Hash()
				seq++
				n++
			}
		}
		if c.Head.Seq > 0 && prev != c.Head.Hash {
			t.Fatalf("head of %v is not its last entry", c.Chain)
		}
	}
	return n
}

func TestLedger_Repeat_AnsweredFromTheFirst_AlsoAfterReopen(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	first := mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	again := mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	if !again.Repeat || again.First.Hash != first.Hash || string(again.First.Extra) != "w" {
		t.Fatalf("%+v", again)
	}
	l.stop()
	l = mustOpen(t, dir)
	again = mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	if !again.Repeat || again.First.Seq != first.Link.Seq || again.First.Incarnation != first.Link.Incarnation {
		t.Fatalf("after a restart: %+v", again)
	}
	if _, err := submit(l.Ledger, record.Urgent, reportID(1), record.Hash{2}); !errors.Is(err, ErrOtherContent) {
		t.Fatalf("another content under a known id: %v", err)
	}
	if n := checkChains(t, l.Ledger); n != 1 {
		t.Fatalf("%d entries for one report", n)
	}
}

func TestLedger_NewProcess_NewIncarnationNamesThePredecessor(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	a := mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	b := mustSubmit(t, l.Ledger, record.Routine, reportID(2))
	l.stop()
	l = mustOpen(t, dir)
	c := mustSubmit(t, l.Ledger, record.Urgent, reportID(3))
	if c.Link.Incarnation == a.Link.Incarnation || c.Link.Seq != 1 || c.Link.Pred.Hash != a.Hash || c.Link.Pred.Seq != 1 {
		t.Fatalf("%+v", c.Link)
	}
	d := mustSubmit(t, l.Ledger, record.Routine, reportID(4))
	if d.Link.Pred.Hash != b.Hash || d.Link.HLC <= b.Link.HLC {
		t.Fatalf("%+v", d.Link)
	}
	checkChains(t, l.Ledger)
}

func TestLedger_ManyWriters_ChainsWholeAndEveryAnswerTrue(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	var acked atomic.Int64
	const writers, each = 8, 200
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				lane := record.Urgent
				if i%2 == 0 {
					lane = record.Routine
				}
				if _, err := submit(l.Ledger, lane, reportID(w*each+i), record.Hash{1}); err == nil {
					acked.Add(1)
				}
			}
		}()
	}
	wg.Wait()
	if n := checkChains(t, l.Ledger); int64(n) != acked.Load() || n != writers*each {
		t.Fatalf("%d entries, %d acknowledged", n, acked.Load())
	}
	rows, err := l.After(0, 10*writers*each)
	if err != nil || len(rows) != writers*each {
		t.Fatalf("%d rows by position, %v", len(rows), err)
	}
	if got, err := l.Incident(reportID(7)); err != nil || len(got) != 1 || got[0].Body.Payload.Category != record.Fire {
		t.Fatalf("%v %v", got, err)
	}
}

func TestLedger_Decide_IsCompareAndSetInCommitOrder(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(1)
		l.Decide(record.Urgent, func(v View) ([]Append, any, error) {
			old, err := v.Note([]byte("holder"))
			if err != nil || old != nil {
				return nil, false, err
			}
			return []Append{{NoEntry: true, Notes: []Note{{[]byte("holder"), []byte("me")}}}}, true, nil
		}, func(v any, _ []Result, err error) {
			if err == nil && v.(bool) {
				won.Add(1)
			}
			wg.Done()
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d won", won.Load())
	}
}

func TestLedger_BelowTheReserve_RoutineRefused_UrgentGoesOn_UntilTheFloor(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	l := mustOpen(t, t.TempDir(), func(o *Options) {
		o.FreeSpace = func(string) (int64, error) { return free.Load(), nil }
		o.Wall = func() func() time.Time {
			var n atomic.Int64
			return func() time.Time { return time.UnixMilli(1_790_000_000_000 + 1000*n.Add(1)) }
		}()
	})
	mustSubmit(t, l.Ledger, record.Routine, reportID(1))
	free.Store(100 << 20)
	if _, err := submit(l.Ledger, record.Routine, reportID(2), record.Hash{1}); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("routine below the reserve: %v", err)
	}
	mustSubmit(t, l.Ledger, record.Urgent, reportID(3))
	free.Store(1 << 20)
	if _, err := submit(l.Ledger, record.Urgent, reportID(4), record.Hash{1}); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("urgent below the floor: %v", err)
	}
	if _, err := os.Stat(filepath.Join(l.o.Dir, ballastName)); err == nil {
		t.Fatal("the ballast was kept on a full disk")
	}
	free.Store(1 << 40)
	mustSubmit(t, l.Ledger, record.Routine, reportID(2))
	if n := checkChains(t, l.Ledger); n != 3 {
		t.Fatalf("%d entries", n)
	}
}

func TestLedger_Fork_BodiesAreAppendedAgain_NothingLost(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var first Result
	for i := range 150 {
		r := mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
		if i == 0 {
			first = r
		}
	}
	chain := first.Link.Chain()
	if err := l.Reincarnate(chain, 50); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the fork's entries are appended again", func() bool {
		n := record.Seq(0)
		for _, c := range l.Chains() {
			n += c.Head.Seq
		}
		return n == 150
	})
	checkChains(t, l.Ledger)
	for i := range 150 {
		s, ok, err := l.Once(reportID(i))
		if err != nil || !ok || (i >= 49) == (s.Incarnation == chain.Incarnation) {
			t.Fatalf("report %d: %+v %v %v", i, s, ok, err)
		}
	}
	l.stop()
	l = mustOpen(t, dir)
	if n := checkChains(t, l.Ledger); n != 150 || len(l.Found().Cuts) != 0 {
		t.Fatalf("after a restart: %d entries, %+v", n, l.Found())
	}
}

func TestLedger_Foreign_IdempotentWithItsCursor(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	id := reportID(1)
	body := record.Body{ID: record.ID{5}, Incident: id, Kind: record.KindRouted, Origin: record.CoreOrigin, Payload: record.Payload{Lead: "ward/26704"}}
	raw, err := body.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f := Foreign{Entries: []CityEntry{{7, record.Entry{Link: record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, Seq: 1}, Body: raw}}},
		Notes: []Note{{[]byte("cursor"), []byte("1")}}}
	for range 2 {
		if err := l.Foreign(f); err != nil {
			t.Fatal(err)
		}
	}
	l.stop()
	l = mustOpen(t, dir)
	rows, err := l.Incident(id)
	if err != nil || len(rows) != 1 || rows[0].Index != 7 {
		t.Fatalf("%+v %v", rows, err)
	}
	if v, err := l.Note([]byte("cursor")); err != nil || string(v) != "1" {
		t.Fatal("the cursor is not with the data", err)
	}
}

func TestLedger_RolledBackDisk_TakesItsOwnEntriesBack(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustSubmit(t, l.Ledger, record.Urgent, reportID(0))
	l.stop()
	image := t.TempDir()
	if err := os.CopyFS(filepath.Join(image, "d"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	var lost []CityEntry
	for i := 1; i < 5; i++ {
		r := mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
		e, _, err := l.Read(r.Link.Chain(), r.Link.Seq, 1, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, CityEntry{uint64(i), e[0]})
	}
	l.stop()
	l = mustOpen(t, filepath.Join(image, "d"))
	if err := l.Foreign(Foreign{Entries: lost}); err != nil {
		t.Fatal(err)
	}
	if n := checkChains(t, l.Ledger); n != 5 {
		t.Fatalf("%d entries are back", n)
	}
	if r := mustSubmit(t, l.Ledger, record.Urgent, reportID(3)); !r.Repeat {
		t.Fatal("a restored report was not recognised")
	}
}

func TestLedger_Quarantine_BoundedAndKept(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var wg sync.WaitGroup
	for i := range quarantineRows + 20 {
		wg.Add(1)
		source := "loud"
		if i < 20 {
			source = "quiet" // the oldest, and yet the last to give way
		}
		l.Quarantine(source, fmt.Append(nil, "bad ", i), func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	got, err := l.Quarantined(quarantineRows * 2)
	if err != nil || len(got) != quarantineRows || string(got[0]) != fmt.Sprint("bad ", quarantineRows+19) {
		t.Fatalf("%d kept, %v", len(got), err)
	}
	for i := range 20 {
		if have := string(got[len(got)-1-i]); have != fmt.Sprint("bad ", i) {
			t.Fatalf("one loud sender pushed out another's input: %q in place %d", have, i)
		}
	}
}
