package core

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// cutKind says what a wire does with bytes of one direction.
type cutKind int

const (
	whole cutKind = iota
	// held: bytes are kept and come once the wire is whole, as TCP sends again
	// after an outage; nobody is told.
	held
	// refused: connections break, and new ones are not made.
	refused
)

// maxHeld bounds what a wire keeps, in bytes; a kernel's buffers are smaller.
const maxHeld = 4 << 20

// wires is the network between the nodes of a test, by their number and direction.
type wires struct {
	addr map[string]int // whose address it is

	mu      sync.Mutex
	cut     [8][8]cutKind
	changed chan struct{} // closed and made anew when cut changes
	conns   map[*cable]bool
}

func newWires() *wires {
	return &wires{addr: map[string]int{}, changed: make(chan struct{}), conns: map[*cable]bool{}}
}

// set makes the direction from one node to another what it is to be.
func (w *wires) set(from, to int, how cutKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[from][to] = how
	if how == refused {
		for c := range w.conns {
			if c.a == from && c.b == to || c.a == to && c.b == from {
				_ = c.Conn.Close() // that it breaks is what is wanted
			}
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// isolate does the same to every wire of a node, in both directions.
func (w *wires) isolate(node, nodes int, how cutKind) {
	for i := range nodes {
		if i != node {
			w.set(i, node, how)
			w.set(node, i, how)
		}
	}
}

func (w *wires) state(from, to int) (cutKind, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut[from][to], w.changed
}

var errWireRefused = errors.New("the test's network refuses")

// dial is the dial of node a. A wire's both directions are governed at the end that dialed.
func (w *wires) dial(a int) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		b := w.addr[addr]
		for {
			there, changed := w.state(a, b)
			back, _ := w.state(b, a)
			if there == refused || back == refused {
				return nil, errWireRefused
			}
			if there == whole && back == whole {
				break
			}
			select { // a SYN that is lost is sent again
			case <-changed:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		x := &cable{Conn: c, w: w, a: a, b: b, out: make(chan []byte, 1024), gone: make(chan struct{})}
		w.mu.Lock()
		w.conns[x] = true
		w.mu.Unlock()
		go x.pump()
		return x, nil
	}
}

// cable is a connection that a dialed to b.
type cable struct {
	net.Conn
	w    *wires
	a, b int
	out  chan []byte
	once sync.Once
	gone chan struct{} // closed by Close

	kept  []byte       // of the reader: has come, and was not given yet
	until atomic.Int64 // the read deadline, nanoseconds; 0: none

	mu   sync.Mutex
	held int
}

// Write gives the bytes to the pump, as a kernel takes them.
func (c *cable) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.held += len(p)
	full := c.held > maxHeld
	c.mu.Unlock()
	if full {
		_ = c.Conn.Close()
		return 0, errWireRefused
	}
	select {
	case c.out <- append([]byte(nil), p...):
		return len(p), nil
	case <-c.gone:
		return 0, net.ErrClosed
	}
}

// pump sends on while the direction is whole. What was written before Close is
// sent as well: a process that closes does not take back what its kernel has.
func (c *cable) pump() {
	defer func() {
		c.w.mu.Lock()
		delete(c.w.conns, c)
		c.w.mu.Unlock()
		_ = c.Conn.Close()
	}()
	for {
		var p []byte
		select {
		case p = <-c.out:
		case <-c.gone:
			select {
			case p = <-c.out:
			default:
				return
			}
		}
		for {
			how, changed := c.w.state(c.a, c.b)
			if how == refused {
				return
			}
			if how == whole {
				break
			}
			<-changed // a test ends with every wire whole
		}
		if _, err := c.Conn.Write(p); err != nil {
			return
		}
		c.mu.Lock()
		c.held -= len(p)
		c.mu.Unlock()
	}
}

// Read gives what has come, once the direction back is whole. What came before
// the deadline and is held stays for the next Read.
func (c *cable) Read(p []byte) (int, error) {
	if len(c.kept) == 0 {
		b := make([]byte, len(p))
		n, err := c.Conn.Read(b)
		if err != nil {
			return 0, err
		}
		c.kept = b[:n]
	}
	var late <-chan time.Time
	if at := time.Unix(0, c.until.Load()); at.Unix() != 0 {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		late = t.C
	}
	for {
		how, changed := c.w.state(c.b, c.a)
		switch how {
		case refused:
			return 0, errWireRefused
		case whole:
			n := copy(p, c.kept)
			c.kept = c.kept[n:]
			return n, nil
		}
		select {
		case <-changed:
		case <-late:
			return 0, os.ErrDeadlineExceeded
		case <-c.gone:
			return 0, net.ErrClosed
		}
	}
}

func (c *cable) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

func (c *cable) SetReadDeadline(t time.Time) error {
	n := int64(0)
	if !t.IsZero() {
		n = t.UnixNano()
	}
	c.until.Store(n)
	return c.Conn.SetReadDeadline(t)
}

func (c *cable) Close() error {
	c.once.Do(func() { close(c.gone) })
	if how, _ := c.w.state(c.a, c.b); how == whole && len(c.out) == 0 {
		return c.Conn.Close()
	}
	return nil // the pump closes, once what was written is out
}
