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

// gate bounds the connections that have not logged in. When it is full, the oldest
// one that is still silent after halfOpenGrace makes room; until there is one,
// nothing is accepted and newcomers wait in the kernel's queue. So somebody who
// only opens connections slows logins down, but cannot keep devices out.
type gate struct {
	max   int
	freed chan struct{} // somebody left; capacity 1

	mu     sync.Mutex // guards what follows
	half   *list.List // of *pass, the oldest first
	closed uint64     // connections closed for a newer one
}

// pass is one connection's place in the gate.
type pass struct {
	g     *gate
	conn  net.Conn
	since time.Time
	busy  bool          // CONNECT has been read, it is being checked
	el    *list.Element // nil once it has left
}

func newGate(max int) *gate {
	return &gate{max: max, freed: make(chan struct{}, 1), half: list.New()}
}

// enter waits for a place; it returns nil when ctx ends first.
func (g *gate) enter(ctx context.Context, conn net.Conn) *pass {
	for {
		p, wait := g.tryEnter(conn, time.Now())
		if p != nil {
			return p
		}
		timer := time.NewTimer(wait)
		select {
		case <-g.freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

func (g *gate) tryEnter(conn net.Conn, now time.Time) (*pass, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := halfOpenGrace
	if g.half.Len() >= g.max {
		for el := g.half.Front(); el != nil; el = el.Next() {
			old := el.Value.(*pass)
			if old.busy {
				continue
			}
			if age := now.Sub(old.since); age < halfOpenGrace {
				wait = halfOpenGrace - age
				break
			}
			g.closed++
			g.leaveLocked(old)
			_ = old.conn.Close()
			break
		}
	}
	if g.half.Len() >= g.max {
		return nil, wait
	}
	p := &pass{g: g, conn: conn, since: now}
	p.el = g.half.PushBack(p)
	return p, 0
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
