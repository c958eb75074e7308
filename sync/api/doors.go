package api

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// Limits of connections, of all listeners of a node together.
const (
	// maxHalfOpen are the connections that have not sent a request yet: a city's phones
	// at one moment. One that sends its request is counted no more.
	maxHalfOpen = 1024
	// maxOpen are all of them: live streams, and what browsers keep for their next request.
	maxOpen = 8192
)

// doors bounds the open connections. Nobody is kept out by somebody who only opens them:
// when too many have said nothing, the oldest of the address with the most of them goes,
// and when too many are open at all, the one that was idle longest.
type doors struct {
	maxHalf, maxOpen int

	mu     sync.Mutex // guards what follows
	of     map[net.Conn]*caller
	half   *list.List // of *caller, the oldest first
	idle   *list.List // of *caller, the one that was idle longest first
	byAddr map[string]int
	ended  [endings]uint64
}

// Why a connection was closed for another one.
const (
	endedHalf = iota
	endedIdle
	endedFull
	endings
)

var endingNames = [endings]string{"half_open", "idle", "full"}

// caller is one connection; in is the list where it stands, nil while it is busy.
type caller struct {
	conn net.Conn
	addr string
	in   *list.List
	el   *list.Element
}

func newDoors() *doors {
	return &doors{maxHalf: maxHalfOpen, maxOpen: maxOpen, of: map[net.Conn]*caller{}, half: list.New(), idle: list.New(), byAddr: map[string]int{}}
}

type callerKey struct{}

// mark gives a connection's requests its name here (http.Server.ConnContext).
func (d *doors) mark(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// asked notes that a request has come whole.
func (d *doors) asked(r *http.Request) {
	c, ok := r.Context().Value(callerKey{}).(net.Conn)
	if !ok {
		return // a test without a listener
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.of[c]; x != nil {
		d.placeLocked(x, nil)
	}
}

// placeLocked puts a connection at the end of a list, or into none.
func (d *doors) placeLocked(x *caller, in *list.List) {
	if x.in == in {
		return
	}
	if x.in != nil {
		x.in.Remove(x.el)
	}
	if x.in == d.half {
		if d.byAddr[x.addr]--; d.byAddr[x.addr] <= 0 {
			delete(d.byAddr, x.addr)
		}
	}
	x.in, x.el = in, nil
	if in != nil {
		x.el = in.PushBack(x)
	}
	if in == d.half {
		d.byAddr[x.addr]++
	}
}

// state follows a connection's life (http.Server.ConnState).
func (d *doors) state(c net.Conn, s http.ConnState) {
	var out net.Conn
	d.mu.Lock()
	switch x := d.of[c]; {
	case s == http.StateNew:
		out = d.enterLocked(c)
	case x == nil:
	case s == http.StateIdle:
		d.placeLocked(x, d.idle)
	case s == http.StateActive && x.in == d.idle: // the next request begins; its time is bounded
		d.placeLocked(x, nil)
	case s == http.StateClosed || s == http.StateHijacked:
		d.placeLocked(x, nil)
		delete(d.of, c)
	}
	d.mu.Unlock()
	if out != nil {
		_ = out.Close() // its server notices and says so by StateClosed
	}
}

// enterLocked takes a new connection in and gives the one that goes for it, or nil.
func (d *doors) enterLocked(c net.Conn) (out net.Conn) {
	if len(d.of) >= d.maxOpen {
		el := d.idle.Front()
		if el == nil {
			d.ended[endedFull]++
			return c
		}
		x := el.Value.(*caller)
		d.placeLocked(x, nil)
		delete(d.of, x.conn)
		d.ended[endedIdle]++
		out = x.conn
	}
	if d.half.Len() >= d.maxHalf {
		x := d.heaviestLocked()
		d.placeLocked(x, nil)
		delete(d.of, x.conn)
		d.ended[endedHalf]++
		if out != nil {
			_ = out.Close() // as in state
		}
		out = x.conn
	}
	x := &caller{conn: c, addr: hostOf(c.RemoteAddr())}
	d.of[c] = x
	d.placeLocked(x, d.half)
	return out
}

// heaviestLocked is the oldest half-open connection of the address with the most.
func (d *doors) heaviestLocked() *caller {
	most, addr := 0, ""
	for a, n := range d.byAddr {
		if n > most {
			most, addr = n, a
		}
	}
	for el := d.half.Front(); el != nil; el = el.Next() {
		if x := el.Value.(*caller); x.addr == addr {
			return x
		}
	}
	return d.half.Front().Value.(*caller)
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// count is how many are open, how many of them have not asked yet, and how many were
// closed for another one.
func (d *doors) count() (open, half int, ended [endings]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.of), d.half.Len(), d.ended
}
