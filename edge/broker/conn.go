package broker

import (
	"context"
	"errors"
	"io"
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

// conn is a client's connection as mochi sees it. PUBLISH, the acknowledgements and
// PINGREQ never reach mochi; of the rest its Read gives a packet at a time, and its
// Write only fills a buffer. One goroutine serves it. Another one, the writer, lives
// while there is something to write: it alone writes to the socket and closes it. So
// an idle device costs one stack, and a shallow one.
type conn struct {
	net.Conn // what MQTT goes over: raw, TLS or WebSocket; set by greet, before the writer starts
	raw      net.Conn
	b        *Broker
	pass     *pass
	remote   net.Addr
	read     chan struct{} // closed when nothing more is read
	ended    chan struct{} // closed when the last writer has closed the socket
	ctx      context.Context
	cancel   context.CancelFunc

	// Of the serving goroutine.
	in       framer
	rest     []byte // of a packet that mochi is to have
	greeted  bool   // CONNECT has been read
	idle     time.Duration
	extended time.Time // when the read deadline was last set
	client   *mqtt.Client
	online   bool // counts as one of Config.MaxClients
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
	spare   []byte // out's room of the last write, if it is small
	window  window
	later   int         // refused publishes that the client still has
	leaveAt time.Time   // when it is disconnected so that it sends again; zero for never
	leave   *time.Timer // does it
	called  bool        // Room has set leaveAt
	begun   bool        // what is in out may be written
	more    bool        // there may be something to write
	writing bool        // the writer lives, or has closed the socket
	closing bool        // what is in out is written, nothing more is taken
}

func newConn(b *Broker, d door, nc net.Conn, p *pass) *conn {
	c := &conn{Conn: nc, raw: nc, b: b, pass: p, remote: nc.RemoteAddr(), read: make(chan struct{}), ended: make(chan struct{})}
	c.room.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(context.Background())
	size := readBuffer
	if d.tls != nil || d.network == "ws" {
		size = readBufferOver
	}
	c.in = newFramer(source{c}, b.cfg.MaxTopic, size)
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

// Read gives mochi the packet that was left for it, and never bytes of another.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.ErrUnexpectedEOF // it is shorter than what stands in it
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// broken ends a connection whose next packet could not be read; a client that broke
// the protocol is told.
func (c *conn) broken(err error) error {
	if code, ok := isProtocol(err); ok {
		if code == packets.ErrPacketTooLarge {
			c.b.stats.tooLarge.Add(1)
		}
		c.b.log.Debug("mqtt client breaks the protocol", "device", c.dev.ID, "remote", c.remote, "err", err)
		c.bye(code)
	}
	return err
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
	case packets.Pingreq:
		if first&0x0f != 0 || c.in.left != 0 {
			return packets.ErrMalformedFlags
		}
		_, err := c.Write([]byte{packets.Pingresp << 4, 0}) // [MQTT-3.12.4-1]
		return err
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
	c.wakeLocked()
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
	if c.leave != nil {
		c.leave.Stop()
	}
	begun := c.begun
	c.room.Signal()
	c.wakeLocked()
	c.mu.Unlock()
	c.cancel()
	if !begun {
		return c.raw.Close()
	}
	return nil
}

// begin lets a writer write, unless the connection has been closed before.
func (c *conn) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return errClosed
	}
	c.begun = true
	return nil
}

// Deadlines are ours: see source and write.
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

func (c *conn) wakeUp() {
	c.mu.Lock()
	c.wakeLocked()
	c.mu.Unlock()
}

// wakeLocked sees to it that somebody writes what there is.
func (c *conn) wakeLocked() {
	c.more = true
	if c.begun && !c.writing {
		c.writing = true
		go c.write()
	}
}

// lastWrite is how long the last words may take.
const lastWrite = time.Second

// keptOut is how large a buffer a connection keeps while it has nothing to write: the
// acknowledgements of a whole window.
const keptOut = 1 << 10

// write is the writer. It ends when there is nothing to write. When the connection is closing, or the
// client takes nothing for Config.WriteTimeout, it ends the connection.
func (c *conn) write() {
	runtime.Gosched() // whoever wakes us often has more: one write for all of it
	for wrote := false; ; {
		buf, closing, idle := c.take(wrote)
		if idle {
			return
		}
		if wrote = len(buf) > 0; wrote {
			timeout := c.b.cfg.WriteTimeout
			if closing {
				timeout = min(timeout, lastWrite)
			}
			err := c.Conn.SetWriteDeadline(time.Now().Add(timeout))
			if err == nil {
				_, err = c.Conn.Write(buf)
			}
			if err == nil {
				c.giveBack(buf)
				continue
			}
			_ = c.Close() // it only begins the end
		} else if !closing {
			continue
		}
		_ = c.Conn.Close() // the connection is over either way
		close(c.ended)
		return
	}
}

// take empties the buffer and adds what the session has to send; idle says that there is nothing and
// that the writer is to end. wrote: the session may have more than went into one write.
func (c *conn) take(wrote bool) (buf []byte, closing, idle bool) {
	c.mu.Lock()
	if !c.more && !wrote {
		c.writing = false
		c.mu.Unlock()
		return nil, false, true
	}
	c.more = false
	buf, c.out, c.spare = c.out, c.spare[:0], nil
	closing = c.closing
	sess := c.sess
	c.room.Signal()
	c.mu.Unlock()
	if sess != nil && !closing {
		buf = sess.deliver(c, buf)
	}
	return buf, closing, false
}

// giveBack keeps a buffer that was written.
func (c *conn) giveBack(buf []byte) {
	c.mu.Lock()
	if cap(buf) <= keptOut {
		c.spare = buf
	}
	c.mu.Unlock()
}
