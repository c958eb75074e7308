package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"wardline/sync/record"
)

const (
	testWard  = record.WardCode("26704")
	otherWard = record.WardCode("27004")
	patience  = 60 * time.Second
)

// people knows every device by the password "pw"; ids that begin with "other" are
// of the other ward.
type people struct{}

func (people) Authenticate(clientID, username, password []byte, _ net.Addr) (Device, bool) {
	d := Device{ID: string(username), Ward: testWard, Kind: "app"}
	if len(d.ID) > 5 && d.ID[:5] == "other" {
		d.Ward = otherWard
	}
	return d, string(password) == "pw"
}

// desk is a Handler that keeps what it is given; it answers at once with auto, or
// leaves it to the test.
type desk struct {
	auto func(Publish) Answer

	mu       sync.Mutex
	reports  []given
	statuses []Status
}

type given struct {
	Publish
	answer func(Answer)
}

func (d *desk) HandleReport(p Publish, answer func(Answer)) {
	d.mu.Lock()
	d.reports = append(d.reports, given{p, answer})
	d.mu.Unlock()
	if d.auto != nil {
		answer(d.auto(p))
	}
}

func (d *desk) HandleStatus(s Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.statuses = append(d.statuses, s)
}

func accept(Publish) Answer { return Accepted() }

// wait returns the reports once there are n.
func (d *desk) wait(t testing.TB, n int) []given {
	t.Helper()
	var all []given
	waitFor(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		all = append([]given(nil), d.reports...)
		return len(all) >= n
	})
	return all
}

