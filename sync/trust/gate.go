package trust

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of a door.
const (
	// HandshakeTime is how long a connection may take to prove who it is: two round
	// trips over the worst line with room for a loaded machine.
	HandshakeTime = 5 * time.Second
	// maxHalfOpen are the connections that have proven nothing: the stations of a
	// whole city that come back at once after a power cut.
	maxHalfOpen = 256
	// maxHalfOpenOf are those of one address, so that one machine that only opens
	// connections keeps nobody else out.
	maxHalfOpenOf = 64
	// halfOpenGrace is how long such a connection is safe from making room for a
	// newer one of its address.
	halfOpenGrace = time.Second
	// routeQueue are proven connections that wait for their server.
	routeQueue = 16
)

// Gate is a listener that speaks TLS 1.3 alone and hands each connection, once
// it has proven what its protocol asks for, to that protocol's listener (ALPN, RFC 7301).
type Gate struct {
	l      net.Listener
	h      *Holder
	log    *slog.Logger
	routes []*route

	mu     sync.Mutex // guards half and byAddr
	half   *list.List // of *halfOpen, the oldest first
	byAddr map[string]int
	freed  chan struct{}

	stats [reasons]atomic.Uint64
}

type halfOpen struct {
	conn  net.Conn
	addr  string
	since time.Time
	el    *list.Element
}

// NewGate takes over l; Run closes it. It starts nothing.
func NewGate(l net.Listener, h *Holder, log *slog.Logger) *Gate {
	return &Gate{l: l, h: h, log: log, half: list.New(), byAddr: map[string]int{}, freed: make(chan struct{}, 1)}
}

// route is a protocol of a gate, as its server sees it: a listener.
type route struct {
	g     *Gate
	proto string
	kinds []Kind
	plain bool // the server alone is verified
	any   bool // also for who offers no protocol
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Machines is the listener of a protocol that machines of these kinds alone may
// speak, both sides verified. Its connections close at once: what a peer that hangs has
// not taken is not waited for.
func (g *Gate) Machines(proto string, kinds ...Kind) net.Listener {
	return g.add(&route{proto: proto, kinds: kinds})
}

// Anyone is the listener of a protocol in which the server alone is verified; with
// unsaid also of clients that offer no protocol, as devices do.
func (g *Gate) Anyone(proto string, unsaid bool) net.Listener {
	return g.add(&route{proto: proto, plain: true, any: unsaid})
}

func (g *Gate) add(r *route) net.Listener {
	r.g, r.conns, r.done = g, make(chan net.Conn, routeQueue), make(chan struct{})
	g.routes = append(g.routes, r)
	return r
}

// Accept implements net.Listener.
func (r *route) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The gate goes on for its other protocols.
func (r *route) Close() error {
	r.once.Do(func() { close(r.done) })
	return nil
}

// Addr implements net.Listener.
func (r *route) Addr() net.Addr { return r.g.l.Addr() }

// Conn is a proven connection between machines. Close ends it at once.
type Conn struct {
	*tls.Conn
	refused *atomic.Bool // set when the other end turns this one's certificate away; nil at a door
}

// Read implements net.Conn. A server says what it thinks of a certificate after the
// client's handshake is done (RFC 8446, section 4.4.2.4), so that it is heard here first.
func (c Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.refused != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // an alert, as crypto/tls names it
			c.refused.Store(true)
		}
	}
	return n, err
}

// Close ends the connection without a word to a peer that may hang.
func (c Conn) Close() error { return c.NetConn().Close() }

// Addr is where the gate listens.
func (g *Gate) Addr() net.Addr { return g.l.Addr() }

// Run accepts until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, g.close)()
	for {
		c, err := g.l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close() // nobody serves it any more
			}
			return nil
		case passing(err):
			if !pause(ctx, acceptPause) {
				return nil
			}
			continue
		case err != nil:
			g.close()
			return fmt.Errorf("trust: accept on %s: %w", g.l.Addr(), err)
		}
		x := g.enter(ctx, c)
		if x == nil {
			_ = c.Close() // counted
			continue
		}
		wg.Go(func() { g.prove(ctx, x) })
	}
}

