package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFounding_OnlyWhenNobodyHasRun(t *testing.T) {
	cfg := Default()
	cfg.ID, cfg.Peers = "a", []Peer{{"a", "1"}, {"b", "2"}, {"c", "3"}}
	me := identity{ID: "a", Birth: "a1"}
	fresh := func(id string) status {
		return status{identity: identity{ID: id, Birth: id + "1"}, Founders: "a b c"}
	}
	member := func(id string, founded map[string]string) status {
		s := fresh(id)
		s.Member, s.Founded = true, founded
		return s
	}
	all := map[string]string{"a": "a1", "b": "b1", "c": "c1"}
	for name, c := range map[string]struct {
		others  map[string]status
		founded bool
		err     error
	}{
		"all empty":                 {map[string]status{"b": fresh("b"), "c": fresh("c")}, true, nil},
		"one not reached":           {map[string]status{"b": fresh("b")}, false, errWait},
		"nobody reached":            {nil, false, errWait},
		"one founded with us":       {map[string]status{"b": member("b", all)}, true, nil},
		"one founded, disk is new":  {map[string]status{"b": member("b", map[string]string{"a": "a0", "b": "b1", "c": "c1"}), "c": fresh("c")}, false, nil},
		"one joined, not a founder": {map[string]status{"b": member("b", nil), "c": fresh("c")}, false, nil},
	} {
		founded, err := founding(cfg, me, c.others)
		if (founded != nil) != c.founded || !errors.Is(err, c.err) || c.founded && founded["a"] != "a1" {
			t.Errorf("%s: %v, %v", name, founded, err)
		}
	}
	other := fresh("b")
	other.Founders = "a b"
	if _, err := founding(cfg, me, map[string]status{"b": other}); err == nil || errors.Is(err, errWait) || !strings.Contains(err.Error(), "[a b]") {
		t.Errorf("different lists: %v", err)
	}
}

func TestCluster_NewNode_JoinsVotesAndIsRemoved(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, smallLogs).start()
	want := c.fill("before")
	n := c.add(Peer{"core-4", freeAddr(t)}, c.nodes[0].cfg.Peers, smallLogs)
	n.start()
	c.voters(4)
	put(t, n, Urgent, "through the new one")
	c.same(append(want, "through the new one"))

	// An impostor under a living node's name is turned away.
	imp := c.add(Peer{"core-4", freeAddr(t)}, c.nodes[0].cfg.Peers, nil)
	imp.cfg.Dir += "-impostor"
	imp.start()
	imp.ended()
	if !errors.Is(imp.err, ErrRefused) {
		t.Fatalf("the impostor: %v", imp.err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	waitFor(t, "the removal", func() bool { return c.follower().node.RemoveNode(ctx, "core-4") == nil })
	n.ended()
	if !errors.Is(n.err, ErrRemoved) {
		t.Fatalf("the removed node: %v", n.err)
	}
	c.voters(3)
}

func TestCluster_AllNodesMove_FindEachOtherByTheConfiguration(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	put(t, c.nodes[0], Urgent, "at the old addresses")
	var peers []Peer
	for _, n := range c.nodes {
		n.stop()
		n.addr = freeAddr(t)
		peers = append(peers, Peer{n.cfg.ID, n.addr})
	}
	for _, n := range c.nodes {
		n.cfg.Peers = peers
		n.start()
	}
	put(t, c.nodes[1], Urgent, "at the new ones")
	c.same([]string{"at the old addresses", "at the new ones"})
}

func TestNode_FolderOfAnother_IsRefused(t *testing.T) {
	t.Parallel()
	c := newCity(t, 1, nil).start()
	n := c.leader()
	second := *n
	second.addr = freeAddr(t)
	second.start()
	second.ended()
	if second.err == nil {
		t.Fatal("two processes in one folder")
	}
	n.stop()
	cfg := n.cfg
	cfg.ID, cfg.Peers = "core-9", []Peer{{"core-9", n.addr}}
	l, err := net.Listen("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	node, err := New(cfg, n.state, Deps{Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "core-1") {
		t.Fatalf("another id: %v", err)
	}
}

func TestCluster_KilledWhileFounding_FoundsAgain(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	c.leader()
	n := c.follower()
	founded := n.node.me().Founded
	n.kill()
	// As if it had been killed after the log was written and before the identity was.
	// Its log must hold no more than the founding entry for that.
	id := identity{ID: n.cfg.ID, Birth: founded[n.cfg.ID]}
	for _, d := range []string{logFolder, markName} {
		if err := removeFile(n.cfg.Dir, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeJSON(n.cfg.Dir, identityName, id); err != nil {
		t.Fatal(err)
	}
	n.start()
	c.voters(3)
	put(t, n, Urgent, "one")
	c.same([]string{"one"})
}

func TestSpace_Levels_BallastAndGate(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSpace(dir, 1000, 4096, nil)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, ballastName)
	if st, err := os.Stat(ballast); err != nil || st.Size() != 4096 {
		t.Fatalf("ballast: %v", err)
	}
	for free, want := range map[int64]SpaceLevel{1000: SpacePlenty, 999: SpaceLow, 500: SpaceLow, 499: SpaceCritical} {
		s.free = func(string) (int64, error) { return free, nil }
		if got, err := s.Level(); got != want || err != nil {
			t.Errorf("%d free: level %d, not %d (%v)", free, got, want, err)
		}
	}
	s.free = func(string) (int64, error) { return 10, nil }
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ballast); err == nil {
		t.Fatal("the ballast was kept on a full disk")
	}
	s.free = func(string) (int64, error) { return 5095, nil }
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ballast); err == nil {
		t.Fatal("the ballast was made although it eats the reserve")
	}
	s.free = func(string) (int64, error) { return 5096, nil }
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ballast); err != nil {
		t.Fatal("the ballast was not made again")
	}
}

