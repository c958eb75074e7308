package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// heldRaft takes Raft entries and answers them when told.
type heldRaft struct {
	mu  sync.Mutex
	got []*heldEntry
}

type heldEntry struct {
	items []string
	done  chan error
}

// Error implements raft.Future.
func (e *heldEntry) Error() error { return <-e.done }

// Response implements raft.ApplyFuture: each item's result is the item.
func (e *heldEntry) Response() any {
	var out [][]byte
	for _, it := range e.items {
		out = append(out, []byte(it))
	}
	return out
}

// Index implements raft.IndexFuture.
func (e *heldEntry) Index() uint64 { return 0 }

func (r *heldRaft) apply(b []byte) raft.ApplyFuture {
	items, err := unpackEntry(b)
	if err != nil {
		panic(err)
	}
	e := &heldEntry{done: make(chan error, 1)}
	for _, it := range items {
		e.items = append(e.items, string(it))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, e)
	return e
}

func (r *heldRaft) entries() []*heldEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*heldEntry(nil), r.got...)
}

// firstBytes names each entry by the first letters of its items, "uuur".
func (e *heldEntry) firstBytes() string {
	var b strings.Builder
	for _, it := range e.items {
		b.WriteByte(it[0])
	}
	return b.String()
}

type heldProposer struct {
	*proposer
	t    *testing.T
	raft *heldRaft
	down chan struct{}
	ctx  context.Context
	wg   sync.WaitGroup
	errs chan error
	low  bool
}

func newHeld(t *testing.T, tune func(*Config)) *heldProposer {
	cfg := Default()
	if tune != nil {
		tune(&cfg)
	}
	h := &heldProposer{t: t, raft: &heldRaft{}, down: make(chan struct{}), errs: make(chan error, 1<<16)}
	h.proposer = newProposer(cfg, h.down, func() bool { return h.low }, h.raft.apply)
	ctx, cancel := context.WithCancel(context.Background())
	h.ctx = ctx
	done := make(chan struct{})
	go func() { h.run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		<-done
		close(h.down)
		h.wg.Wait()
	})
	return h
}

// add proposes n items that begin with kind and waits until they wait or are under way.
func (h *heldProposer) add(lane Lane, kind string, n, size int) {
	h.t.Helper()
	have := h.count()
	for i := range n {
		h.wg.Go(func() {
			_, err := h.propose(context.Background(), lane, []byte(item(fmt.Sprintf("%s%d-", kind, i), size)))
			h.errs <- err
		})
	}
	waitFor(h.t, "the items to be queued", func() bool { return h.count() == have+n })
}

func (h *heldProposer) count() int {
	u, r := h.depth()
	for _, e := range h.raft.entries() {
		u += len(e.items)
	}
	return u + r
}

func TestProposer_RoutineDrain_AtMostTwoEntriesUnderWayAndUrgentPassesIt(t *testing.T) {
	h := newHeld(t, nil)
	h.add(Routine, "r", 1, 64)
	h.add(Routine, "r", 1, 64)
	h.add(Routine, "r", 3000, 256) // three entries' worth
	if n := len(h.raft.entries()); n != 2 {
		t.Fatalf("%d routine entries are under way, not 2", n)
	}
	h.add(Urgent, "u", 1, 64)
	waitFor(t, "the urgent entry", func() bool { return len(h.raft.entries()) == 3 })
	if got := h.raft.entries()[2].firstBytes(); got != "u" {
		t.Fatalf("behind a drain the urgent entry is %q, not alone", got)
	}
	h.raft.entries()[0].done <- nil
	waitFor(t, "the next routine entry", func() bool { return len(h.raft.entries()) == 4 })
	e := h.raft.entries()[3]
	size := entryOverhead
	for _, it := range e.items {
		size += packedSize([]byte(it))
	}
	if size > maxEntryBytes || size < maxEntryBytes-1024 {
		t.Fatalf("what waited was packed into %d bytes", size)
	}
	for i := 0; i < len(h.raft.entries()); i++ {
		h.raft.entries()[i].done <- nil
		waitFor(t, "all", func() bool { u, r := h.depth(); return u+r == 0 || len(h.raft.entries()) > i+1 })
	}
}

