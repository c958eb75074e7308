package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"wardline/sync/wire"
)

// network is the wires between stations and core nodes. A direction that is
// blocked holds what is under way, as TCP does, until it is open again or the
// stream is given up; a cut ends every stream at once and refuses new ones.
type network struct {
	stop context.Context
	wg   sync.WaitGroup

	mu      sync.Mutex // guards all below
	r       *rand.Rand
	slow    time.Duration // at most, on top of the usual delay
	cut     [nodes]bool
	blocked [nodes][2]bool
	since   [nodes]time.Time // a direction is blocked
	changed chan struct{}
	links   map[*link]bool
}

const (
	up   = 0
	down = 1
	// pipe is how many frames one direction holds before Send waits.
	pipe = 4
	// keepalive is when a server ends a stream whose other end does not answer.
	keepalive = 8 * time.Second
)

var errBroken = errors.New("the stream is broken")

func newNetwork(stop context.Context, r *rand.Rand) *network {
	return &network{stop: stop, r: r, changed: make(chan struct{}), links: map[*link]bool{}}
}

// link is one stream's wire; each end has its own end of life.
type link struct {
	node           int
	client, server context.Context
	drop, hangup   context.CancelFunc // of the client, of the server
}

// set changes a node's wires; a cut ends what stands.
func (n *network) set(node int, cut, blockUp, blockDown bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.blocked[node]
	n.cut[node], n.blocked[node] = cut, [2]bool{blockUp, blockDown}
	if (blockUp || blockDown) && was == [2]bool{} {
		n.since[node] = time.Now()
	}
	close(n.changed)
	n.changed = make(chan struct{})
	if cut {
		n.breakLocked(node)
	}
}

// breakAll ends every stream of a node; -1 means all nodes.
func (n *network) breakAll(node int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.breakLocked(node)
}

func (n *network) breakLocked(node int) {
	for l := range n.links {
		if l.node == node || node < 0 {
			l.drop()
			l.hangup()
		}
	}
}

func (n *network) draw(k int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.r.IntN(k)
}

func (n *network) delay() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := time.Duration(1+n.r.IntN(30)) * time.Millisecond
	if n.slow > 0 {
		d += rand.N(n.slow)
	}
	return d
}

// open waits until a direction is open; false when ctx ends first.
func (n *network) open(ctx context.Context, node, way int) bool {
	for {
		n.mu.Lock()
		blocked, changed := n.blocked[node][way], n.changed
		n.mu.Unlock()
		if !blocked {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

type stamped[T any] struct {
	f   *T
	due time.Time
}

// end is one end of a stream.
type end[Out, In any] struct {
	n   *network
	ctx context.Context
	out chan stamped[Out]
	in  chan *In
}

func (e *end[Out, In]) Send(f *Out) error {
	if size := proto.Size(any(f).(proto.Message)); size > wire.MaxMessage {
		return fmt.Errorf("a frame of %d bytes, at most %d", size, wire.MaxMessage)
	}
	if e.ctx.Err() != nil {
		return errBroken
	}
	select {
	case e.out <- stamped[Out]{f, time.Now().Add(e.n.delay())}:
		return nil
	case <-e.ctx.Done():
		return errBroken
	}
}

func (e *end[Out, In]) Recv() (*In, error) {
	select { // what arrived just before the end may be lost or not
	case f := <-e.in:
		return f, nil
	case <-e.ctx.Done():
		return nil, errBroken
	}
}

// carry moves one direction's frames until the end that reads is gone.
func carry[T any](n *network, l *link, reader context.Context, way int, from chan stamped[T], to chan *T) {
	for {
		select {
		case <-reader.Done():
			return
		case m := <-from:
			if !sleep(reader, time.Until(m.due)) || !n.open(reader, l.node, way) {
				return
			}
			select {
			case to <- m.f:
			case <-reader.Done():
				return
			}
		}
	}
}

// dial opens a stream to a node and serves it there.
func dial[Out, In any](ctx context.Context, n *network, node int, serve func(context.Context, wire.Stream[In, Out]) error) (wire.Stream[Out, In], func(), error) {
	if !sleep(ctx, n.delay()) || !n.open(ctx, node, up) || !n.open(ctx, node, down) {
		return nil, nil, errBroken
	}
	l := &link{node: node}
	l.client, l.drop = context.WithCancel(ctx)
	l.server, l.hangup = context.WithCancel(n.stop)
	n.mu.Lock()
	refused := n.cut[node]
	if !refused {
		n.links[l] = true
		n.wg.Add(4)
	}
	n.mu.Unlock()
	if refused {
		l.drop()
		l.hangup()
		return nil, nil, errors.New("refused")
	}
	ups, downs := make(chan stamped[Out], pipe), make(chan stamped[In], pipe)
	c := &end[Out, In]{n, l.client, ups, make(chan *In)}
	s := &end[In, Out]{n, l.server, downs, make(chan *Out)}
	go func() { defer n.wg.Done(); carry(n, l, l.server, up, ups, s.in) }()
	go func() { defer n.wg.Done(); carry(n, l, l.client, down, downs, c.in) }()
	go func() {
		defer n.wg.Done()
		defer l.hangup()       // as gRPC ends the stream when the handler returns
		_ = serve(l.server, s) // what it ended with only the other end would learn
	}()
	go func() { defer n.wg.Done(); n.watch(l, func() bool { return len(ups) == 0 }) }()
	return c, l.drop, nil
}

// watch lets each end learn of the other's end, if the wire lets it.
func (n *network) watch(l *link, drained func() bool) {
	defer func() {
		n.mu.Lock()
		delete(n.links, l)
		n.mu.Unlock()
	}()
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	clientEnd, serverEnd := l.client.Done(), l.server.Done()
	for l.client.Err() == nil || l.server.Err() == nil {
		select { // each end's end once; then what the wire lets through decides
		case <-alive.C:
		case <-clientEnd:
			clientEnd = nil
		case <-serverEnd:
			serverEnd = nil
		}
		n.mu.Lock()
		dead := n.blocked[l.node] != [2]bool{} && time.Since(n.since[l.node]) > keepalive
		ups, downs := n.blocked[l.node][up], n.blocked[l.node][down]
		n.mu.Unlock()
		switch {
		case dead:
			l.hangup()
			if l.client.Err() == nil && !downs {
				l.drop()
			}
		case l.client.Err() != nil && l.server.Err() == nil && !ups:
			if n.draw(2) == 0 { // an orderly end: what was sent arrives first
				for end := time.Now().Add(time.Second); !drained() && time.Now().Before(end); {
					if !sleep(l.server, 50*time.Millisecond) {
						break
					}
				}
			}
			sleep(l.server, n.delay())
			l.hangup()
		case l.server.Err() != nil && l.client.Err() == nil && !downs:
			sleep(l.client, n.delay())
			l.drop()
		}
		if l.client.Err() != nil && l.server.Err() == nil && n.stop.Err() != nil {
			l.hangup()
		}
	}
}
