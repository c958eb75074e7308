package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// The first byte of a connection says what it carries.
const (
	streamRaft    = 'R'
	streamForward = 'F'
)

const (
	// maxConns bounds the connections that others have open here: a handful
	// for each of maxMembers nodes, and room for scanners and leftovers.
	maxConns = 256
	// firstByteTimeout includes the TLS handshake.
	firstByteTimeout = 5 * time.Second
	// dialTimeout bounds reaching another node to forward to it: a node that
	// does not answer in a second is looked for elsewhere.
	dialTimeout = time.Second
)

// mux takes the connections of one listener apart by their first byte, and can
// close all of them at once, which is how a node leaves the cluster in a hurry.
type mux struct {
	l       net.Listener
	dial    func(ctx context.Context, addr string) (net.Conn, error)
	raft    chan net.Conn
	forward func(net.Conn)
	closed  chan struct{}
	ctx     context.Context // ends with close, so that no dial outlives it
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu       sync.Mutex
	shut     bool
	raftOpen bool
	conns    map[net.Conn]bool // true: accepted for Raft
}

func newMux(l net.Listener, dial func(ctx context.Context, addr string) (net.Conn, error), forward func(net.Conn)) *mux {
	if dial == nil {
		d := &net.Dialer{KeepAliveConfig: keepAlive}
		dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &mux{ctx: ctx, cancel: cancel, l: l, dial: dial, raft: make(chan net.Conn), forward: forward, closed: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// keepAlive finds a machine that has vanished in the middle of a stream, where
// neither end has anything to send, in about 11 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}

// serve accepts until close.
func (m *mux) serve() error {
	for {
		c, err := m.l.Accept()
		if err != nil {
			select {
			case <-m.closed:
				return nil
			default:
			}
			if passing(err) {
				t := time.NewTimer(acceptPause)
				select {
				case <-t.C:
				case <-m.closed:
					t.Stop()
				}
				continue
			}
			return fmt.Errorf("accept on %s: %w", m.l.Addr(), err)
		}
		if !m.add(c) {
			c.Close()
			continue
		}
		m.wg.Go(func() { m.sort(c) })
	}
}

// acceptPause is how long nothing is accepted when the process is out of
// files; leaving the cluster for that would help nobody.
const acceptPause = 100 * time.Millisecond

func passing(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

func (m *mux) add(c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut || len(m.conns) >= maxConns {
		return false
	}
	m.conns[c] = false
	return true
}

func (m *mux) drop(c net.Conn) {
	c.Close()
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
}

func (m *mux) sort(c net.Conn) {
	setKeepAlive(c)
	_ = c.SetDeadline(time.Now().Add(firstByteTimeout))
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		m.drop(c)
		return
	}
	_ = c.SetDeadline(time.Time{})
	switch b[0] {
	case streamForward:
		m.forward(c)
		m.drop(c)
	case streamRaft:
		m.mu.Lock()
		open := m.raftOpen && !m.shut
		m.conns[c] = true
		m.mu.Unlock()
		if !open {
			m.drop(c)
			return
		}
		select {
		case m.raft <- &muxConn{Conn: c, m: m}:
		case <-m.closed:
			m.drop(c)
		}
	default:
		m.drop(c)
	}
}

// openRaft lets Raft's connections in. Before, a node answers no vote.
func (m *mux) openRaft() {
	m.mu.Lock()
	m.raftOpen = true
	m.mu.Unlock()
}

// cutRaft closes what other nodes have open to this one's Raft; they come again.
func (m *mux) cutRaft() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, isRaft := range m.conns {
		if isRaft {
			c.Close()
		}
	}
}

// close ends the listener and every connection, accepted and dialed.
func (m *mux) close() {
	m.mu.Lock()
	if m.shut {
		m.mu.Unlock()
		return
	}
	m.shut = true
	close(m.closed)
	m.cancel()
	for c := range m.conns {
		c.Close()
	}
	m.mu.Unlock()
	m.l.Close()
}

// connect dials another node for one kind of stream.
func (m *mux) connect(ctx context.Context, addr string, kind byte) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	c, err := m.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	setKeepAlive(c)
	m.mu.Lock()
	shut := m.shut
	if !shut {
		m.conns[c] = false
	}
	m.mu.Unlock()
	if shut {
		c.Close()
		return nil, ErrClosed
	}
	if d, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(d)
	}
	if _, err := c.Write([]byte{kind}); err != nil {
		m.drop(c)
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return &muxConn{Conn: c, m: m}, nil
}

// muxConn forgets itself when it is closed.
type muxConn struct {
	net.Conn
	m *mux
}

// Close implements net.Conn.
func (c *muxConn) Close() error {
	err := c.Conn.Close()
	c.m.mu.Lock()
	delete(c.m.conns, c.Conn)
	c.m.mu.Unlock()
	return err
}

// setKeepAlive reaches through wrappers such as tls.Conn.
func setKeepAlive(c net.Conn) {
	for {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetKeepAliveConfig(keepAlive)
			return
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		c = w.NetConn()
	}
}

// raftLayer is the mux as Raft's transport sees it.
type raftLayer struct {
	*mux
	addr net.Addr
}

var _ raft.StreamLayer = raftLayer{}

// Accept implements net.Listener.
func (r raftLayer) Accept() (net.Conn, error) {
	select {
	case c := <-r.raft:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (r raftLayer) Close() error {
	r.close()
	return nil
}

// Addr implements net.Listener: the address that is told to the others.
func (r raftLayer) Addr() net.Addr { return r.addr }

// Dial implements raft.StreamLayer.
func (r raftLayer) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, 2*dialTimeout))
	defer cancel()
	return r.connect(ctx, string(addr), streamRaft)
}

// textAddr is an address as it was configured, host name and all.
type textAddr string

// Network implements net.Addr.
func (textAddr) Network() string { return "tcp" }

// String implements net.Addr.
func (a textAddr) String() string { return string(a) }
