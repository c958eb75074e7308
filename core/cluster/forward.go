package cluster

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sendQueue is how many frames wait for one connection's writer.
	sendQueue = 256
	// maxServing bounds the requests of others that run here at a time: all
	// the items that the other nodes' callers may have under way.
	maxServing = 16384
	// writeTimeout bounds one write; a connection that takes nothing for so long is given up.
	writeTimeout = 10 * time.Second
	// quietLimit is how long a connection may give no answer while one is
	// waited for until it is thought dead.
	quietLimit = 3 * time.Second
	// maxAskTime bounds how long another node may let a request of its run here.
	maxAskTime = 60 * time.Second
	// defaultAskTime is for a caller whose context has no deadline.
	defaultAskTime = 30 * time.Second
)

// askers are the connections to other nodes, one each, made when needed.
type askers struct {
	mux *mux
	mu  sync.Mutex
	m   map[string]*asker
	wg  sync.WaitGroup
}

func newAskers(m *mux) *askers { return &askers{mux: m, m: map[string]*asker{}} }

// ask sends one request to addr and waits. An error of which nothing is
// ErrUnknown means that the request did not run, or the other node's answer.
func (a *askers) ask(ctx context.Context, addr string, tag byte, body []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultAskTime)
		defer cancel()
	}
	c, err := a.get(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoLeader, addr, err)
	}
	return c.ask(ctx, tag, body)
}

func (a *askers) get(ctx context.Context, addr string) (*asker, error) {
	a.mu.Lock()
	c := a.m[addr]
	if c == nil {
		c = &asker{ready: make(chan struct{}), gone: make(chan struct{}), out: make(chan []byte, sendQueue), waiting: map[uint64]chan frame{}}
		c.forget = func() {
			a.mu.Lock()
			if a.m[addr] == c {
				delete(a.m, addr)
			}
			a.mu.Unlock()
		}
		a.m[addr] = c
		a.wg.Go(func() { c.run(a.mux, addr) })
	}
	a.mu.Unlock()
	select {
	case <-c.ready:
		return c, c.dialErr
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// asker is one connection and the requests under way on it.
type asker struct {
	ready   chan struct{} // closed once dialed or failed
	dialErr error
	gone    chan struct{} // closed once no answer can come any more
	out     chan []byte
	forget  func()
	conn    net.Conn
	heard   atomic.Int64 // when the last answer came, nanoseconds

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan frame
}

func (c *asker) run(m *mux, addr string) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	conn, err := m.connect(ctx, addr, streamForward)
	cancel()
	if err != nil {
		c.dialErr = err
		c.forget()
		close(c.ready)
		return
	}
	c.conn = conn
	c.heard.Store(time.Now().UnixNano())
	close(c.ready)
	var wg sync.WaitGroup
	wg.Go(func() {
		writeFrames(conn, c.out, c.gone)
		conn.Close()
	})
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		f, err := readFrame(r)
		if err != nil {
			break
		}
		c.heard.Store(time.Now().UnixNano())
		c.mu.Lock()
		ch := c.waiting[f.id]
		delete(c.waiting, f.id)
		c.mu.Unlock()
		if ch != nil {
			ch <- f // has room for the one answer
		}
	}
	c.forget()
	close(c.gone)
	conn.Close()
	wg.Wait()
}

func (c *asker) ask(ctx context.Context, tag byte, body []byte) ([]byte, error) {
	d, _ := ctx.Deadline()
	ms := time.Until(d).Milliseconds()
	if ms <= 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoLeader, context.DeadlineExceeded)
	}
	answer := make(chan frame, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.waiting[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
	}()
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(ms))
	b = appendFrame(nil, frame{id, tag, append(b, body...)})
	asked := time.Now()
	select {
	case c.out <- b:
	case <-c.gone:
		return nil, fmt.Errorf("%w: connection lost", ErrNoLeader)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
	}
	select {
	case f := <-answer:
		if f.tag != answerOK {
			return nil, decodeError(f.tag, f.body)
		}
		return f.body, nil
	case <-c.gone:
		select {
		case f := <-answer: // it came just before the end
			if f.tag != answerOK {
				return nil, decodeError(f.tag, f.body)
			}
			return f.body, nil
		default:
		}
		return nil, fmt.Errorf("%w: connection lost", ErrUnknown)
	case <-ctx.Done():
		if last := time.Unix(0, c.heard.Load()); last.Before(asked) && time.Since(asked) > quietLimit {
			c.conn.Close() // silent, not busy: the next request dials anew
		}
		return nil, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
}

// writeFrames sends what comes in out, several frames to a write when they wait.
func writeFrames(conn net.Conn, out <-chan []byte, gone <-chan struct{}) {
	w := bufio.NewWriterSize(conn, 64<<10)
	for {
		var b []byte
		select {
		case b = <-out:
		case <-gone:
			return
		}
		for more := true; more; {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := w.Write(b); err != nil {
				return
			}
			select {
			case b = <-out:
			default:
				more = false
			}
		}
		if err := w.Flush(); err != nil {
			return
		}
	}
}

// answerer serves other nodes' requests.
type answerer struct {
	handle func(ctx context.Context, tag byte, body []byte) ([]byte, error)
	slots  chan struct{}
}

func newAnswerer(handle func(ctx context.Context, tag byte, body []byte) ([]byte, error)) *answerer {
	return &answerer{handle: handle, slots: make(chan struct{}, maxServing)}
}

// serve reads requests from one connection until it ends, each in a goroutine
// of its own; when all slots are taken it stops reading, and the other node waits.
func (a *answerer) serve(conn net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan []byte, sendQueue)
	var wg, writer sync.WaitGroup
	writer.Go(func() {
		writeFrames(conn, out, ctx.Done())
		cancel()
		conn.Close()
	})
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		f, err := readFrame(r)
		if err != nil || len(f.body) < 4 {
			break
		}
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-a.slots }()
			limit := min(time.Duration(binary.BigEndian.Uint32(f.body))*time.Millisecond, maxAskTime)
			rctx, done := context.WithTimeout(ctx, limit)
			defer done()
			body, err := a.handle(rctx, f.tag, f.body[4:])
			if err == nil && len(body) > maxFrame-frameHead {
				err = fmt.Errorf("%w: the result has %d bytes, at most %d travel", ErrUnknown, len(body), maxFrame-frameHead)
			}
			tag := byte(answerOK)
			if err != nil {
				tag, body = encodeError(err)
			}
			select {
			case out <- appendFrame(nil, frame{f.id, tag, body}):
			case <-ctx.Done():
			}
		})
	}
	cancel()
	conn.Close()
	wg.Wait()
	writer.Wait()
}
