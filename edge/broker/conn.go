package broker

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxOut is how many bytes may wait to be written to one client before nothing
// more is taken from it.
const maxOut = 32 << 10

var errClosed = errors.New("connection is closing")

// conn is a client's connection as mochi sees it. Its Read keeps PUBLISH and the
// acknowledgements to itself and gives mochi the rest, a packet at a time; its
// Write only fills a buffer. Two goroutines own it: the one that serves it, which
// runs mochi and so Read, and the writer, which alone writes to the socket and
// closes it.
type conn struct {
	net.Conn // what MQTT goes over: raw, TLS or WebSocket; set by greet, before the writer starts
	raw      net.Conn
	b        *Broker
	pass     *pass
	remote   net.Addr
	wake     chan struct{} // something to write; capacity 1
	read     chan struct{} // closed when nothing more is read
	ended    chan struct{} // closed when the writer has ended
	ctx      context.Context
	cancel   context.CancelFunc

	// Of the serving goroutine.
	in       framer
	rest     []byte // of a packet that mochi is to have
	greeted  bool   // CONNECT has been read
	idle     time.Duration
	extended time.Time // when the read deadline was last set
	client   *mqtt.Client
	clean    bool // asks for a new session
	present  bool // has found its session
	will     *will
	fresh    []string // filters of the SUBSCRIBE that is being handled
	reports  string   // its report topic
	statuses string   // its status topic

	// Set before sess is, not changed after.
	dev       Device
	version   byte
	noReasons bool   // version 5 without problem information
	maxPacket uint32 // of the client; 0 for any
	sendMax   int    // publishes that the client takes unacknowledged

	mu      sync.Mutex // guards what follows
	room    sync.Cond  // the serving goroutine waits for room
	sess    *session
	out     []byte
	window  window
	later   int       // refused publishes that the client still has
	leaveAt time.Time // when it is disconnected so that it sends again; zero for never
	called  bool      // Room has set leaveAt
	writing bool      // the writer has started
	closing bool      // what is in out is written, nothing more is taken
}

func newConn(b *Broker, nc net.Conn, p *pass) *conn {
	c := &conn{Conn: nc, raw: nc, b: b, pass: p, remote: nc.RemoteAddr(),
		wake: make(chan struct{}, 1), read: make(chan struct{}), ended: make(chan struct{})}
	c.room.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.in = newFramer(source{c}, b.cfg.MaxTopic)
	return c
}

// source moves the deadline along as long as bytes come: a large report over a
// slow mobile line is not cut off for taking longer than the keepalive.
type source struct{ c *conn }

func (s source) Read(p []byte) (int, error) {
	c := s.c
	if c.idle > 0 {
		if now := time.Now(); now.Sub(c.extended) > c.idle/16 {
			c.extended = now
			if err := c.Conn.SetReadDeadline(now.Add(c.idle)); err != nil {
				return 0, err
			}
		}
	}
	return c.Conn.Read(p)
}

// Read gives mochi the next packet that is for it, never bytes of two, so that
// when the next is begun the one before has been handled.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.packet(); err != nil {
			if code, ok := isProtocol(err); ok {
				if code == packets.ErrPacketTooLarge {
					c.b.stats.tooLarge.Add(1)
				}
				c.b.log.Debug("mqtt client breaks the protocol", "device", c.dev.ID, "remote", c.remote, "err", err)
				c.bye(code)
			}
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// packet reads one packet, and handles it or leaves it in rest.
func (c *conn) packet() error {
	first, err := c.in.next()
	if err != nil {
		return err
	}
	kind, most := first>>4, maxControl
	if !c.greeted {
		if kind != packets.Connect {
			return errFirst
		}
		c.greeted = true
		most = maxConnect + c.b.cfg.MaxStatus
	}
	switch kind {
	case packets.Publish:
		return c.publish(first)
	case packets.Puback, packets.Pubrel, packets.Pubrec, packets.Pubcomp:
		if c.in.left > maxControl {
			return packets.ErrPacketTooLarge
		}
		id, err := c.in.ack(first)
		if err != nil {
			return err
		}
		return c.acknowledgement(kind, id)
	}
	if c.in.left > most {
		return packets.ErrPacketTooLarge
	}
	n := c.in.left
	c.rest, err = c.in.take(appendHeader(make([]byte, 0, n+5), first, n), n)
	return err
}