// acceptPause is how long nothing is accepted when the process is out of files.
const acceptPause = 100 * time.Millisecond

func passing(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// close ends the listener and whoever has proven nothing yet.
func (g *Gate) close() {
	_ = g.l.Close() // it may have ended by itself
	for _, r := range g.routes {
		_ = r.Close() // never fails
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for el := g.half.Front(); el != nil; el = el.Next() {
		_ = el.Value.(*halfOpen).conn.Close() // its handshake ends with it
	}
}

// enter gives a connection its place, or nil when it must go: an address that
// has its share makes room by its own oldest. When all places are taken by others,
// newcomers wait in the kernel's queue.
func (g *Gate) enter(ctx context.Context, c net.Conn) *halfOpen {
	addr := hostOf(c.RemoteAddr())
	for {
		g.mu.Lock()
		if g.byAddr[addr] >= maxHalfOpenOf && !g.evictLocked(addr) {
			g.mu.Unlock()
			g.stats[reasonFlood].Add(1)
			return nil
		}
		if g.half.Len() < maxHalfOpen || g.evictLocked("") {
			x := &halfOpen{conn: c, addr: addr, since: time.Now()}
			x.el = g.half.PushBack(x)
			g.byAddr[addr]++
			g.mu.Unlock()
			return x
		}
		g.mu.Unlock()
		select {
		case <-g.freed:
		case <-time.After(halfOpenGrace):
		case <-ctx.Done():
			return nil
		}
	}
}

// evictLocked closes the oldest of an address, or of all, that had its grace.
func (g *Gate) evictLocked(addr string) bool {
	for el := g.half.Front(); el != nil; el = el.Next() {
		x := el.Value.(*halfOpen)
		if addr != "" && x.addr != addr {
			continue
		}
		if time.Since(x.since) < halfOpenGrace {
			return false
		}
		g.stats[reasonFlood].Add(1)
		g.leaveLocked(x)
		_ = x.conn.Close() // its handshake ends with it
		return true
	}
	return false
}

func (g *Gate) leaveLocked(x *halfOpen) {
	if x.el == nil {
		return
	}
	g.half.Remove(x.el)
	x.el = nil
	if g.byAddr[x.addr]--; g.byAddr[x.addr] <= 0 {
		delete(g.byAddr, x.addr)
	}
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// prove does the handshake and hands the connection on.
func (g *Gate) prove(ctx context.Context, x *halfOpen) {
	var to *route
	t := tls.Server(x.conn, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, ErrVersion
		}
		if to = g.routeFor(hello.SupportedProtos); to == nil {
			return nil, ErrProtocol
		}
		return g.h.server(to), nil
	}})
	hs, cancel := context.WithTimeout(ctx, HandshakeTime)
	err := t.HandshakeContext(hs)
	cancel()
	g.mu.Lock()
	g.leaveLocked(x)
	g.mu.Unlock()
	if err != nil {
		_ = x.conn.Close() // it is turned away
		if ctx.Err() == nil {
			r := reasonOf(err)
			g.stats[r].Add(1)
			g.log.Debug("a connection was turned away", "door", g.l.Addr(), "remote", x.conn.RemoteAddr(), "reason", r, "err", err)
		}
		return
	}
	g.stats[reasonIn].Add(1)
	var c net.Conn = t
	if !to.plain {
		c = Conn{Conn: t}
	}
	select {
	case to.conns <- c:
	case <-to.done:
		_ = x.conn.Close() // its server has ended
	case <-ctx.Done():
		_ = x.conn.Close() // so has the gate
	}
}

func (g *Gate) routeFor(protos []string) *route {
	for _, r := range g.routes {
		if slices.Contains(protos, r.proto) || len(protos) == 0 && r.any {
			return r
		}
	}
	return nil
}

// ListenHTTPS opens a door for browsers and devices: addr, spoken HTTP/1.1 over TLS.
func ListenHTTPS(addr string, h *Holder, log *slog.Logger) (*Gate, net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	g := NewGate(l, h, log)
	return g, g.Anyone("http/1.1", true), nil
}

// Close frees the listener of a gate that does not run.
func (g *Gate) Close() error { return g.l.Close() }
