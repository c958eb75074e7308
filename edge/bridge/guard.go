package bridge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errPacket says that the broker sent what MQTT 3.1.1 does not allow, or what a
// client that only subscribes is never sent.
var errPacket = errors.New("bridge: the broker broke the MQTT protocol")

// Packet types that a subscriber is sent, MQTT 3.1.1 section 2.2.1.
const (
	typeConnack  = 2
	typePublish  = 3
	typePubrel   = 6
	typeSuback   = 9
	typePingresp = 13
)

// guard stands between the network and paho. It reads each packet's header before paho
// does: a PUBLISH with more than limit bytes of payload is cut to limit while it
// is read (so a device cannot make the station allocate 256 MiB), and a packet
// that paho would index or wait with blindly ends the connection. Each write has a
// deadline, so that an acknowledgement never waits for a broker that stopped reading.
// While the bridge has its hands full no PUBLISH is read on: the broker's socket fills
// and it waits, which is cheaper for both than refusing and sending again.
type guard struct {
	net.Conn
	r       *bufio.Reader
	limit   int // of a payload, in bytes
	filters int // how many return codes a SUBACK has

	// The packet that is being read, by one reader.
	head []byte // to hand out first
	pass int    // then so many bytes as they come
	skip int    // then so many are thrown away

	broke atomic.Pointer[error] // why the broker was hung up on

	// admit waits until the bridge can take a message; false once closed. nil admits all.
	admit  func(closed <-chan struct{}) bool
	closed chan struct{}
	once   sync.Once

	wmu sync.Mutex // one writer: paho has two goroutines that write
}

// writeWait bounds one write. A PUBACK has four bytes; a broker that takes
// none of them for so long is gone.
const writeWait = 10 * time.Second

func newGuard(c net.Conn, limit, filters int) *guard {
	return &guard{Conn: c, r: bufio.NewReaderSize(c, 16<<10), limit: limit, filters: filters, closed: make(chan struct{})}
}

// Close ends the connection and whoever waits to read from it.
func (g *guard) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// Write writes within writeWait.
func (g *guard) Write(p []byte) (int, error) {
	g.wmu.Lock()
	defer g.wmu.Unlock()
	if err := g.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// Read reads packets, large ones cut.
func (g *guard) Read(p []byte) (int, error) {
	for {
		switch {
		case len(p) == 0:
			return 0, nil
		case len(g.head) > 0:
			n := copy(p, g.head)
			g.head = g.head[n:]
			return n, nil
		case g.pass > 0:
			n, err := g.r.Read(p[:min(len(p), g.pass)])
			g.pass -= n
			return n, err
		case g.skip > 0:
			n, err := g.r.Discard(g.skip)
			g.skip -= n
			if err != nil {
				return 0, err
			}
		default:
			if err := g.next(); err != nil {
				if errors.Is(err, errPacket) {
					g.broke.Store(&err)
				}
				return 0, err
			}
		}
	}
}

// next reads a fixed header, MQTT 3.1.1 section 2.2, and what it needs of the rest.
func (g *guard) next() error {
	first, err := g.r.ReadByte()
	if err != nil {
		return err
	}
	size, err := g.length()
	if err != nil {
		return err
	}
	want := -1
	switch first >> 4 {
	case typePublish:
		return g.publish(first, size)
	case typeConnack:
		want = 2
	case typePubrel:
		want = 2
	case typeSuback:
		want = 2 + g.filters
	case typePingresp:
		want = 0
	}
	if size != want {
		return fmt.Errorf("%w: packet type %d with %d bytes", errPacket, first>>4, size)
	}
	g.head, g.pass = appendLength([]byte{first}, size), size
	if first>>4 != typeConnack {
		return nil
	}
	var body [2]byte
	if err := g.full(body[:]); err != nil {
		return err
	}
	if body[1] > 5 { // paho takes an unknown code for a success
		return fmt.Errorf("%w: CONNACK with return code %d", errPacket, body[1])
	}
	g.head, g.pass = append(g.head, body[:]...), 0
	return nil
}

// length reads a remaining length, MQTT 3.1.1 section 2.2.3.
func (g *guard) length() (int, error) {
	n := 0
	for i := range 4 {
		b, err := g.r.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		n |= int(b&127) << (7 * i)
		if b < 128 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: a length of more than 4 bytes", errPacket)
}

func appendLength(b []byte, n int) []byte {
	for ; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

// publish cuts a payload, MQTT 3.1.1 section 3.3.
func (g *guard) publish(first byte, size int) error {
	var topic [2]byte
	if err := g.full(topic[:]); err != nil {
		return err
	}
	before := 2 + int(topic[0])<<8 + int(topic[1])
	qos := first >> 1 & 3
	if qos > 0 {
		before += 2
	}
	if qos == 3 || size < before {
		return fmt.Errorf("%w: PUBLISH of %d bytes, %d of them before the payload, QoS %d", errPacket, size, before, qos)
	}
	if g.admit != nil && !g.admit(g.closed) {
		return net.ErrClosed
	}
	g.skip = max(0, size-before-g.limit)
	size -= g.skip
	g.head = append(appendLength([]byte{first}, size), topic[:]...)
	g.pass = size - 2
	return nil
}

func (g *guard) full(b []byte) error {
	_, err := io.ReadFull(g.r, b)
	return noEOF(err)
}

// noEOF: an end within a packet is no clean end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
