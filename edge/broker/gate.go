package broker

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"
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
type gate struct {
	max   int
	freed chan struct{} // somebody left; capacity 1

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

func newGate(max int) *gate {
	return &gate{max: max, freed: make(chan struct{}, 1), half: list.New(), byAddr: map[string]int{}}
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
	addr := addrOf(conn)
	g.mu.Lock()
	defer g.mu.Unlock()
	wait = halfOpenGrace
	share = g.byAddr[addr] >= max(1, g.max/2)
	if share || g.half.Len() >= g.max {
		for el := g.half.Front(); el != nil; el = el.Next() {
			old := el.Value.(*pass)
			if old.busy || share && old.addr != addr {
				continue
			}
			if age := now.Sub(old.since); age < halfOpenGrace {
				wait = halfOpenGrace - age
				break
			}
			g.closed++
			g.leaveLocked(old)
			_ = old.conn.Close()
			share = false
			break
		}
	}
	if share || g.half.Len() >= g.max {
		return nil, wait, share
	}
	p = &pass{g: g, conn: conn, addr: addr, since: now}
	p.el = g.half.PushBack(p)
	g.byAddr[addr]++
	return p, 0, false
}

func addrOf(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}

// goAside counts a connection that waits aside in; false when too many do.
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

// waitAside waits for a place of the connection's address; nil when none came in time.
func (g *gate) waitAside(ctx context.Context, conn net.Conn) *pass {
	defer func() {
		g.mu.Lock()
		g.aside--
		g.mu.Unlock()
	}()
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
	if g.byAddr[p.addr]--; g.byAddr[p.addr] <= 0 {
		delete(g.byAddr, p.addr)
	}
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

// count is how many have not logged in, and how many were closed for a newer one.
func (g *gate) count() (half int, closed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.half.Len(), g.closed
}
