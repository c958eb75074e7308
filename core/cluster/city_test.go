package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// patience is how long a test waits for what must come on a loaded machine.
const patience = 60 * time.Second

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
		<-tick.C
	}
}

// testNode is one core node: its folder, its State and the process that may run on them.
type testNode struct {
	t     testing.TB
	cfg   Config
	addr  string
	state *fileState
	bare  State // used in place of state when set
	wrap  func(raft.LogStore) raft.LogStore
	tune  func(*Node)
	lossy *lossy

	node   *Node
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// testCity is a cluster on loopback.
type testCity struct {
	t     testing.TB
	nodes []*testNode
}

// freeAddr finds a port that nobody has now.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newCity(t testing.TB, n int, tune func(*Config)) *testCity {
	t.Helper()
	c := &testCity{t: t}
	var peers []Peer
	for i := range n {
		peers = append(peers, Peer{fmt.Sprintf("core-%d", i+1), freeAddr(t)})
	}
	for _, p := range peers {
		c.add(p, peers, tune)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop()
			if n.state != nil {
				n.state.close()
			}
		}
	})
	return c
}

func (c *testCity) add(p Peer, peers []Peer, tune func(*Config)) *testNode {
	cfg := Default()
	cfg.ID, cfg.Dir, cfg.Peers = p.ID, filepath.Join(c.t.TempDir(), p.ID), peers
	cfg.Heartbeat, cfg.Lease = 500*time.Millisecond, 400*time.Millisecond
	cfg.StallLimit = 20 * time.Second // the machine is loaded; tests of the watchdog set their own
	cfg.ReserveBytes, cfg.BallastBytes = 1<<20, 0
	if tune != nil {
		tune(&cfg)
	}
	n := &testNode{t: c.t, cfg: cfg, addr: p.Addr, lossy: &lossy{}}
	c.nodes = append(c.nodes, n)
	return n
}

// start runs the node's process.
func (n *testNode) start() {
	n.t.Helper()
	if n.state == nil {
		n.state = openFileState(n.t, n.cfg.Dir+".state")
	}
	l, err := net.Listen("tcp", n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("WARDLINE_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var state State = n.state
	if n.bare != nil {
		state = n.bare
	}
	n.node, err = New(n.cfg, state, Deps{Listener: n.lossy.listener(l), Dial: n.lossy.dial, Log: log, WrapLog: n.wrap})
	if err != nil {
		n.t.Fatal(err)
	}
	if n.tune != nil {
		n.tune(n.node)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.done = cancel, make(chan struct{})
	go func(node *Node, done chan struct{}) {
		n.err = node.Run(ctx)
		close(done)
	}(n.node, n.done)
}

// stop ends the process as SIGTERM does; kill as SIGKILL does.
func (n *testNode) stop() {
	if n.cancel != nil {
		n.cancel()
		<-n.done
		n.cancel = nil
	}
}

// ended waits until the process has ended by itself; why is in err.
func (n *testNode) ended() {
	n.t.Helper()
	select {
	case <-n.done:
		n.cancel()
		n.cancel = nil
	case <-time.After(patience):
		n.t.Fatalf("%s still runs", n.cfg.ID)
	}
}

var errKilled = errors.New("killed by the test")

func (n *testNode) kill() {
	n.node.fail(errKilled)
	<-n.done
	n.cancel()
	n.cancel = nil
}

// wipe empties the disk.
func (n *testNode) wipe() {
	n.state.close()
	n.state = nil
	for _, d := range []string{n.cfg.Dir, n.cfg.Dir + ".state"} {
		if err := os.RemoveAll(d); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *testNode) running() bool { return n.cancel != nil }

func (c *testCity) start() *testCity {
	for _, n := range c.nodes {
		n.start()
	}
	return c
}

// leader waits until exactly one running node leads in truth.
func (c *testCity) leader() *testNode {
	c.t.Helper()
	var lead *testNode
	waitFor(c.t, "a leader", func() bool {
		for _, n := range c.nodes {
			if n.running() && n.node.IsLeader() {
				lead = n
				return true
			}
		}
		return false
	})
	return lead
}

func (c *testCity) follower() *testNode {
	lead := c.leader()
	for _, n := range c.nodes {
		if n.running() && n != lead {
			return n
		}
	}
	c.t.Fatal("no follower")
	return nil
}

// put proposes until it is known to be committed, as a station would.
func put(t testing.TB, n *testNode, lane Lane, item string) {
	t.Helper()
	if err := putErr(n, lane, item); err != nil {
		t.Fatalf("propose %.20q on %s: %v", item, n.cfg.ID, err)
	}
}

func putErr(n *testNode, lane Lane, item string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, err := n.node.Propose(ctx, lane, []byte(item))
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return err
		}
	}
}

// same waits until all running nodes have the same items, want among them, each once.
func (c *testCity) same(want []string) {
	c.t.Helper()
	waitFor(c.t, "the same state on all nodes", func() bool {
		var first []string
		for _, n := range c.nodes {
			if !n.running() {
				continue
			}
			items := n.state.snapshotItems()
			if first == nil {
				first = items
			}
			if len(items) < len(want) || !slices.Equal(first, items) {
				return false
			}
		}
		return true
	})
	have := map[string]int{}
	for _, it := range c.leader().state.snapshotItems() {
		have[it]++
	}
	for _, w := range want {
		if have[w] != 1 {
			c.t.Fatalf("%q is there %d times", w, have[w])
		}
	}
}

// load proposes numbered items on a node from some goroutines until stop; what
// was acknowledged is in the result.
func load(n *testNode, name string, size int, goroutines int) (stop func() []string) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked []string
	var end atomic.Bool
	for g := range goroutines {
		wg.Go(func() {
			for i := 0; !end.Load(); i++ {
				it := item(fmt.Sprintf("%s-%d-%d", name, g, i), size)
				if putErr(n, Lane(i%2), it) != nil {
					continue
				}
				mu.Lock()
				acked = append(acked, it)
				mu.Unlock()
			}
		})
	}
	return func() []string {
		end.Store(true)
		wg.Wait()
		return acked
	}
}

// item is a name made up to a size, with nothing in it that packing could save.
func item(name string, size int) string {
	fill := make([]byte, max(0, size-len(name)))
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(fill)
	return name + string(fill)
}

// lossy is one node's network: while cut, nothing arrives and nothing leaves,
// and nobody is told.
type lossy struct {
	mu    sync.Mutex
	cut   bool
	conns map[*lossyConn]bool
}

func (l *lossy) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if !cut {
		for c := range l.conns { // bytes are missing in them
			c.Conn.Close()
		}
	}
}

func (l *lossy) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *lossy) conn(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	lc := &lossyConn{c, l}
	if l.conns == nil {
		l.conns = map[*lossyConn]bool{}
	}
	l.conns[lc] = true
	return lc
}

func (l *lossy) dial(ctx context.Context, addr string) (net.Conn, error) {
	if l.isCut() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.conn(c), nil
}

func (l *lossy) listener(in net.Listener) net.Listener { return lossyListener{in, l} }

type lossyListener struct {
	net.Listener
	l *lossy
}

func (l lossyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.l.conn(c), nil
}

type lossyConn struct {
	net.Conn
	l *lossy
}

func (c *lossyConn) Write(p []byte) (int, error) {
	if c.l.isCut() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *lossyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.l.isCut() {
			return n, err
		}
	}
}

func (c *lossyConn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fakeFree is a disk's free space with a knob.
type fakeFree struct{ v atomic.Int64 }

func (f *fakeFree) get(string) (int64, error) { return f.v.Load(), nil }
