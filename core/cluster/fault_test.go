package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// smallLogs make a few hundred kilobytes enough for the log to be cut.
func smallLogs(c *Config) {
	c.SnapshotBytes, c.TrailingBytes, c.LogLimitBytes = 64<<10, 8<<10, 1<<30
	c.StreamGrace = 100 * time.Millisecond
}

// fill writes until every running node has cut its log.
func (c *testCity) fill(name string) (want []string) {
	c.t.Helper()
	marks := map[*testNode]uint64{}
	for _, n := range c.nodes {
		if n.running() {
			marks[n] = n.node.Stats().Mark
		}
	}
	i := 0
	waitFor(c.t, "all logs to be cut", func() bool {
		for range 4 {
			want = append(want, item(fmt.Sprintf("%s-%d", name, i), 4<<10))
			put(c.t, c.leader(), Routine, want[i])
			i++
		}
		for n, m := range marks {
			if n.node.Stats().Mark == m {
				return false
			}
			if first, _, err := n.node.log.span(); err != nil || first < 3 {
				return false
			}
		}
		return true
	})
	return want
}

// voters waits until n nodes run and each is a voter in its own eyes and in the leader's.
func (c *testCity) voters(n int) {
	c.t.Helper()
	waitFor(c.t, fmt.Sprintf("%d voters", n), func() bool {
		f := c.leader().node.raft.Load().GetConfiguration()
		if f.Error() != nil || len(f.Configuration().Servers) != n {
			return false
		}
		for _, s := range f.Configuration().Servers {
			if s.Suffrage != raft.Voter {
				return false
			}
		}
		voters := 0
		for _, tn := range c.nodes {
			if tn.running() && tn.node.Stats().Voter {
				voters++
			}
		}
		return voters == n
	})
}

func TestCluster_WipedNode_RejoinsBySnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, smallLogs).start()
	want := c.fill("old")
	x := c.follower()
	x.kill()
	x.wipe()
	stop := load(c.leader(), "load", 1000, 2)
	x.start()
	c.voters(3)
	c.same(append(want, stop()...))
	if x.state.installCount() == 0 {
		t.Fatal("the node was not sent a snapshot")
	}
	if x.node.me().Founded != nil {
		t.Fatal("a wiped node took itself for a founder")
	}
	// It counts again: with another node down, the two go on.
	for _, n := range c.nodes {
		if n != x {
			n.kill()
			break
		}
	}
	put(t, x, Urgent, "with the rejoined node")
}

func TestCluster_WipedVoter_CannotMakeUpAMajority(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	a, b, x := c.nodes[0], c.nodes[1], c.nodes[2]
	put(t, a, Urgent, "one")
	b.kill()
	put(t, a, Urgent, "on a and x only")
	lead := c.leader()
	x.kill()
	x.wipe()
	_ = lead
	a.kill()
	// Now b, which lacks the second item, and x, which forgot it, would be a
	// majority of two that lost something acknowledged.
	b.start()
	x.start()
	<-b.node.Ready()
	ctx, cancel := context.WithTimeout(context.Background(), 4*b.cfg.Heartbeat)
	defer cancel()
	if _, err := b.node.Propose(ctx, Urgent, []byte("behind the city's back")); err == nil {
		t.Fatal("a node that forgot made up a majority")
	}
	select {
	case <-x.node.Ready():
		t.Fatal("the wiped node started Raft before the others had taken it out")
	default:
	}
	a.start()
	c.voters(3)
	c.same([]string{"one", "on a and x only"})
}

