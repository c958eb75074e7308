package bridge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// fakeBroker answers CONNECT and SUBSCRIBE with bytes of the test's choice, for what no
// honest broker sends. MID stands for the SUBSCRIBE's id.
func fakeBroker(t *testing.T, connack, suback []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					p, err := packets.ReadPacket(c)
					if err != nil {
						return
					}
					answer := connack
					switch x := p.(type) {
					case *packets.ConnectPacket:
					case *packets.SubscribePacket:
						answer = bytes.ReplaceAll(suback, []byte("MID"), binary.BigEndian.AppendUint16(nil, x.MessageID))
					default:
						continue
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "tcp://" + l.Addr().String()
}

var connackOK = []byte{0x20, 2, 0, 0}

func TestBridge_HostileBroker_IsNamedAndHurtsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		connack, suback []byte
		filters         []string
		says            string
	}{
		"a refused filter":           {connackOK, []byte("\x90\x03MID\x80"), []string{"secret/report"}, `"secret/report"`},
		"a SUBACK with more answers": {connackOK, []byte("\x90\x05MID\x01\x01\x01"), nil, "broke the MQTT protocol"},
		"a SUBACK with none":         {connackOK, []byte("\x90\x02MID"), nil, "broke the MQTT protocol"},
		"an unknown return code":     {[]byte{0x20, 2, 0, 9}, nil, nil, "broke the MQTT protocol"},
		"a refused client id":        {[]byte{0x20, 2, 0, 2}, nil, nil, "set client_id"},
		"no CONNACK":                 {[]byte{0xd0, 0}, nil, nil, "CONNACK"},
		"a packet for servers":       {connackOK, []byte{0xc0, 0}, nil, "broke the MQTT protocol"},
		"a length without end":       {connackOK, []byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, nil, "broke the MQTT protocol"},
		"a topic beyond the packet":  {connackOK, []byte{0x30, 3, 0, 9, 'a'}, nil, "broke the MQTT protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Config{URL: fakeBroker(t, c.connack, c.suback), Filters: c.filters}, newLedger(nil))
			waitFor(t, "it is named", func() bool { return strings.Contains(r.Status().Err, c.says) })
			if r.connected() {
				t.Error("it counts as connected")
			}
		})
	}
}

func TestBridge_OneFilterOfTwoRefused_TheOtherWorks(t *testing.T) {
	r := start(t, Config{URL: fakeBroker(t, connackOK, []byte("\x90\x04MID\x80\x01")), Filters: []string{"secret/report", DefaultFilter}}, newLedger(nil))
	waitFor(t, "it is connected", r.connected)
	if !strings.Contains(r.Status().Err, "refuses the filter") {
		t.Errorf("%+v", r.Status())
	}
}

// pipe gives bytes to a guard.
type pipe struct {
	net.Conn
	io.Reader
}

func (p pipe) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func publish(size int) []byte {
	var b bytes.Buffer
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.MessageID, p.TopicName, p.Payload = 1, 7, topic, bytes.Repeat([]byte("x"), size)
	_ = p.Write(&b) // into memory
	return b.Bytes()
}

func TestGuard_LargePublish_IsCutAndTheNextOneWhole(t *testing.T) {
	const limit = 100
	for _, size := range []int{0, 1, limit - 1, limit, limit + 1, 5000, 3 << 20} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "in halves": iotest.HalfReader, "in bytes": iotest.OneByteReader} {
			if size > 5000 && name == "in bytes" {
				continue
			}
			stream := append(publish(size), publish(3)...)
			g := newGuard(pipe{Reader: wrap(bytes.NewReader(stream))}, limit, 1)
			for _, want := range []int{min(size, limit), 3} {
				p, err := packets.ReadPacket(g)
				if err != nil {
					t.Fatalf("%d %s: %v", size, name, err)
				}
				m, ok := p.(*packets.PublishPacket)
				if !ok || len(m.Payload) != want || m.TopicName != topic || m.MessageID != 7 {
					t.Fatalf("%d %s: %v", size, name, p)
				}
			}
			if _, err := packets.ReadPacket(g); err != io.EOF {
				t.Fatalf("%d %s: %v", size, name, err)
			}
		}
	}
}

// FuzzGuard: whatever comes, paho's decoder behind the guard neither panics nor
// is given a payload over the limit, and what is left over is an error.
func FuzzGuard(f *testing.F) {
	f.Add(publish(10))
	f.Add(publish(200))
	f.Add(append(append([]byte{0x20, 2, 0, 0}, publish(101)...), 0xd0, 0))
	f.Add([]byte("\x90\x03\x00\x01\x80"))
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'})
	f.Add([]byte{0x36, 4, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		const limit = 100
		g := newGuard(pipe{Reader: bytes.NewReader(raw)}, limit, 1)
		for {
			p, err := packets.ReadPacket(g)
			if err != nil {
				if errors.Is(err, errPacket) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					return
				}
				t.Fatal(err)
			}
			switch m := p.(type) {
			case *packets.PublishPacket:
				if len(m.Payload) > limit {
					t.Fatalf("%d bytes", len(m.Payload))
				}
			case *packets.SubackPacket:
				if len(m.ReturnCodes) > 1 {
					t.Fatalf("%d return codes", len(m.ReturnCodes))
				}
			case *packets.ConnackPacket, *packets.PubrelPacket, *packets.PingrespPacket:
			default:
				t.Fatalf("%T passed", p)
			}
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	for _, s := range []string{topic, "", "wardline/v1/26704//report", "wardline/v1/26704/a/b/report", "wardline/v1/2670x/a/report", "wardline/v1/26704/\x00/report", "wardline/v1/26704/\xff/report"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ward, device, misfit := parseTopic(s)
		if misfit == "" && "wardline/v1/"+string(ward)+"/"+device+"/report" != s {
			t.Fatalf("%q: %q %q", s, ward, device)
		}
		if misfit == "" && (strings.Contains(device, "/") || len(device) > maxDevice || !ward.Valid()) {
			t.Fatalf("%q gives %q", s, device)
		}
	})
}