func (c *conn) acknowledgement(kind byte, id uint16) error {
	switch kind {
	case packets.Puback:
		if c.sess.acknowledged(c, id) {
			c.wakeUp() // the next ones may go
		}
		return nil
	case packets.Pubrel:
		known, pending := c.sess.released(c, id)
		if pending {
			return packets.ErrProtocolViolation // PUBREL before PUBREC
		}
		code := byte(0)
		if !known {
			code = packets.ErrPacketIdentifierNotFound.Code
		}
		_, err := c.Write(appendAck(nil, packets.Pubcomp, id, c.version, code, "", c.maxPacket))
		return err
	}
	return packets.ErrProtocolViolation // we send no QoS 2
}

// Write takes what mochi has for the client; it waits while the client reads
// nothing.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closing && len(c.out) > maxOut {
		c.room.Wait()
	}
	if c.closing {
		return 0, errClosed
	}
	c.out = append(c.out, p...)
	c.wakeUp()
	return len(p), nil
}

// bye ends the connection; a version 5 client is told why.
func (c *conn) bye(code packets.Code) {
	c.mu.Lock()
	if !c.closing && c.sess != nil && c.version == 5 {
		c.out = append(c.out, packets.Disconnect<<4, 1, code.Code)
	}
	c.mu.Unlock()
	_ = c.Close() // it only begins the end
}

// Close begins the end: the writer writes what there is and closes the socket.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closing {
		_ = c.raw.SetWriteDeadline(time.Now().Add(lastWrite)) // one that is stuck ends too
	}
	c.closing = true
	c.b.refused.Add(-int64(c.later))
	c.later = 0
	writing := c.writing
	c.room.Signal()
	c.mu.Unlock()
	c.cancel()
	c.wakeUp()
	if !writing {
		return c.raw.Close()
	}
	return nil
}

// begin starts the writer, unless the connection has been closed before.
func (c *conn) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return errClosed
	}
	c.writing = true
	go c.write()
	return nil
}

// Deadlines are ours: see source and write.
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

func (c *conn) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write is the writer. It ends when the connection is closing or the client takes
// nothing for Config.WriteTimeout.
func (c *conn) write() {
	defer close(c.ended)
	defer func() { _ = c.Conn.Close() }() // the connection is over either way
	leave := time.NewTimer(time.Hour)
	defer leave.Stop()
	var buf []byte
	for {
		var closing bool
		var at time.Time
		buf, closing, at = c.take(buf[:0])
		if len(buf) > 0 {
			timeout := c.b.cfg.WriteTimeout
			if closing {
				timeout = min(timeout, lastWrite)
			}
			err := c.Conn.SetWriteDeadline(time.Now().Add(timeout))
			if err == nil {
				_, err = c.Conn.Write(buf)
			}
			if err != nil {
				_ = c.Close() // it only begins the end
				return
			}
			if cap(buf) > 2*maxOut {
				buf = nil
			}
			continue
		}
		if closing {
			return
		}
		if !at.IsZero() {
			leave.Reset(time.Until(at))
		}
		select {
		case <-c.wake:
			// Whoever wakes us often has more: one write for all of it.
			runtime.Gosched()
		case <-leave.C:
			if !at.IsZero() {
				c.bye(packets.ErrServerBusy)
			}
		}
	}
}

// lastWrite is how long the last words may take.
const lastWrite = time.Second

// take empties the buffer into buf and adds what the session has to send.
func (c *conn) take(buf []byte) (_ []byte, closing bool, leaveAt time.Time) {
	c.mu.Lock()
	buf, c.out = c.out, buf
	closing, leaveAt = c.closing, c.leaveAt
	sess := c.sess
	c.room.Signal()
	c.mu.Unlock()
	if sess != nil && !closing {
		buf = sess.deliver(c, buf)
	}
	return buf, closing, leaveAt
}
