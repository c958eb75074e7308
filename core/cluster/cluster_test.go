package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestCluster_ItemsOnAnyNode_AppliedOnceInOneOrderOnAll(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	c.leader()
	var want []string
	for i := range 30 {
		it := fmt.Sprintf("item-%d", i)
		put(t, c.nodes[i%3], Lane(i%2), it)
		put(t, c.nodes[(i+1)%3], Urgent, it) // said twice
		want = append(want, it)
	}
	c.same(want)
}

func TestCluster_LeaderKilled_NothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	lead := c.leader()
	stop := load(c.follower(), "load", 300, 4)
	waitFor(t, "some items", func() bool { return len(lead.state.snapshotItems()) > 50 })
	lead.kill()
	next := c.leader()
	if next == lead {
		t.Fatal("the killed node leads")
	}
	n := len(next.state.snapshotItems())
	waitFor(t, "items under the new leader", func() bool { return len(next.state.snapshotItems()) > n+50 })
	lead.start()
	c.same(stop())
}

func TestCluster_AllRestarted_ContinuesWhereItWas(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"wal", "bolt"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			c := newCity(t, 3, func(c *Config) { c.LogStore = store }).start()
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprintf("before-%d", i))
				put(t, c.nodes[0], Urgent, want[i])
			}
			for _, n := range c.nodes {
				n.kill()
			}
			for _, n := range c.nodes {
				n.state.close()
				n.state = nil // read again from the disk
			}
			c.start()
			put(t, c.nodes[1], Urgent, "after")
			c.same(append(want, "after"))
		})
	}
}

func TestCluster_Shutdown_LeaderHandsOverFirst(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	lead := c.leader()
	put(t, lead, Urgent, "one")
	for _, n := range c.nodes { // from here on nobody calls an election by itself
		r := n.node.raft.Load()
		rc := r.ReloadableConfig()
		rc.HeartbeatTimeout, rc.ElectionTimeout = time.Hour, time.Hour
		if n != lead {
			if err := r.ReloadConfig(rc); err != nil {
				t.Fatal(err)
			}
		}
	}
	lead.stop()
	if lead.err != nil {
		t.Fatalf("Run: %v", lead.err)
	}
	put(t, c.leader(), Urgent, "two")
}

func TestCluster_CutOffLeader_AnswersNoReadAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, func(c *Config) { c.LeaderWait = 500 * time.Millisecond }).start()
	old := c.leader()
	put(t, old, Urgent, "seen by all")
	old.lossy.set(true)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := old.node.ReadIndex(ctx); err == nil {
		t.Fatal("a leader that nobody hears answered a linearizable read")
	}
	var next *testNode
	waitFor(t, "another leader", func() bool {
		for _, n := range c.nodes {
			if n != old && n.node.IsLeader() {
				next = n
			}
		}
		return next != nil
	})
	put(t, next, Urgent, "unseen by the old leader")
	if err := old.node.ReadIndex(ctx); err == nil {
		t.Fatal("a cut-off node answered a linearizable read")
	}
	if _, err := old.node.Propose(ctx, Urgent, []byte("into the void")); err == nil {
		t.Fatal("a cut-off node committed")
	}
	old.lossy.set(false)
	waitFor(t, "the old leader's reads", func() bool { return old.node.ReadIndex(ctx) == nil })
	c.same([]string{"seen by all", "unseen by the old leader"})
}

func TestReadIndex_OnEveryNode_SeesWhatWasAcknowledgedBefore(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	c.leader()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range 30 {
		it := fmt.Sprintf("item-%d", i)
		put(t, c.nodes[i%3], Urgent, it)
		reader := c.nodes[(i+1)%3]
		if err := reader.node.ReadIndex(ctx); err != nil {
			t.Fatal(err)
		}
		reader.state.mu.Lock()
		_, ok := reader.state.pos[it]
		reader.state.mu.Unlock()
		if !ok {
			t.Fatalf("%s was acknowledged before the read on %s and is not there", it, reader.cfg.ID)
		}
	}
}

func TestPropose_Limits_SaidBeforeAnythingIsTaken(t *testing.T) {
	t.Parallel()
	c := newCity(t, 1, nil).start()
	n := c.leader()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, size := range []int{0, MaxItem + 1} {
		if _, err := n.node.Propose(ctx, Urgent, make([]byte, size)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := n.node.Propose(ctx, Routine, make([]byte, MaxItem)); err != nil {
		t.Errorf("the largest item: %v", err)
	}
	n.stop()
	if _, err := n.node.Propose(ctx, Urgent, []byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
