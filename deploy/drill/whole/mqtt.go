package whole

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"
)

// A small MQTT 3.1.1 client of the drill's own, so that an acknowledgement is
// what stood on the wire and nothing that a library concluded.

// Packet types, MQTT 3.1.1, section 2.2.1.
const (
	packetConnect   = 0x10
	packetConnack   = 0x20
	packetPublish   = 0x30
	packetPuback    = 0x40
	packetSubscribe = 0x82
	packetPing      = 0xc0
)

const (
	// mqttWindow is how many publishes of one phone wait for their PUBACK.
	mqttWindow = 16
	// mqttAnswer is how long a phone waits before it connects anew.
	mqttAnswer = 10 * time.Second
	maxPacket  = 1 << 20
)

// overMQTT reports until making ends, and returns when all are acknowledged.
func (p *phone) overMQTT(ctx context.Context, addr string, making <-chan struct{}) {
	s := &mqttPhone{phone: p, addr: addr, making: making, waits: map[uint16]*item{}}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		began := time.Now()
		if err := s.session(ctx); err == nil {
			return
		}
		if time.Since(began) > 2*time.Second {
			wait = 50 * time.Millisecond
		}
		if !pause(ctx, wait) {
			p.b.fault("liveness: %s could not have %d reports acknowledged over MQTT until the end", p.id, len(s.waits))
			return
		}
	}
}

// mqttPhone is a phone on MQTT; one goroutine works on it.
type mqttPhone struct {
	*phone
	addr   string
	making <-chan struct{}
	waits  map[uint16]*item // published, without PUBACK
	last   uint16
}

type packet struct {
	kind byte
	body []byte
}

// session is one connection; nil when everything is done.
func (s *mqttPhone) session(ctx context.Context) error {
	d := net.Dialer{Timeout: 3 * time.Second}
	c, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // what was not acknowledged is sent again
	in := bufio.NewReader(c)
	if err := c.SetDeadline(time.Now().Add(mqttAnswer)); err != nil {
		return err
	}
	if err := s.connect(c, in); err != nil {
		return err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	frames, broke := make(chan packet), make(chan error, 1)
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			k, err := readPacket(in)
			if err != nil {
				broke <- err
				return
			}
			select {
			case frames <- k:
			case <-over:
				return
			}
		}
	}()
	if err := s.again(c); err != nil {
		return err
	}
	next, alive, heard := time.NewTimer(0), time.NewTicker(time.Second), time.Now()
	defer next.Stop()
	defer alive.Stop()
	done := false
	making := s.making
	for {
		if done && len(s.waits) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-broke:
			return err
		case <-making:
			done, making = true, nil
		case k := <-frames:
			heard = time.Now()
			if err := s.take(c, k); err != nil {
				return err
			}
		case <-alive.C:
			if time.Since(heard) > mqttAnswer {
				return errors.New("the station does not answer")
			}
			if err := write(c, packetPing, nil); err != nil {
				return err
			}
		case <-next.C:
			if !done && len(s.waits) < mqttWindow {
				if err := s.publish(c, s.draw(), false); err != nil {
					return err
				}
			}
			next.Reset(time.Duration(float64(s.every) * (0.5 + s.r.Float64())))
		}
	}
}

func (s *mqttPhone) topic(name string) string {
	return "wardline/v1/" + s.w.file.Devices[0].Ward + "/" + s.id + "/" + name
}

// connect logs in and subscribes to receipts.
func (s *mqttPhone) connect(c net.Conn, in *bufio.Reader) error {
	b := append(text(nil, "MQTT"), 4, 0xc0, 0, 30) // user name, password; session kept; keep alive 30 s
	b = text(text(text(b, s.id), s.id), s.password)
	if err := write(c, packetConnect, b); err != nil {
		return err
	}
	k, err := readPacket(in)
	if err != nil {
		return err
	}
	if k.kind&0xf0 != packetConnack || len(k.body) != 2 || k.body[1] != 0 {
		return fmt.Errorf("CONNACK %x %x", k.kind, k.body)
	}
	return write(c, packetSubscribe, append(text([]byte{0xff, 0xff}, s.topic("receipt")), 1))
}

// again sends what has no PUBACK and offers what is not in the city.
func (s *mqttPhone) again(c net.Conn) error {
	old := slices.Collect(maps.Values(s.waits))
	clear(s.waits)
	for _, it := range slices.Concat(old, s.waiting()) {
		if err := s.publish(c, it, true); err != nil {
			return err
		}
	}
	return nil
}

func (s *mqttPhone) publish(c net.Conn, it *item, dup bool) error {
	for s.last++; s.last == 0 || s.last == 0xffff || s.waits[s.last] != nil; s.last++ {
	}
	s.waits[s.last] = it
	kind := byte(packetPublish | 2) // QoS 1
	if dup {
		kind |= 8
	}
	b := binary.BigEndian.AppendUint16(text(nil, s.topic("report")), s.last)
	return write(c, kind, append(b, it.body...))
}

// take reads what the station sends.
func (s *mqttPhone) take(c net.Conn, k packet) error {
	switch k.kind & 0xf0 {
	case packetPuback:
		if len(k.body) != 2 {
			return fmt.Errorf("PUBACK of %d bytes", len(k.body))
		}
		id := binary.BigEndian.Uint16(k.body)
		it := s.waits[id]
		if it == nil {
			return fmt.Errorf("PUBACK for %d, which was not sent", id)
		}
		delete(s.waits, id)
		s.took(it, atWard)
	case packetPublish:
		return s.receipt(c, k)
	}
	return nil
}

func (s *mqttPhone) receipt(c net.Conn, k packet) error {
	if len(k.body) < 2 {
		return errors.New("a short PUBLISH")
	}
	n := 2 + int(binary.BigEndian.Uint16(k.body))
	qos := k.kind & 6
	if qos != 0 {
		n += 2
	}
	if len(k.body) < n {
		return errors.New("a short PUBLISH")
	}
	var r struct {
		ID, Step string
		Error    *struct{ Field, Detail string }
	}
	if err := json.Unmarshal(k.body[n:], &r); err != nil {
		return err
	}
	switch {
	case r.Error != nil:
		s.b.fault("refused: well-formed report %s of %s was refused for good: %s %s", r.ID, s.id, r.Error.Field, r.Error.Detail)
	case r.Step == "city":
		s.inCity(r.ID)
	}
	if qos == 0 {
		return nil
	}
	return write(c, packetPuback, k.body[n-2:n])
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// write sends one packet; the remaining length has seven bits a byte (2.2.3).
func write(c net.Conn, kind byte, body []byte) error {
	b := []byte{kind}
	for n := len(body); ; {
		d := byte(n & 127)
		if n >>= 7; n > 0 {
			d |= 128
		}
		if b = append(b, d); n == 0 {
			break
		}
	}
	if err := c.SetWriteDeadline(time.Now().Add(mqttAnswer)); err != nil {
		return err
	}
	_, err := c.Write(append(b, body...))
	return err
}

func readPacket(r *bufio.Reader) (packet, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n, err := binary.ReadUvarint(r) // the same seven bits a byte
	if err != nil {
		return packet{}, err
	}
	if n > maxPacket {
		return packet{}, fmt.Errorf("a packet of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return packet{kind, b}, err
}
