package broker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pires/go-proxyproto"

	"wardline/sync/proxies"
)

// behindFront is a broker whose front is 127.0.0.1: TCP, WebSocket, TCP over TLS.
func behindFront(t *testing.T, c Config, h Handler) (*Broker, *tls.Config) {
	t.Helper()
	conf, pool := testTLS(t)
	c.Listeners = append(c.Listeners, Listener{Network: "tcp", Addr: "127.0.0.1:0", TLS: conf})
	var err error
	if c.Proxies, err = proxies.Parse([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	return startBroker(t, c, h), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// stranger dials from 127.0.0.2, whom nobody believes.
var stranger = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}

func dialAs(t *testing.T, d *net.Dialer, b *Broker, listener int) *rawClient {
	t.Helper()
	nc, err := d.Dial("tcp", b.Addrs()[listener].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, nc: nc, br: bufio.NewReader(nc), version: 4}
}

func (c *rawClient) enter(id string) {
	c.t.Helper()
	c.send(as(id).bytes())
	if p := c.read(); p.kind() != 2 || p.body[1] != 0 {
		c.t.Fatalf("%s: %x %x", id, p.first, p.body)
	}
}

// front is a header as a front sends it, for a phone at an address.
func front(t *testing.T, version byte, from string) []byte {
	t.Helper()
	a := &net.TCPAddr{IP: net.ParseIP(from), Port: 4711}
	to := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1883}
	if a.IP.To4() == nil {
		to.IP = net.ParseIP("2001:db8::1")
	}
	b, err := proxyproto.HeaderProxyFromAddrs(version, a, to).Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBroker_FrontOverTCP_SaysForWhom_NobodyElseDoes: by both versions of the PROXY protocol, in the
// clear and before a TLS handshake.
func TestBroker_FrontOverTCP_SaysForWhom_NobodyElseDoes(t *testing.T) {
	h := &desk{auto: accept}
	b, conf := behindFront(t, testConfig(), h)
	local := append(append([]byte{}, proxyproto.SIGV2...), 0x20, 0, 0, 0)
	for i, c := range []struct {
		by     *net.Dialer
		over   int
		header []byte
		want   string
	}{
		{&net.Dialer{}, 0, front(t, 1, "203.0.113.7"), "203.0.113.7:4711"},
		{&net.Dialer{}, 0, front(t, 2, "203.0.113.7"), "203.0.113.7:4711"},
		{&net.Dialer{}, 0, front(t, 2, "2001:db8:9::1"), "[2001:db8:9::1]:4711"},
		{&net.Dialer{}, 2, front(t, 1, "203.0.113.7"), "203.0.113.7:4711"},
		{&net.Dialer{}, 2, front(t, 2, "203.0.113.7"), "203.0.113.7:4711"},
		{&net.Dialer{}, 0, []byte("PROXY UNKNOWN\r\n"), "127.0.0.1"},
		{&net.Dialer{}, 0, local, "127.0.0.1"}, // the front's own
		{stranger, 0, nil, "127.0.0.2"},
	} {
		x := dialAs(t, c.by, b, c.over)
		x.send(c.header)
		if c.over == 2 {
			x.nc = tls.Client(x.nc, conf)
			x.br.Reset(x.nc)
		}
		x.enter("app-1")
		x.report(1, 1, "app-1", "x")
		x.expect(4, 1)
		got := h.wait(t, i+1)[i].Remote.String()
		if got != c.want && addrOf(h.wait(t, i+1)[i].Remote) != c.want {
			t.Errorf("case %d: a report comes from %s, not %s", i, got, c.want)
		}
	}
	for i, c := range []struct {
		by   *net.Dialer
		over int
		sent []byte
	}{
		{stranger, 0, front(t, 1, "203.0.113.7")},
		{stranger, 0, front(t, 2, "203.0.113.7")},
		{stranger, 2, front(t, 2, "203.0.113.7")},
		{&net.Dialer{}, 0, as("app-1").bytes()}, // the front must say for whom
		{&net.Dialer{}, 0, []byte("PROXY TCP4 203.0.113.7\r\n")},
		{&net.Dialer{}, 0, append([]byte("PROXY "), bytes.Repeat([]byte("x"), 200)...)},
		{&net.Dialer{}, 0, append(append([]byte{}, proxyproto.SIGV2...), 0x21, 0x11, 0xff, 0xff)},
	} {
		x := dialAs(t, c.by, b, c.over)
		x.send(append(c.sent, as("app-1").bytes()...))
		if all := x.expectEnd(); len(all) > 0 && all[0].kind() == 2 {
			t.Errorf("refusal %d: it is let in", i)
		}
	}
	if n := b.Stats().FrontsRefused; n != 4 {
		t.Errorf("%d connections of the front were counted as refused", n)
	}
}

// TestBroker_FloodThroughAFront_HasItsOwnAddressesShare: a phone behind the same front is not
// kept out by it.
func TestBroker_FloodThroughAFront_HasItsOwnAddressesShare(t *testing.T) {
	c := testConfig()
	c.MaxHalfOpen, c.ConnectTimeout = 8, time.Minute
	h := &desk{auto: accept}
	b, _ := behindFront(t, c, h)
	for range 24 {
		dialAs(t, &net.Dialer{}, b, 0).send(front(t, 2, "203.0.113.7"))
	}
	waitFor(t, func() bool { return b.Stats().HalfOpen == 4 }) // half of the places
	var all []*websocket.Conn
	open := func(from string) (*http.Response, error) {
		ws, a, err := websocket.DefaultDialer.Dial("ws://"+b.Addrs()[1].String()+"/mqtt", http.Header{"X-Forwarded-For": {from}})
		if err == nil {
			t.Cleanup(func() { _ = ws.Close() })
			all = append(all, ws)
		}
		return a, err
	}
	// The same over WebSocket: a share of the same size, and the answer says why not.
	refused := 0
	for range 3 {
		if a, err := open("203.0.113.7"); err != nil && a != nil && a.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("over WebSocket the address has more than its share")
	}
	x := dialAs(t, &net.Dialer{}, b, 0)
	x.send(front(t, 1, "203.0.113.8"))
	x.enter("app-1")
	if _, err := open("203.0.113.9"); err != nil {
		t.Fatal(err)
	}
	if err := all[len(all)-1].WriteMessage(websocket.BinaryMessage, append(as("app-2").bytes(),
		x.publishBytes(ReportTopic(testWard, "app-2"), 1, 7, []byte("x"), false)...)); err != nil {
		t.Fatal(err)
	}
	if got := addrOf(h.wait(t, 1)[0].Remote); got != "203.0.113.9" {
		t.Errorf("a report over WebSocket comes from %s", got)
	}
}

// TestBroker_StrangersForwardedFor_IsNotBelieved: over WebSocket too.
func TestBroker_StrangersForwardedFor_IsNotBelieved(t *testing.T) {
	h := &desk{auto: accept}
	b, _ := behindFront(t, testConfig(), h)
	d := websocket.Dialer{NetDialContext: stranger.DialContext}
	ws, _, err := d.Dial("ws://"+b.Addrs()[1].String()+"/mqtt", http.Header{"X-Forwarded-For": {"203.0.113.7"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	raw := &rawClient{version: 4}
	if err := ws.WriteMessage(websocket.BinaryMessage, append(as("app-1").bytes(), raw.publishBytes(ReportTopic(testWard, "app-1"), 1, 7, []byte("x"), false)...)); err != nil {
		t.Fatal(err)
	}
	if got := addrOf(h.wait(t, 1)[0].Remote); got != "127.0.0.2" {
		t.Errorf("a report comes from %s", got)
	}
}

// TestReadFront_SilentOrSlow_EndsInTime: also when the header stops in its middle, and at once when the station stops.
func TestReadFront_SilentOrSlow_EndsInTime(t *testing.T) {
	for _, begun := range []string{"", "PROXY ", "PROXY TCP4 203.0.113.7 192.0.2.1 ", string(proxyproto.SIGV2)} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			defer there.Close()
			go func() { _, _ = io.WriteString(there, begun) }() // nobody reads the rest
			began := time.Now()
			if _, err := readFront(context.Background(), here); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != frontTime {
				t.Errorf("%q: %v after %v", begun, err, time.Since(began))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		ctx, cancel := context.WithCancel(context.Background())
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		if _, err := readFront(ctx, here); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// FuzzFrontHeader: what is taken is a whole header and not a byte of what follows.
func FuzzFrontHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n\x10\x0c"))
	f.Add([]byte("PROXY UNKNOWN\r\n\x10"))
	f.Add(append(append([]byte{}, proxyproto.SIGV2...), 0x21, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 0x10))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		b, err := frontHeader(r)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(data, b) || len(b)+r.Len() != len(data) || len(b) > 16+maxFront {
			t.Fatalf("took %d of %d bytes, %d are left", len(b), len(data), r.Len())
		}
		if text := bytes.HasPrefix(b, []byte("PROXY ")); text && bytes.IndexByte(b, '\n') != len(b)-1 {
			t.Fatalf("%q ends in its middle", b)
		}
	})
}