// waitStatus returns the first status that fits.
func (d *desk) waitStatus(t testing.TB, fits func(Status) bool) Status {
	t.Helper()
	var found Status
	waitFor(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, s := range d.statuses {
			if fits(s) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

func waitFor(t testing.TB, cond func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(end) {
			t.Fatal("it did not happen in time")
		}
		<-tick.C
	}
}

func testConfig() Config {
	c := Default()
	c.Listeners = []Listener{{Network: "tcp", Addr: "127.0.0.1:0"}, {Network: "ws", Addr: "127.0.0.1:0"}}
	c.LaterTimeout = time.Hour
	c.RoomJitter = 0
	return c
}

// startBroker runs a broker until the test ends, which fails if it ends with an error.
func startBroker(t testing.TB, c Config, h Handler) *Broker {
	t.Helper()
	b, err := New(c, people{}, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return b
}

// rawClient speaks MQTT in bytes.
type rawClient struct {
	t       testing.TB
	nc      net.Conn
	br      *bufio.Reader
	version byte
	present bool
}

// login are what a CONNECT says.
type login struct {
	id, user, password string
	version            byte
	keep               bool // a kept session
	keepAlive          uint16
	will               []byte
	willTopic          string
	receiveMax         uint16 // version 5; 0 for any
}

func as(id string) login { return login{id: id, user: id, password: "pw", version: 4} }

func (l login) v5() login   { l.version = 5; return l }
func (l login) kept() login { l.keep = true; return l }

func mqttString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func (l login) bytes() []byte {
	body := mqttString(nil, "MQTT")
	flags := byte(0xc0)
	if !l.keep || l.version == 5 {
		flags |= 0x02
	}
	if l.keep && l.version == 5 {
		flags &^= 0x02
	}
	if l.willTopic != "" {
		flags |= 0x04 | 0x20 | 0x08
	}
	body = append(body, l.version, flags)
	body = binary.BigEndian.AppendUint16(body, l.keepAlive)
	if l.version == 5 {
		var props []byte
		if l.keep {
			props = append(props, 0x11, 0, 0, 0x0e, 0x10)
		}
		if l.receiveMax > 0 {
			props = append(props, 0x21, byte(l.receiveMax>>8), byte(l.receiveMax))
		}
		body = appendLength(body, len(props))
		body = append(body, props...)
	}
	body = mqttString(body, l.id)
	if l.willTopic != "" {
		if l.version == 5 {
			body = append(body, 0)
		}
		body = mqttString(body, l.willTopic)
		body = mqttString(body, string(l.will))
	}
	body = mqttString(body, l.user)
	body = mqttString(body, l.password)
	return append(appendHeader(nil, 0x10, len(body)), body...)
}

func dialRaw(t testing.TB, b *Broker) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", b.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, nc: nc, br: bufio.NewReaderSize(nc, 64<<10)}
}

// tryLogin returns the CONNACK's code.
func tryLogin(t testing.TB, b *Broker, l login) (*rawClient, byte) {
	t.Helper()
	c := dialRaw(t, b)
	c.version = l.version
	c.send(l.bytes())
	p := c.read()
	if p.kind() != 2 {
		t.Fatalf("packet %x is no CONNACK", p.first)
	}
	c.present = p.body[0]&1 != 0
	return c, p.body[1]
}

func mustLogin(t testing.TB, b *Broker, l login) *rawClient {
	t.Helper()
	c, code := tryLogin(t, b, l)
	if code != 0 {
		t.Fatalf("login of %s refused with %#x", l.id, code)
	}
	return c
}

func (c *rawClient) send(p []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(p); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

type rawPacket struct {
	first byte
	body  []byte
}

func (p rawPacket) kind() byte { return p.first >> 4 }
func (p rawPacket) id() uint16 { return binary.BigEndian.Uint16(p.body) }

func (c *rawClient) tryRead() (p rawPacket, err error) {
	if p.first, err = c.br.ReadByte(); err != nil {
		return p, err
	}
	n, err := binary.ReadUvarint(c.br)
	if err != nil {
		return p, err
	}
	p.body = make([]byte, n)
	_, err = io.ReadFull(c.br, p.body)
	return p, err
}

func (c *rawClient) read() rawPacket {
	c.t.Helper()
	p, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return p
}

// expect reads a packet of a kind, with a packet id.
func (c *rawClient) expect(kind byte, id uint16) rawPacket {
	c.t.Helper()
	p := c.read()
	if p.kind() != kind || p.id() != id {
		c.t.Fatalf("packet is %x %x, want kind %d with id %d", p.first, p.body, kind, id)
	}
	return p
}

// expectEnd reads until the connection ends, and returns what came before.
func (c *rawClient) expectEnd() (all []rawPacket) {
	c.t.Helper()
	for {
		p, err := c.tryRead()
		if e, ok := err.(net.Error); ok && e.Timeout() {
			c.t.Fatal("the connection stays")
		}
		if err != nil {
			return all
		}
		all = append(all, p)
	}
}

// quiet proves with a PING that nothing came before it.
func (c *rawClient) quiet() {
	c.t.Helper()
	c.send([]byte{0xc0, 0})
	if p := c.read(); p.kind() != 13 {
		c.t.Fatalf("packet is %x %x, want nothing but PINGRESP", p.first, p.body)
	}
}

func (c *rawClient) publishBytes(topic string, qos byte, id uint16, payload []byte, dup bool) []byte {
	m := message{topic: topic, payload: payload, qos: qos, id: id}
	return appendPublish(nil, &m, c.version, dup)
}

func (c *rawClient) publish(topic string, qos byte, id uint16, payload string) {
	c.t.Helper()
	c.send(c.publishBytes(topic, qos, id, []byte(payload), false))
}

func (c *rawClient) report(qos byte, id uint16, device, payload string) {
	c.t.Helper()
	c.publish(ReportTopic(testWard, device), qos, id, payload)
}

// subscribe returns the granted code.
func (c *rawClient) subscribe(filter string, qos byte) byte {
	c.t.Helper()
	body := []byte{0x7f, 0xff}
	if c.version == 5 {
		body = append(body, 0)
	}
	body = append(mqttString(body, filter), qos)
	c.send(append(appendHeader(nil, 0x82, len(body)), body...))
	p := c.expect(9, 0x7fff)
	return p.body[len(p.body)-1]
}

// incoming is a PUBLISH that a client got.
type incoming struct {
	topic, payload string
	qos            byte
	dup, retain    bool
	id             uint16
}

func (c *rawClient) incoming() incoming {
	c.t.Helper()
	p := c.read()
	if p.kind() != 3 {
		c.t.Fatalf("packet is %x %x, want PUBLISH", p.first, p.body)
	}
	m := incoming{qos: p.first >> 1 & 3, dup: p.first&8 != 0, retain: p.first&1 != 0}
	n := int(binary.BigEndian.Uint16(p.body))
	m.topic = string(p.body[2 : 2+n])
	rest := p.body[2+n:]
	if m.qos > 0 {
		m.id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	if c.version == 5 {
		rest = rest[1+int(rest[0]):]
	}
	m.payload = string(rest)
	return m
}

func (c *rawClient) puback(id uint16) { c.t.Helper(); c.send([]byte{0x40, 2, byte(id >> 8), byte(id)}) }
