// Package mqttload publishes to an MQTT 3.1.1 broker as fast as it
// acknowledges, and remembers what was acknowledged.
//
// It is made to cost little beside the broker that it measures: packets stand
// ready in one buffer and only their packet id and the number in their payload
// are written anew, one write carries all that the window has room for. It
// promises to count an acknowledgement once, to the message that it belongs
// to, and to fail at one that belongs to none. It subscribes at most while it connects,
// does not connect again and sends nothing twice.
package mqttload

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// keepAlive is what is asked for at CONNECT, in seconds: idle clients, which send no
	// ping, stay for half as long again.
	keepAlive = 250
	// maxPacket bounds what a broker may send; only acknowledgements are expected.
	maxPacket = 256 << 10
	// silence is how long a broker may owe an acknowledgement.
	silence = 30 * time.Second
	// MaxWindow bounds the messages under way, far below the 65,535 packet ids.
	MaxWindow = 4096
)

// Message is a payload with room for a number: 12 hexadecimal digits at NumberAt.
type Message struct {
	Payload  []byte
	NumberAt int
}

// numberLen is the room for a number in a payload.
const numberLen = 12

// Config is one connection.
type Config struct {
	Addr, Client, User, Password, Topic string
	// TLS is how the connection is encrypted; nil: not.
	TLS    *tls.Config
	Window int
	// Filters are subscribed to with QoS 1 after the log-in; what comes on them is an error.
	Filters []string
	// Messages are sent in turn, again and again; all of the same length.
	Messages []Message
	// Latencies keeps the time from each write to its acknowledgement.
	Latencies bool
}

// Client is a connection that is ready to publish.
type Client struct {
	c       Config
	conn    net.Conn
	ring    []byte // the packets, one behind the other
	size    int    // of one packet
	idAt    int
	numAt   []int // per packet, from its beginning
	sent    uint64
	pending map[uint16]flight
	in      []byte

	acked []uint64
	times []time.Duration
}

type flight struct {
	number uint64
	at     time.Time
}