func TestProposer_BothLanesWait_UrgentFirstAndRoutineKeepsItsShare(t *testing.T) {
	p := newProposer(Default(), nil, func() bool { return false }, nil)
	queue := func(lane Lane, kind string, n int) {
		for range n {
			p.q[lane].items = append(p.q[lane].items, &proposal{item: []byte(item(kind, 512))})
			p.q[lane].bytes += 512
		}
	}
	take := func() (string, Lane) {
		batch, kind := p.take()
		e := &heldEntry{}
		for _, pr := range batch {
			e.items = append(e.items, string(pr.item))
		}
		return e.firstBytes(), kind
	}
	queue(Urgent, "u", 5000)
	queue(Routine, "r", 200)
	for range routineOutstanding {
		got, kind := take()
		first := strings.IndexByte(got, 'r')
		if kind != Routine || first < 1 || strings.Contains(got[first:], "u") {
			t.Fatalf("a %s entry, urgent does not stand first: %.20s…", kind, got)
		}
		if share := (len(got) - first) * 514; share < routineShare-1024 || share > routineShare+1024 {
			t.Fatalf("routine got %d bytes of a full entry, its share is %d", share, routineShare)
		}
	}
	for range urgentOutstanding {
		if got, kind := take(); kind != Urgent || strings.Contains(got, "r") || len(got) < 500 {
			t.Fatalf("a %s entry with the routine slots taken: %d items", kind, len(got))
		}
	}
	if got, _ := take(); got != "" {
		t.Fatalf("an entry too many is under way: %.20s", got)
	}
	p.out[Routine]--
	if got, kind := take(); kind != Routine || strings.Contains(got, "u") || got == "" {
		t.Fatalf("a free routine slot was not used: %.20s", got)
	}
	if p.q[Urgent].bytes != 512*len(p.q[Urgent].items) || p.q[Routine].bytes != 512*len(p.q[Routine].items) {
		t.Fatal("the queues' bytes are wrong")
	}
}

func TestProposer_FullQueue_RefusesAtOnce(t *testing.T) {
	h := newHeld(t, func(c *Config) { c.RoutineItems, c.QueueBytes = 3, maxEntryBytes })
	h.add(Routine, "r", 1, 8)
	h.add(Routine, "r", 1, 8)
	h.add(Routine, "r", 3, 8) // these wait
	if _, err := h.propose(context.Background(), Routine, []byte("one more")); !errors.Is(err, ErrBusy) {
		t.Fatalf("a fourth item: %v", err)
	}
	h.low = true
	if _, err := h.propose(context.Background(), Routine, []byte("no room")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("a routine item on a full disk: %v", err)
	}
	h.add(Urgent, "u", 1, 8)
	waitFor(t, "the urgent one", func() bool { return len(h.raft.entries()) == 3 })
}

func TestProposer_CallerGivesUp_WaitingItemIsNotProposedAndTakenOneIsUnknown(t *testing.T) {
	h := newHeld(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { _, err := h.propose(ctx, Routine, []byte("taken")); first <- err }()
	waitFor(t, "the first", func() bool { return len(h.raft.entries()) == 1 })
	h.add(Routine, "r", 1, 8)
	waitFor(t, "the second", func() bool { return len(h.raft.entries()) == 2 })
	second := make(chan error, 1)
	go func() { _, err := h.propose(ctx, Routine, []byte("waiting")); second <- err }()
	waitFor(t, "the third to wait", func() bool { _, r := h.depth(); return r == 1 })
	cancel()
	if err := <-first; !errors.Is(err, ErrUnknown) {
		t.Errorf("an item under way: %v", err)
	}
	if err := <-second; errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("an item in the queue: %v", err)
	}
	h.add(Routine, "r", 1, 8)
	h.raft.entries()[0].done <- nil
	waitFor(t, "the next entry", func() bool { return len(h.raft.entries()) == 3 })
	if got := h.raft.entries()[2].firstBytes(); got != "r" {
		t.Fatalf("what was given up was proposed: %q", got)
	}
}

func TestProposer_RaftsErrors_TellTakenFromNotTaken(t *testing.T) {
	for _, c := range []struct{ from, want error }{
		{raft.ErrNotLeader, ErrNotLeader},
		{raft.ErrLeadershipTransferInProgress, ErrNotLeader},
		{raft.ErrLeadershipLost, ErrUnknown},
		{raft.ErrRaftShutdown, ErrUnknown},
		{errors.New("store: no space left on device"), ErrUnknown},
	} {
		h := newHeld(t, nil)
		h.add(Urgent, "u", 2, 8)
		seen := 0
		waitFor(t, "both items", func() bool {
			for _, e := range h.raft.entries()[seen:] {
				e.done <- c.from
				seen++
			}
			return len(h.errs) == 2
		})
		for range 2 {
			if err := <-h.errs; !errors.Is(err, c.want) || errors.Is(err, ErrUnknown) != (c.want == ErrUnknown) {
				t.Errorf("%v became %v", c.from, err)
			}
		}
	}
}

func TestProposer_NodeGoesDown_NobodyWaitsForEver(t *testing.T) {
	cfg := Default()
	down := make(chan struct{})
	r := &heldRaft{}
	p := newProposer(cfg, down, func() bool { return false }, r.apply)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { p.run(ctx); close(ran) }()
	got := make(chan error, 1)
	go func() { _, err := p.propose(context.Background(), Urgent, []byte("x")); got <- err }()
	waitFor(t, "the entry", func() bool { return len(r.entries()) == 1 })
	cancel()
	<-ran
	close(down)
	select {
	case err := <-got:
		if !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the caller still waits")
	}
}
