package ledger

import (
	"os"
	"path/filepath"
	"testing"

	"wardline/sync/record"
)

// A process that dies between two steps of a move leaves a row that says what
// remains; without it those entries would never be sent again.
func TestLedger_ForkMoveInterrupted_IsFinishedByTheNextRun(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 200 {
		mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
	}
	chain := l.Chains()[0].Chain
	l.stop()
	o := Default(dir, origin)
	o.Log, o.Ballast = quiet(), 1<<20
	dying, err := Open(o) // nobody runs it: the first step, and then nothing
	if err != nil {
		t.Fatal(err)
	}
	m := move{chainName{chain.Incarnation, chain.Lane}, 11, 200}
	var failed error
	r := &request{lane: record.Urgent, done: func(_ Result, err error) { failed = err }, op: func(b *batch) error {
		if err := b.cutChain(m.name, m.first-1); err != nil {
			return err
		}
		return b.moveOn(m)
	}}
	if err := dying.commit([]*request{r}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if err := dying.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	waitFor(t, "what was left is appended again", func() bool {
		n := record.Seq(0)
		for _, c := range l.Chains() {
			n += c.Head.Seq
		}
		return n == 200
	})
	checkChains(t, l.Ledger)
	for i := range 200 {
		s, ok, err := l.Once(reportID(i))
		if err != nil || !ok || (i >= 10) == (s.Incarnation == chain.Incarnation) {
			t.Fatalf("report %d: %+v %v %v", i, s, ok, err)
		}
	}
	l.stop()
	l = mustOpen(t, dir)
	if n := checkChains(t, l.Ledger); n != 200 {
		t.Fatalf("%d entries after one more start", n)
	}
}

// The bodies that a fork moves are older than what the life before wrote in
// other lanes; the city tells one disk's lives from another's by their clocks.
func TestLedger_Fork_TheNewLifeStandsBehindTheOneBefore(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	moved := mustSubmit(t, l.Ledger, record.Urgent, reportID(2))
	last := mustSubmit(t, l.Ledger, record.Routine, reportID(3))
	if err := l.Reincarnate(moved.Link.Chain(), moved.Link.Seq); err != nil {
		t.Fatal(err)
	}
	s, ok, err := l.Once(reportID(2))
	if err != nil || !ok || s.Incarnation == moved.Link.Incarnation {
		t.Fatalf("%+v %v %v", s, ok, err)
	}
	list, _, err := l.Read(record.ChainID{Origin: origin, Incarnation: s.Incarnation, Lane: s.Lane}, s.Seq, 1, 1<<20)
	if err != nil || len(list) != 1 || list[0].Link.HLC <= last.Link.HLC {
		t.Fatalf("the life before ends at %d, the new one begins with %+v (%v)", last.Link.HLC, list, err)
	}
}

// An image of a running machine: the life that it ended with went on, and what
// it wrote later comes back before the restored disk's first append. That life's head in
// memory is the city's by then.
func TestLedger_ImageOfARunningDisk_NamesWhatItHadAtTheStart(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	dir := t.TempDir()
	l := mustOpen(t, dir)
	last := mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil { // nothing is written meanwhile
		t.Fatal(err)
	}
	var lost []CityEntry
	for i := range 5 {
		r := mustSubmit(t, l.Ledger, record.Urgent, reportID(10+i))
		list, _, err := l.Read(r.Link.Chain(), r.Link.Seq, 1, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, CityEntry{uint64(100 + i), list[0]})
	}
	l.stop()
	l = mustOpen(t, image)
	if err := l.Foreign(Foreign{Entries: lost}); err != nil {
		t.Fatal(err)
	}
	r := mustSubmit(t, l.Ledger, record.Urgent, reportID(20))
	if r.Link.Pred.Incarnation != last.Link.Incarnation || r.Link.Pred.Seq != 1 || r.Link.Pred.Hash != last.Hash {
		t.Fatalf("the new life names %+v, the image ended at 1", r.Link.Pred)
	}
	checkChains(t, l.Ledger)
}

// What the downlink brings back before the first append does not hide that the
// disk had been rolled back.
func TestLedger_RolledBackDisk_NamesWhatItHadAtTheStart(t *testing.T) {
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	l := mustOpen(t, dir)
	last := mustSubmit(t, l.Ledger, record.Urgent, reportID(1))
	l.stop()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	var lost []CityEntry
	for i := range 5 {
		r := mustSubmit(t, l.Ledger, record.Urgent, reportID(10+i))
		list, _, err := l.Read(r.Link.Chain(), r.Link.Seq, 1, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, CityEntry{uint64(100 + i), list[0]})
	}
	l.stop()
	l = mustOpen(t, image)
	if err := l.Foreign(Foreign{Entries: lost}); err != nil {
		t.Fatal(err)
	}
	for _, c := range l.Chains() {
		if c.Chain == lost[0].Entry.Link.Chain() && c.Held != 5 {
			t.Fatalf("the city gave 5 entries back, held %d", c.Held)
		}
	}
	r := mustSubmit(t, l.Ledger, record.Urgent, reportID(20))
	if r.Link.Pred.Incarnation != last.Link.Incarnation || r.Link.Pred.Seq != 1 {
		t.Fatalf("the new life names %+v", r.Link.Pred)
	}
	// A lane to which the life before wrote nothing names that life all the same.
	l.stop()
	l = mustOpen(t, image)
	next := mustSubmit(t, l.Ledger, record.Routine, reportID(21))
	if next.Link.Pred.Incarnation != r.Link.Incarnation || next.Link.Pred.Lane != record.Urgent {
		t.Fatalf("the next life names %+v", next.Link.Pred)
	}
	checkChains(t, l.Ledger)
}