// Dial connects and logs in.
func Dial(c Config) (*Client, error) {
	if c.Window < 1 || c.Window > MaxWindow || len(c.Messages) == 0 {
		return nil, fmt.Errorf("mqttload: window %d (1 to %d) and %d messages (at least 1)", c.Window, MaxWindow, len(c.Messages))
	}
	l := &Client{c: c, pending: make(map[uint16]flight, c.Window)}
	for i, m := range c.Messages {
		var idAt, payloadAt int
		before := len(l.ring)
		l.ring, idAt, payloadAt = appendPublish(l.ring, c.Topic, 1, m.Payload)
		if i == 0 {
			l.size, l.idAt = len(l.ring), idAt
		}
		if len(l.ring)-before != l.size || m.NumberAt < 0 || m.NumberAt+numberLen > len(m.Payload) {
			return nil, fmt.Errorf("mqttload: message %d is not as long as the first, or has no room for its number", i)
		}
		l.numAt = append(l.numAt, payloadAt+m.NumberAt)
	}
	conn, err := net.DialTimeout("tcp", c.Addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if l.conn = conn; c.TLS != nil {
		l.conn = tls.Client(conn, c.TLS)
	}
	if err := l.begin(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l, nil
}

func (l *Client) begin() error {
	body, err := l.ask(appendConnect(nil, l.c.Client, l.c.User, l.c.Password), typeConnack, 2)
	if err == nil && body[1] != 0 {
		err = fmt.Errorf("mqttload: %s refuses %s with return code %d (MQTT 3.1.1, section 3.2.2.3)", l.c.Addr, l.c.Client, body[1])
	}
	if err != nil || len(l.c.Filters) == 0 {
		return err
	}
	body, err = l.ask(appendSubscribe(nil, 1, l.c.Filters), typeSuback, 2+len(l.c.Filters))
	for i, f := range l.c.Filters {
		if err == nil && body[2+i] != 1 {
			err = fmt.Errorf("mqttload: %s answers %s's subscription to %s with %#x (MQTT 3.1.1, section 3.9.3)", l.c.Addr, l.c.Client, f, body[2+i])
		}
	}
	return err
}

// ask sends a packet and waits for the one that answers it, of a kind and a length.
func (l *Client) ask(p []byte, kind byte, size int) ([]byte, error) {
	if _, err := l.conn.Write(p); err != nil {
		return nil, err
	}
	for {
		k, body, ok, err := l.packet()
		switch {
		case err != nil:
			return nil, err
		case ok && (k != kind || len(body) != size):
			return nil, fmt.Errorf("%w: %#x in answer to %#x", errPacket, k, p[0])
		case ok:
			return body, nil
		}
		if err := l.read(); err != nil {
			return nil, fmt.Errorf("mqttload: waiting for an answer to %#x: %w", p[0], err)
		}
	}
}

// packet takes one packet out of what was read; its body is valid until the next read.
func (l *Client) packet() (kind byte, body []byte, ok bool, err error) {
	kind, body, l.in, ok, err = next(l.in)
	return kind, body, ok, err
}

func (l *Client) read() error {
	if err := l.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	buf := make([]byte, 0, 4096)
	if cap(l.in)-len(l.in) >= 512 {
		buf = l.in
	} else {
		buf = append(buf, l.in...)
	}
	n, err := l.conn.Read(buf[len(buf):cap(buf)])
	l.in = buf[:len(buf)+n]
	return err
}

// Run publishes until the time or the number of messages is reached (0: no
// limit of number), then waits for the acknowledgements that are owed.
func (l *Client) Run(until time.Time, most uint64) error {
	end := l.sent + most
	for {
		if time.Now().Before(until) && (most == 0 || l.sent < end) {
			n := l.c.Window - len(l.pending)
			if most != 0 {
				n = int(min(uint64(n), end-l.sent))
			}
			if err := l.publish(n); err != nil {
				return err
			}
		}
		if len(l.pending) == 0 {
			return nil
		}
		if err := l.read(); err != nil {
			return fmt.Errorf("mqttload: %d acknowledgements are owed: %w", len(l.pending), err)
		}
		if err := l.take(); err != nil {
			return err
		}
	}
}

// publish sends the next n messages in at most two writes.
func (l *Client) publish(n int) error {
	at := time.Time{}
	if l.c.Latencies {
		at = time.Now()
	}
	count := uint64(len(l.numAt))
	for n > 0 {
		first := int(l.sent % count)
		some := min(n, int(count)-first)
		for i := range some {
			number := l.sent + uint64(i)
			packet := uint16(number%0xffff) + 1
			if _, busy := l.pending[packet]; busy {
				return fmt.Errorf("mqttload: message %d is still not acknowledged after 65,535 others", l.pending[packet].number)
			}
			l.pending[packet] = flight{number, at}
			p := l.ring[(first+i)*l.size:]
			binary.BigEndian.PutUint16(p[l.idAt:], packet)
			putNumber(p[l.numAt[first+i]:], number)
		}
		if _, err := l.conn.Write(l.ring[first*l.size : (first+some)*l.size]); err != nil {
			return err
		}
		l.sent += uint64(some)
		n -= some
	}
	return nil
}

// putNumber writes a number as 12 hexadecimal digits.
func putNumber(b []byte, n uint64) {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], n)
	hex.Encode(b[:numberLen], raw[2:])
}

func (l *Client) take() error {
	now := time.Time{}
	if l.c.Latencies {
		now = time.Now()
	}
	for {
		kind, body, ok, err := l.packet()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if kind != typePuback {
			continue // receipts and other news for the device
		}
		if len(body) != 2 {
			return fmt.Errorf("%w: PUBACK of %d bytes", errPacket, len(body))
		}
		packet := binary.BigEndian.Uint16(body)
		f, ok := l.pending[packet]
		if !ok {
			return fmt.Errorf("mqttload: %s acknowledges packet %d, which it does not owe", l.c.Addr, packet)
		}
		delete(l.pending, packet)
		l.acked = append(l.acked, f.number)
		if l.c.Latencies {
			l.times = append(l.times, now.Sub(f.at))
		}
	}
}

// Acked are the numbers of the acknowledged messages, in the order of their
// acknowledgements.
func (l *Client) Acked() []uint64 { return l.acked }

// Latencies are the times of the acknowledged messages, in the same order.
func (l *Client) Latencies() []time.Duration { return l.times }

// Close says good-bye and frees the connection.
func (l *Client) Close() error {
	_, err := l.conn.Write([]byte{typeDisconnect, 0})
	return errors.Join(err, l.conn.Close())
}
