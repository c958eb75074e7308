package broker

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// goroutines counts those that are in a broker.
func goroutines() (n int) {
	buf := make([]byte, 16<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "/edge/broker.(*") || strings.Contains(g, "mochi-mqtt") {
			n++
		}
	}
	return n
}

// raced says whether this test runs under the race detector, which needs larger stacks.
func raced() bool {
	b, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(b.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestBroker_IdleDevicesOverTLS_EachHasOneShallowStack: the handshake's and the log-in's large
// stacks end with them, and nobody waits for something to write. Thousands of devices
// that say nothing are most of what a station's memory is for.
func TestBroker_IdleDevicesOverTLS_EachHasOneShallowStack(t *testing.T) {
	c := testConfig()
	conf, pool := testTLS(t)
	c.Listeners = []Listener{{Network: "tcp", Addr: "127.0.0.1:0", TLS: conf}}
	h := &desk{auto: accept}
	b := startBroker(t, c, h)
	stacks := func() float64 {
		var m runtime.MemStats
		for range 4 { // each collection halves what is too large
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return float64(m.StackInuse)
	}
	const devices = 400
	before, bytes := goroutines(), stacks()
	var all []*rawClient
	for i := range devices {
		x := dialRaw(t, b)
		x.version = 4
		x.nc = tls.Client(x.nc, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		x.br.Reset(x.nc)
		x.send(as(fmt.Sprintf("app-%d", i)).bytes())
		if p := x.read(); p.kind() != 2 || p.body[1] != 0 {
			t.Fatalf("device %d: %x", i, p.body)
		}
		x.subscribe(ReceiptTopic(testWard, fmt.Sprintf("app-%d", i)), 1)
		x.quiet()
		all = append(all, x)
	}
	waitFor(t, func() bool { return goroutines()-before == devices })
	if each := (stacks() - bytes) / devices; each > 5<<10 && !raced() {
		t.Errorf("%.1f KiB of stack for an idle device", each/1024)
	}
	// They are all there: each hears what is sent to it, and is heard.
	for i, x := range all {
		if !b.Send(fmt.Sprintf("app-%d", i), Receipt, []byte("x")) || x.incoming().payload != "x" {
			t.Fatalf("device %d is deaf", i)
		}
		x.report(1, 9, fmt.Sprintf("app-%d", i), "help")
		x.expect(4, 9)
	}
	waitFor(t, func() bool { return goroutines()-before == devices })
}

// TestBroker_HalfOpenTLS_IsBounded_AndDelaysNobodyElsesPanic: somebody opens connection after
// connection, begins a handshake and says no more. What they may have at once is
// bounded, each is one goroutine more than a device has, and both a device that is
// connected and one that comes are served meanwhile.
func TestBroker_HalfOpenTLS_IsBounded_AndDelaysNobodyElsesPanic(t *testing.T) {
	c := testConfig()
	conf, pool := testTLS(t)
	c.MaxHalfOpen, c.ConnectTimeout = 16, time.Minute
	c.Listeners = []Listener{{Network: "tcp", Addr: "127.0.0.1:0", TLS: conf}}
	h := &desk{auto: accept}
	b := startBroker(t, c, h)
	before := goroutines()
	device := func(id string) *rawClient {
		x := dialRaw(t, b)
		x.version = 4
		x.nc = tls.Client(x.nc, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		x.br.Reset(x.nc)
		x.send(as(id).bytes())
		if p := x.read(); p.kind() != 2 || p.body[1] != 0 {
			t.Fatalf("%s: %x", id, p.body)
		}
		return x
	}
	button := device("button-1")
	const flood = 400
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range flood {
		nc, err := from.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		if _, err := nc.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}); err != nil { // a ClientHello's first bytes
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { half, _ := b.gate.count(); return half == c.MaxHalfOpen/2 })
	var most atomic.Int64
	look := func() {
		half, _ := b.gate.count()
		most.Store(max(most.Load(), int64(half)))
	}
	began := time.Now()
	for i := range 20 {
		button.report(1, uint16(i+1), "button-1", "panic")
		button.expect(4, uint16(i+1))
		newcomer := device(fmt.Sprintf("app-%d", i))
		newcomer.report(1, 1, fmt.Sprintf("app-%d", i), "panic")
		newcomer.expect(4, 1)
		_ = newcomer.nc.Close()
		look()
	}
	// Without the gate each newcomer would wait for the flood's handshakes to time out.
	if took := time.Since(began); took > c.ConnectTimeout/2 {
		t.Errorf("20 presses and 20 newcomers took %v", took)
	}
	if n := most.Load(); n > int64(c.MaxHalfOpen/2)+1 {
		t.Errorf("%d half-open connections at once", n)
	}
	// Of a half-open connection two goroutines, of one that waits aside one, of the device one.
	if n := goroutines() - before; n > 1+2*(c.MaxHalfOpen/2)+flood+2 {
		t.Errorf("%d goroutines", n)
	}
}