func TestCluster_SlowFollower_LogIsKeptWhileItsSnapshotIsSent(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, func(c *Config) { smallLogs(c); c.StreamGrace = time.Minute }).start()
	slow := c.follower()
	slow.kill()
	want := c.fill("while it was away")
	slow.state.gate = make(chan struct{})
	open := sync.OnceFunc(func() { close(slow.state.gate) })
	defer open()
	slow.start()
	lead := c.leader()
	waitFor(t, "the snapshot to be under way", func() bool { return lead.node.Stats().SnapshotsSending > 0 })
	mark := lead.node.Stats().Mark
	for i := range 40 {
		want = append(want, item(fmt.Sprintf("meanwhile-%d", i), 8<<10))
		put(t, lead, Routine, want[len(want)-1])
	}
	if now := lead.node.Stats().Mark; now != mark || !lead.node.snaps.keepLog(time.Now()) {
		t.Fatalf("the log was cut to %d while a snapshot at %d was being sent", now, mark)
	}
	if err := lead.node.raft.Load().Snapshot().Error(); err == nil {
		t.Fatal("a snapshot mark was set while one was being sent")
	}
	open()
	c.same(want)
	if n := slow.state.installCount(); n != 1 {
		t.Fatalf("%d snapshots were needed", n)
	}
}

// slowStore is the disk with a knob: while stalled, writes do not come back.
type slowStore struct {
	raft.LogStore
	mu    sync.Mutex
	stall chan struct{}
	fail  error
}

func (s *slowStore) set(stall chan struct{}, fail error) {
	s.mu.Lock()
	s.stall, s.fail = stall, fail
	s.mu.Unlock()
}

func (s *slowStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *slowStore) StoreLogs(l []*raft.Log) error {
	s.mu.Lock()
	stall, fail := s.stall, s.fail
	s.mu.Unlock()
	if stall != nil {
		<-stall
	}
	if fail != nil {
		return fail
	}
	return s.LogStore.StoreLogs(l)
}

// withDisks gives every node a disk with knobs.
func (c *testCity) withDisks() map[*testNode]*slowStore {
	disks := map[*testNode]*slowStore{}
	for _, n := range c.nodes {
		d := &slowStore{}
		disks[n] = d
		n.wrap = func(s raft.LogStore) raft.LogStore { d.LogStore = s; return d }
	}
	return disks
}

func TestCluster_LeadersDiskStalls_ItEndsAndAnotherLeads(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, func(c *Config) { c.StallLimit = 3 * time.Second })
	disks := c.withDisks()
	c.start()
	lead := c.leader()
	put(t, lead, Urgent, "before")
	release := make(chan struct{})
	defer close(release)
	disks[lead].set(release, nil)
	stuck := make(chan error, 1)
	go func() {
		_, err := lead.node.Propose(context.Background(), Urgent, []byte("stuck"))
		stuck <- err
	}()
	lead.ended()
	var stall *StallError
	if !errors.As(lead.err, &stall) || stall.Op != "store log" {
		t.Fatalf("Run: %v", lead.err)
	}
	if err := <-stuck; !errors.Is(err, ErrUnknown) {
		t.Fatalf("the item under way: %v", err)
	}
	put(t, c.leader(), Urgent, "after")
	c.same([]string{"before", "after"})
}

func TestCluster_ApplyStalls_NodeEnds(t *testing.T) {
	t.Parallel()
	c := newCity(t, 1, func(c *Config) { c.StallLimit = 500 * time.Millisecond })
	n := c.nodes[0]
	n.state = openFileState(t, n.cfg.Dir+".state")
	n.state.hold = make(chan struct{})
	defer close(n.state.hold)
	n.start()
	c.leader()
	_, err := n.node.Propose(context.Background(), Urgent, []byte("stuck"))
	if !errors.Is(err, ErrUnknown) {
		t.Fatalf("Propose: %v", err)
	}
	n.ended()
	var stall *StallError
	if !errors.As(n.err, &stall) || stall.Op != "apply" {
		t.Fatalf("Run: %v", n.err)
	}
}

func TestWatchdog_LongApplyThatGoesOn_IsNoStall(t *testing.T) {
	w := newWatchdog(time.Second)
	done := uint64(7)
	end := w.beginLong("apply", func() uint64 { return done })
	defer end()
	now := time.Now()
	for range 10 {
		now = now.Add(900 * time.Millisecond)
		done++
		if s := w.stalled(now); s != nil {
			t.Fatalf("called stalled while it went on: %v", s)
		}
	}
	if s := w.stalled(now.Add(1100 * time.Millisecond)); s == nil || s.Op != "apply" {
		t.Fatal("not called stalled although nothing moved")
	}
}

