package broker

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"

	"wardline/sync/proxies"
)

// halfOpenGrace is how long a connection that has not said CONNECT is safe from
// being closed for a newer one when the gate is full: the time a slow mobile
// connection needs for two round trips.
const halfOpenGrace = time.Second

const (
	// maxAside are the connections that wait aside because their address has its share:
	// the phones behind one address of a mobile network that come back together.
	maxAside = 4096
	// asideEvery is how often such a one looks for a place, asideTime how long.
	asideEvery = 250 * time.Millisecond
	asideTime  = 20 * time.Second
)

// gate bounds the connections that have not logged in. One address has half of the
// places; what comes from it beyond that waits aside and holds nobody up. When the gate is full, the oldest
// one that is still silent after halfOpenGrace makes room; until there is one,
// nothing is accepted and newcomers wait in the kernel's queue. So somebody who
// only opens connections slows the logins of one address down, and keeps no device out.
// A server in front of the station speaks for many and has no share; whom it speaks for has.
type gate struct {
	max    int
	fronts proxies.List
	freed  chan struct{} // somebody left; capacity 1

	mu     sync.Mutex // guards what follows
	half   *list.List // of *pass, the oldest first
	byAddr map[string]int
	aside  int
	closed uint64 // connections closed for a newer one
}

// pass is one connection's place in the gate.
type pass struct {
	g     *gate
	conn  net.Conn
	addr  string
	since time.Time
	busy  bool          // CONNECT has been read, it is being checked
	el    *list.Element // nil once it has left
}

func newGate(max int, fronts proxies.List) *gate {
	return &gate{max: max, fronts: fronts, freed: make(chan struct{}, 1), half: list.New(), byAddr: map[string]int{}}
}

// enter waits for a place; nil when ctx ends first, or, with aside, when the address of
// the connection has its share.
func (g *gate) enter(ctx context.Context, conn net.Conn) (p *pass, aside bool) {
	for {
		p, wait, share := g.tryEnter(conn, time.Now())
		if p != nil || share {
			return p, share
		}
		timer := time.NewTimer(wait)
		select {
		case <-g.freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, false
		}
		timer.Stop()
	}
}

// tryEnter takes a place, or says how long until there may be one. share: the address
// has as many as it may have.
func (g *gate) tryEnter(conn net.Conn, now time.Time) (p *pass, wait time.Duration, share bool) {
	addr := addrOf(conn.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	share = !g.fronts.Has(conn.RemoteAddr()) && g.fullLocked(addr)
	if share {
		if wait = g.evictLocked(now, addr); wait > 0 {
			return nil, wait, true
		}
	}
	if g.half.Len() >= g.max {
		if wait = g.evictLocked(now, ""); wait > 0 {
			return nil, wait, false
		}
	}
	p = &pass{g: g, conn: conn, addr: addr, since: now}
	p.el = g.half.PushBack(p)
	g.byAddr[addr]++
	return p, 0, false
}

func (g *gate) fullLocked(addr string) bool { return g.byAddr[addr] >= max(1, g.max/2) }

// evictLocked closes the oldest silent connection, of one address or of any (""), and returns 0; if
// none is old enough it says how long until one may be.
func (g *gate) evictLocked(now time.Time, addr string) (wait time.Duration) {
	for el := g.half.Front(); el != nil; el = el.Next() {
		old := el.Value.(*pass)
		if old.busy || addr != "" && old.addr != addr {
			continue
		}
		if age := now.Sub(old.since); age < halfOpenGrace {
			return halfOpenGrace - age
		}
		g.closed++
		g.leaveLocked(old)
		_ = old.conn.Close()
		return 0
	}
	return halfOpenGrace
}

func addrOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// goAside counts a connection that waits aside in, until comeBack; false when too many do.
func (g *gate) goAside() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.aside >= maxAside {
		g.closed++
		return false
	}
	g.aside++
	return true
}

func (g *gate) comeBack() {
	g.mu.Lock()
	g.aside--
	g.mu.Unlock()
}

// waitAside waits for a place of the connection's address; nil when none came in time.
func (g *gate) waitAside(ctx context.Context, conn net.Conn) *pass {
	t := time.NewTicker(asideEvery)
	defer t.Stop()
	for end := time.Now().Add(asideTime); ; {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			if p, _, _ := g.tryEnter(conn, now); p != nil {
				return p
			}
			if now.After(end) {
				g.mu.Lock()
				g.closed++
				g.mu.Unlock()
				return nil
			}
		}
	}
}

// move gives the place to the address for which a server in front speaks; false when
// that has its share.
func (p *pass) move(from net.Addr, now time.Time) bool {
	addr := addrOf(from)
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.el == nil {
		return false // it has been closed for a newer one
	}
	if !p.g.fronts.Has(from) && p.g.fullLocked(addr) && p.g.evictLocked(now, addr) > 0 {
		return false
	}
	p.g.forgetLocked(p.addr)
	p.addr = addr
	p.g.byAddr[addr]++
	return true
}

// check marks the connection as being checked: it has said CONNECT and is not
// closed for a newer one.
func (p *pass) check() {
	p.g.mu.Lock()
	p.busy = true
	p.g.mu.Unlock()
}

// leave gives the place back; it may be called again.
func (p *pass) leave() {
	p.g.mu.Lock()
	p.g.leaveLocked(p)
	p.g.mu.Unlock()
}

func (g *gate) leaveLocked(p *pass) {
	if p.el == nil {
		return
	}
	g.half.Remove(p.el)
	p.el = nil
	g.forgetLocked(p.addr)
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

func (g *gate) forgetLocked(addr string) {
	if g.byAddr[addr]--; g.byAddr[addr] <= 0 {
		delete(g.byAddr, addr)
	}
}

// count is how many have not logged in, and how many were closed for a newer one.
func (g *gate) count() (half int, closed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.half.Len(), g.closed
}