func TestCluster_LeadersDiskFills_HandsOverThenEnds(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil)
	free := map[*testNode]*fakeFree{}
	for _, n := range c.nodes {
		f := &fakeFree{}
		f.v.Store(1 << 30)
		free[n] = f
		s, err := OpenSpace(n.cfg.Dir, 1000, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.free = f.get
		n.tune = func(node *Node) { node.space = s }
	}
	c.start()
	old := c.leader()
	free[old].v.Store(700)
	waitFor(t, "another leader", func() bool { return c.leader() != old })
	put(t, old, Routine, "through the other one")
	old.node.prop.wake <- struct{}{}
	if _, err := old.node.prop.propose(context.Background(), Routine, []byte("here")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("routine on a full disk: %v", err)
	}
	free[old].v.Store(400)
	old.ended()
	if !errors.Is(old.err, ErrDiskFull) {
		t.Fatalf("Run: %v", old.err)
	}
	// And it does not open anything before there is room.
	old.start()
	old.ended()
	if !errors.Is(old.err, ErrDiskFull) {
		t.Fatalf("Run: %v", old.err)
	}
	c.same([]string{"through the other one"})
}

func TestClocks_MedianOfFreshReadings_NamesTheFarOne(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		heard clocks
		ahead time.Duration
		far   string
	}{
		"alone":             {nil, 0, ""},
		"three":             {clocks{"b": {ahead: 2 * time.Second, at: now}, "c": {ahead: time.Hour, at: now}}, 2 * time.Second, "c"},
		"own clock is off":  {clocks{"b": {ahead: -time.Hour, at: now}, "c": {ahead: -time.Hour, at: now}}, -time.Hour, "a"},
		"one is long gone":  {clocks{"b": {ahead: 2 * time.Second, at: now}, "c": {ahead: time.Hour, at: now.Add(-time.Minute)}}, 0, ""},
		"two, one is ahead": {clocks{"b": {ahead: time.Hour, at: now}}, 0, "b"},
	} {
		ahead, all := c.heard.median("a", now)
		far := ""
		for _, x := range all {
			if x.Far {
				far += x.ID
			}
		}
		if ahead != c.ahead || far != c.far {
			t.Errorf("%s: %s, %q", name, ahead, far)
		}
	}
}

func TestCluster_OneClockIsWrong_TheMedianIsNot(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil)
	for i, n := range c.nodes {
		n.tune = func(node *Node) {
			if i == 0 {
				node.wall = func() time.Time { return time.Now().Add(-3 * time.Hour) }
			}
		}
	}
	c.start()
	c.leader()
	waitFor(t, "all clocks on every node", func() bool {
		for _, n := range c.nodes {
			at, all := n.node.Median(context.Background())
			if len(all) != 3 || !all[0].Far || all[1].Far || all[2].Far || time.Since(at).Abs() > clockFar {
				return false
			}
		}
		return true
	})
}

func TestConfig_Errors_NameTheField(t *testing.T) {
	good := Default()
	good.ID, good.Dir, good.Peers = "a", "/x", []Peer{{"a", "h:1"}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Config){
		"id is":       func(c *Config) { c.ID = "" },
		"dir is":      func(c *Config) { c.Dir = "" },
		"peers is":    func(c *Config) { c.Peers = nil },
		"peers[1]":    func(c *Config) { c.Peers = []Peer{{"a", "h:1"}, {"a", "h:2"}} },
		"log_store":   func(c *Config) { c.LogStore = "etcd" },
		"heartbeat":   func(c *Config) { c.Heartbeat = time.Minute },
		"lease":       func(c *Config) { c.Lease = 2 * c.Heartbeat },
		"stall_limit": func(c *Config) { c.StallLimit = 0 },
		"queues":      func(c *Config) { c.UrgentItems = 0 },
		"log_limit":   func(c *Config) { c.LogLimitBytes = 1 },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
