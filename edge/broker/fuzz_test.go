package broker

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// FuzzFramer holds the framer to mochi's decoder: what both take, they take alike,
// and neither reads past the packet.
func FuzzFramer(f *testing.F) {
	for _, m := range []message{{topic: "a/b", payload: []byte("x"), qos: 1, id: 7}, {topic: "a", qos: 2, id: 1}, {topic: strings.Repeat("t", 300)}} {
		f.Add(appendPublish(nil, &m, 4, false), false)
		f.Add(appendPublish(nil, &m, 5, m.qos > 0), true)
	}
	f.Add([]byte{0x40, 4, 0, 1, 0x10, 0}, true)
	f.Add([]byte{0x62, 2, 0, 9}, false)
	f.Add([]byte{0x32, 0x09, 0, 1, 'x', 0, 1, 3, 0x23, 0, 1}, true)
	f.Fuzz(func(t *testing.T, data []byte, v5 bool) {
		fr := newFramer(bytes.NewReader(data), 200, readBuffer)
		fr.version = 4
		if v5 {
			fr.version = 5
		}
		first, err := fr.next()
		if err != nil {
			return
		}
		n := fr.left
		at := len(data) - fr.br.Buffered()
		if len(data) > readBuffer {
			return
		}
		if first>>4 != packets.Publish {
			if id, err := fr.ack(first); err == nil && n < 2 {
				t.Fatalf("id %d out of %d bytes", id, n)
			}
			return
		}
		h, err := fr.head(first)
		if err != nil {
			return
		}
		payload, err := fr.payload(h.payload)
		if err != nil {
			return
		}
		if read := len(data) - fr.br.Buffered() - at; read != n {
			t.Fatalf("read %d bytes of a packet of %d", read, n)
		}
		pk := packets.Packet{ProtocolVersion: fr.version}
		if err := pk.FixedHeader.Decode(first); err != nil {
			t.Fatalf("mochi refuses the header: %v", err)
		}
		pk.FixedHeader.Remaining = n
		if err := pk.PublishDecode(bytes.Clone(data[at : at+n])); err != nil {
			return // it also refuses topics that are no UTF-8, which are ProblemTopic here
		}
		topic := pk.TopicName[:min(len(pk.TopicName), 200)]
		if string(h.topic) != topic || h.id != pk.PacketID || h.qos != pk.FixedHeader.Qos || !bytes.Equal(payload, pk.Payload) ||
			h.dup != pk.FixedHeader.Dup || h.retain != pk.FixedHeader.Retain || h.cut != (len(pk.TopicName) > 200) {
			t.Fatalf("%+v %q differs from mochi's %+v", h, payload, pk)
		}
	})
}

// FuzzTopic: no filter gives a device what is another's.
func FuzzTopic(f *testing.F) {
	for _, s := range []string{"wardline/v1/26704/app-1/#", "wardline/v1/26704/alert", "#", "wardline/v1/26704/app-1/receipt", "$share/x/#"} {
		f.Add(s, "app-2")
	}
	me := Device{ID: "app-1", Ward: testWard}
	f.Fuzz(func(t *testing.T, filter, other string) {
		if !maySubscribe(me, filter) {
			return
		}
		for _, topic := range []string{ReceiptTopic(testWard, other), CommandTopic(testWard, other), StatusTopic(testWard, other), ReportTopic(testWard, other),
			AlertTopic(otherWard), ReceiptTopic(otherWard, "app-1")} {
			if safeDeviceID(other) && other != me.ID && matches(filter, topic) {
				t.Fatalf("%q reads %q", filter, topic)
			}
		}
	})
}

// FuzzBroker throws bytes at a whole broker, before and after the login: it goes on
// serving, and nothing is left of the connection.
func FuzzBroker(f *testing.F) {
	f.Add(as("app-1").bytes(), byte(0))
	f.Add([]byte{0x82, 0x06, 0, 1, 0, 0, 1, 'x'}, byte(5))
	f.Add([]byte{0x32, 0x07, 0, 1, 'x', 0, 1, 0, 'y'}, byte(4))
	f.Add([]byte{0x62, 2, 0, 9, 0xc0, 0, 0xe0, 0}, byte(4))
	b, err := New(testConfig(), people{}, &desk{auto: accept}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = b.Close() })
	f.Fuzz(func(t *testing.T, data []byte, version byte) {
		here, there := net.Pipe()
		p, _ := b.gate.enter(t.Context(), there)
		if !b.admit(door{network: "tcp"}, there, p) {
			t.Fatal("not admitted")
		}
		_ = here.SetDeadline(time.Now().Add(patience))
		if version == 4 || version == 5 {
			l := as("app-1")
			l.version = version
			data = append(l.bytes(), data...)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			buf := make([]byte, 4<<10)
			for {
				if _, err := here.Read(buf); err != nil {
					return
				}
			}
		}()
		_, _ = here.Write(data) // the broker may end it before all is written
		_ = here.Close()
		<-read
		b.serving.Wait()
		if s := b.Stats(); s.Connections != 0 || s.HalfOpen != 0 || s.Sessions != 0 && version == 4 {
			t.Fatalf("left: %+v", s)
		}
	})
}
