package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// patience is how long a test waits for what must come on a loaded machine.
const patience = 60 * time.Second

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
		<-tick.C
	}
}

// testNode is one node: its folder and the process that may run on it.
type testNode struct {
	t      testing.TB
	c      Config
	n      *Node
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done is closed
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newCity is n nodes that have not run yet; dir is where their folders go.
func newCity(t testing.TB, dir string, n int) []*testNode {
	t.Helper()
	var peers []Peer
	for i := range n {
		peers = append(peers, Peer{ID: fmt.Sprintf("core-%d", i+1), Raft: freeAddr(t)})
	}
	var out []*testNode
	for _, p := range peers {
		c := Config{ID: p.ID, Dir: filepath.Join(dir, p.ID), HTTP: "127.0.0.1:0", Raft: p.Raft, Sync: "127.0.0.1:0", Peers: peers,
			CityKey: filepath.Join(dir, "city.key"), ReserveMB: 1}
		out = append(out, &testNode{t: t, c: c})
	}
	t.Cleanup(func() {
		for _, x := range out {
			x.stop()
		}
	})
	return out
}

func (x *testNode) start() {
	x.t.Helper()
	var err error
	if x.n, err = New(x.c, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
		x.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel, x.done = cancel, make(chan struct{})
	go func() {
		x.err = x.n.Run(ctx)
		close(x.done)
	}()
}

func (x *testNode) stop() {
	if x.cancel != nil {
		x.cancel()
		<-x.done
		x.cancel = nil
	}
}

// ended waits until the process has ended by itself and gives the reason.
func (x *testNode) ended() error {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(patience):
		x.t.Fatalf("%s still runs", x.c.ID)
	}
	x.cancel()
	x.cancel = nil
	return x.err
}

// report sends a report to the city's door until it is answered for good.
func (x *testNode) report(n int, category record.Category) error {
	id := record.DerivedID("core-test", fmt.Append(nil, n))
	raw, err := json.Marshal(map[string]any{"id": id, "category": category, "text": "khói ở tầng hai", "location": map[string]any{"lat": 10.7769, "lon": 106.7009}})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		_, err = backend{x.n}.Report(context.Background(), identity.Device{ID: "app-1", Ward: "26704", Kind: "app"}, raw)
		var p *api.Error
		if !errors.As(err, &p) || p.Status != 503 || time.Now().After(deadline) {
			return err
		}
	}
}

func (x *testNode) mustReport(n int, category record.Category) {
	x.t.Helper()
	if err := x.report(n, category); err != nil {
		x.t.Fatalf("report %d at %s: %v", n, x.c.ID, err)
	}
}

// lists says whether the node's own state lists the report.
func (x *testNode) lists(n int) bool {
	rows, err := x.n.machine.Incident(record.DerivedID("core-test", fmt.Append(nil, n)))
	return err == nil && len(rows) > 0
}

func (x *testNode) digest() fsm.Digest {
	x.t.Helper()
	d, err := x.n.machine.Digest()
	if err != nil {
		x.t.Fatal(err)
	}
	return d
}

// same waits until all nodes have the same digest.
func same(t testing.TB, nodes []*testNode) {
	t.Helper()
	waitFor(t, "the same digest on all nodes", func() bool {
		d := nodes[0].digest()
		for _, x := range nodes[1:] {
			if x.digest() != d {
				return false
			}
		}
		return d.Index > 0
	})
}