func TestCluster_FirstFailedSync_EndsTheNode(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil)
	disks := c.withDisks()
	c.start()
	lead := c.leader()
	put(t, lead, Urgent, "before")
	broken := errors.New("input/output error")
	disks[lead].set(nil, broken)
	_, err := lead.node.Propose(context.Background(), Urgent, []byte("not synced"))
	if err == nil {
		t.Fatal("acknowledged without a sync")
	}
	lead.ended()
	if !errors.Is(lead.err, ErrDisk) {
		t.Fatalf("Run: %v", lead.err)
	}
	put(t, c.leader(), Urgent, "after")
}

func TestCluster_StateFails_NodeEndsAndNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	c := newCity(t, 1, nil).start()
	n := c.leader()
	put(t, n, Urgent, "good")
	n.state.mu.Lock()
	n.state.failWith = errors.New("the table is gone")
	n.state.mu.Unlock()
	if _, err := n.node.Propose(context.Background(), Urgent, []byte("bad")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("Propose: %v", err)
	}
	n.ended()
	if !errors.Is(n.err, ErrState) {
		t.Fatalf("Run: %v", n.err)
	}
}

func TestCluster_StateWithAHole_WipesItselfOnlyThroughTheOthers(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, smallLogs).start()
	want := c.fill("all")
	x := c.follower()
	x.kill()
	if err := x.state.Reset(); err != nil { // the State fell back, the log no longer has it
		t.Fatal(err)
	}
	var others []*testNode
	for _, n := range c.nodes {
		if n != x {
			others = append(others, n)
		}
	}
	x.start()
	x.ended()
	if !errors.Is(x.err, ErrRejoin) {
		t.Fatalf("Run: %v", x.err)
	}
	// With the others away it must keep what it has.
	others[0].kill()
	others[1].kill()
	x.start()
	log := filepath.Join(x.cfg.Dir, logFolder)
	waitFor(t, "the node to listen", func() bool { _, err := x.node.askStatus(context.Background(), x.addr); return err == nil })
	if _, err := os.Stat(log); err != nil {
		t.Fatalf("the node wiped itself alone: %v", err)
	}
	if x.running() && x.node.raft.Load() != nil {
		t.Fatal("a node with a hole takes part")
	}
	others[0].start()
	others[1].start()
	c.voters(3)
	c.same(want)
	if _, err := os.Stat(filepath.Join(x.cfg.Dir, rejoinName)); err == nil {
		t.Fatal("the mark is still there")
	}
}

func TestCluster_StateLostItsEnd_RepairedFromTheLog(t *testing.T) {
	t.Parallel()
	c := newCity(t, 1, func(c *Config) { smallLogs(c); c.TrailingBytes = 16 << 20 }).start()
	n := c.leader()
	var want []string
	for i := range 40 {
		want = append(want, item(fmt.Sprintf("item-%d", i), 4<<10))
		put(t, n, Urgent, want[i])
	}
	waitFor(t, "a snapshot mark", func() bool { return n.node.Stats().Mark > 0 })
	for i := range 10 { // and some after the mark
		want = append(want, fmt.Sprintf("after-%d", i))
		put(t, n, Urgent, want[len(want)-1])
	}
	n.kill()
	// All synced, and lost all the same: a flipped bit in the first record.
	if err := n.state.Reset(); err != nil {
		t.Fatal(err)
	}
	n.start()
	c.same(want)
}

func TestCluster_LogLostItsTail_IsNotTrusted(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	put(t, c.nodes[0], Urgent, "one")
	c.same([]string{"one"})
	x := c.follower()
	x.kill()
	cfg := x.cfg
	store, _, closer, err := openLog(cfg, raftLog(discard()))
	if err != nil {
		t.Fatal(err)
	}
	last, err := store.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.DeleteRange(last-1, last), closer.Close()); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.ended()
	if !errors.Is(x.err, ErrRejoin) {
		t.Fatalf("Run: %v", x.err)
	}
	x.start()
	c.voters(3)
	c.same([]string{"one"})
}
