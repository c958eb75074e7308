package city

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echoLine is a bad line to a server that sends back what it gets.
func echoLine(t *testing.T, s Slow) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c) // until either end has gone
				_ = c.Close()
			}()
		}
	}()
	p, err := newProxy("127.0.0.1:0", func() string { return l.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	p.setSlow(s)
	c, err := net.Dial("tcp", p.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, x := range []io.Closer{c, p.l, l} {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

func TestSlow_OneWay_LeavesTheOtherAlone(t *testing.T) {
	const latency = 2 * time.Second
	c := echoLine(t, Slow{Latency: latency, Way: CutUp})
	began := time.Now()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < latency || d >= 2*latency {
		t.Errorf("there and back took %v, one way is %v late", d, latency)
	}
}

func TestSlow_JitterAndLoss_KeepAConnectionsOrder(t *testing.T) {
	c := echoLine(t, Slow{Latency: time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.05, Rate: 1 << 20})
	want := make([]byte, 100_000)
	for i := range want {
		want[i] = byte(i / 7)
	}
	go func() { _, _ = c.Write(want) }() // what is missing shows below
	got := make([]byte, len(want))
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the bytes came in another order")
	}
}

func TestSlow_Validate_NamesWhatIsWrong(t *testing.T) {
	for _, s := range []Slow{{Latency: -1}, {Jitter: time.Minute}, {Rate: -1}, {Loss: 1.1}, {Way: CutBlackhole}} {
		if s.Validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
