package mqttload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// fakeBroker answers one connection as a script says.
func fakeBroker(t *testing.T, serve func(t *testing.T, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(t, c)
	}()
	t.Cleanup(func() {
		_ = l.Close() // it is going away
		<-done
	})
	return l.Addr().String()
}

// packets reads whole packets until the connection ends.
func packets(c net.Conn, each func(kind byte, body []byte)) {
	var in []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		in = append(in, buf[:n]...)
		for {
			kind, body, rest, ok, perr := next(in)
			if perr != nil || !ok {
				break
			}
			each(kind, body)
			in = rest
		}
		if err != nil {
			return
		}
	}
}

func messages(n int) []Message {
	var out []Message
	for i := range n {
		out = append(out, Message{[]byte(fmt.Sprintf(`{"id":"%012x","x":%03d}`, 0, i)), 7})
	}
	return out
}

func TestClient_AckedOutOfOrder_CountsEachOnceToItsMessage(t *testing.T) {
	const count = 70_000 // more than there are packet ids
	seen := make([]bool, count)
	addr := fakeBroker(t, func(t *testing.T, c net.Conn) {
		var held []byte
		packets(c, func(kind byte, body []byte) {
			switch kind {
			case typeConnect:
				want := append(appendString(nil, "MQTT"), 4, 0xc2, 0, keepAlive)
				want = appendString(appendString(appendString(want, "dev"), "dev"), "secret")
				if !bytes.Equal(body, want) {
					t.Errorf("CONNECT is %q, want %q", body, want)
				}
				_, _ = c.Write([]byte{typeConnack, 2, 0, 0})
			case typePublish1:
				topic := 2 + int(binary.BigEndian.Uint16(body))
				if string(body[2:topic]) != "wardline/v1/26704/dev/report" {
					t.Errorf("topic %q", body[2:topic])
				}
				var n int
				if _, err := fmt.Sscanf(string(body[topic+2+7:topic+2+19]), "%x", &n); err != nil || n >= count || seen[n] {
					t.Errorf("message %q: %v", body[topic+2:], err)
					return
				}
				seen[n] = true
				ack := append([]byte{typePuback, 2}, body[topic:topic+2]...)
				if held == nil && n < count-1 {
					held = ack
					return
				}
				_, _ = c.Write(append(append(ack, 0xd0, 0), held...)) // the later one first
				held = nil
			}
		})
	})
	l, err := Dial(Config{Addr: addr, Client: "dev", User: "dev", Password: "secret", Topic: "wardline/v1/26704/dev/report", Window: 32,
		Messages: messages(100), Latencies: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Run(time.Now().Add(time.Minute), count); err != nil {
		t.Fatal(err)
	}
	acked := map[uint64]bool{}
	for _, n := range l.Acked() {
		acked[n] = true
	}
	if len(acked) != count || len(l.Acked()) != count || len(l.Latencies()) != count {
		t.Fatalf("%d acknowledgements of %d messages, %d times; want %d", len(l.Acked()), len(acked), len(l.Latencies()), count)
	}
}

func TestClient_AckForNothingSent_IsAnError(t *testing.T) {
	addr := fakeBroker(t, func(_ *testing.T, c net.Conn) {
		packets(c, func(kind byte, body []byte) {
			switch kind {
			case typeConnect:
				_, _ = c.Write([]byte{typeConnack, 2, 0, 0})
			case typePublish1:
				_, _ = c.Write([]byte{typePuback, 2, 0xff, 0xff})
			}
		})
	})
	l, err := Dial(Config{Addr: addr, Client: "dev", Topic: "t", Window: 1, Messages: messages(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Run(time.Now().Add(time.Minute), 1); err == nil || !strings.Contains(err.Error(), "does not owe") {
		t.Fatalf("got %v", err)
	}
	if len(l.Acked()) != 0 {
		t.Fatal("counted it")
	}
}

func TestClient_ConnectionLost_CountsWhatWasAcked(t *testing.T) {
	addr := fakeBroker(t, func(_ *testing.T, c net.Conn) {
		n := 0
		packets(c, func(kind byte, body []byte) {
			switch kind {
			case typeConnect:
				_, _ = c.Write([]byte{typeConnack, 2, 0, 0})
			case typePublish1:
				if n++; n <= 3 {
					_, _ = c.Write(append([]byte{typePuback, 2}, body[3:5]...))
				} else if n == 5 {
					_ = c.(*net.TCPConn).CloseWrite() // what was written still arrives
				}
			}
		})
	})
	l, err := Dial(Config{Addr: addr, Client: "dev", Topic: "t", Window: 8, Messages: messages(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Run(time.Now().Add(time.Minute), 100); err == nil {
		t.Fatal("no error although acknowledgements are owed")
	}
	if got := fmt.Sprint(l.Acked()); got != "[0 1 2]" {
		t.Fatalf("acked %s", got)
	}
}

func TestClient_Refused_SaysTheReturnCode(t *testing.T) {
	addr := fakeBroker(t, func(_ *testing.T, c net.Conn) {
		packets(c, func(byte, []byte) { _, _ = c.Write([]byte{typeConnack, 2, 0, 5}) })
	})
	if _, err := Dial(Config{Addr: addr, Client: "dev", Topic: "t", Window: 1, Messages: messages(1)}); err == nil || !strings.Contains(err.Error(), "return code 5") {
		t.Fatalf("got %v", err)
	}
}

func TestNext_LengthsOfAllSizes_AreReadBack(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16_383, 16_384, maxPacket} {
		b := append(appendLength([]byte{typePublish1}, n), make([]byte, n)...)
		kind, body, rest, ok, err := next(append(b, 7))
		if err != nil || !ok || kind != typePublish1 || len(body) != n || len(rest) != 1 {
			t.Fatalf("%d: %v %v, %d bytes", n, ok, err, len(body))
		}
		if _, _, _, ok, err := next(b[:len(b)-1]); n > 0 && (ok || err != nil) {
			t.Fatalf("%d, cut short: %v %v", n, ok, err)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte{typePuback, 2, 0, 1})
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			_, body, rest, ok, err := next(b)
			if err != nil || !ok {
				return
			}
			if len(body)+len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			b = rest
		}
	})
}
