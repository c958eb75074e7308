package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

type authFunc func(id string) Device

func (f authFunc) Authenticate(_, username, _ []byte, _ net.Addr) (Device, bool) {
	return f(string(username)), true
}

func TestBroker_Login_RefusedWithReason(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{})
	for _, x := range []struct {
		name   string
		login  login
		v4, v5 byte
	}{
		{"password", login{id: "app-1", user: "app-1", password: "no"}, 5, 0x86},
		{"user is not the client id", login{id: "app-2", user: "app-1", password: "pw"}, 5, 0x86},
		{"an id with a slash", login{id: "a/b", user: "a/b", password: "pw"}, 5, 0x86},
		{"an id with a wildcard", login{id: "a+", user: "a+", password: "pw"}, 5, 0x86},
		{"an id too long", login{id: strings.Repeat("a", 129), user: strings.Repeat("a", 129), password: "pw"}, 5, 0x86},
		{"a will on a report topic", login{id: "app-1", user: "app-1", password: "pw", will: []byte("x"), willTopic: ReportTopic(testWard, "app-1")}, 5, 0x87},
		{"a will of another", login{id: "app-1", user: "app-1", password: "pw", will: []byte("x"), willTopic: StatusTopic(testWard, "app-2")}, 5, 0x87},
	} {
		for version, want := range map[byte]byte{4: x.v4, 5: x.v5} {
			x.login.version = version
			c, code := tryLogin(t, b, x.login)
			if code != want {
				t.Errorf("%s, version %d: code %#x, want %#x", x.name, version, code, want)
			}
			c.expectEnd()
		}
	}
	if s := b.Stats(); s.LoginsRefused != 14 || s.Sessions != 0 {
		t.Errorf("stats are %+v", s)
	}
}

// Whatever Auth says, the three names are one.
func TestBroker_Login_UserClientAndDeviceAreTheSame(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{})
	b.auth = authFunc(func(string) Device { return Device{ID: "app-1", Ward: testWard} })
	for _, l := range []login{
		{id: "app-1", user: "app-2", password: "pw", version: 4},
		{id: "app-2", user: "app-1", password: "pw", version: 4},
		{id: "app-2", user: "app-2", password: "pw", version: 4},
	} {
		if _, code := tryLogin(t, b, l); code == 0 {
			t.Errorf("%+v is let in as app-1", l)
		}
	}
	mustLogin(t, b, as("app-1"))
}

func TestBroker_BadPackets_EndOnlyTheirConnection(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{auto: accept})
	good := mustLogin(t, b, as("good"))
	for name, p := range map[string][]byte{
		"first is no CONNECT":         {0x30, 0x02, 0, 0},
		"CONNECT too large":           {0x10, 0xff, 0xff, 0xff, 0x7f},
		"length of five bytes":        {0x10, 0xff, 0xff, 0xff, 0xff, 0x01},
		"CONNECT cut":                 {0x10, 0x03, 0, 4, 'M'},
		"http":                        []byte("GET / HTTP/1.1\r\n\r\n"),
		"version 3":                   append([]byte{0x10, 0x10, 0, 6}, "MQIsdp\x03\x02\x00\x00\x00\x02ab"...),
		"then SUBSCRIBE w/o options":  {0x82, 0x06, 0, 1, 0, 0, 1, 'x'},
		"then QoS 3":                  {0x36, 0x05, 0, 1, 'x', 0, 1},
		"then id 0":                   {0x32, 0x06, 0, 1, 'x', 0, 0, 0},
		"then DUP with QoS 0":         {0x38, 0x04, 0, 1, 'x', 0},
		"then PUBLISH cut":            {0x32, 0x02, 0, 9},
		"then topic alias":            {0x32, 0x09, 0, 1, 'x', 0, 1, 3, 0x23, 0, 1},
		"then PUBREC":                 {0x50, 0x02, 0, 1},
		"then PUBREL with bad flags":  {0x60, 0x02, 0, 1},
		"then SUBSCRIBE too large":    {0x82, 0xff, 0xff, 0x7f},
		"then second CONNECT":         as("bad").v5().bytes(),
		"then unknown kind":           {0x00, 0x00},
		"then properties beyond":      {0x32, 0x07, 0, 1, 'x', 0, 1, 0xff, 0xff},
		"then AUTH without a method":  {0xf0, 0x00},
		"then PUBACK without an id":   {0x40, 0x01, 0},
		"then PUBREL before a PUBREC": {0x62, 0x02, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, b)
			if strings.HasPrefix(name, "then") {
				c = mustLogin(t, b, as("bad").v5())
			}
			c.send(p)
			if strings.HasPrefix(name, "then PUBREL before") {
				c.expect(7, 1) // an unknown id: PUBCOMP, and nothing breaks
				c.send([]byte{0xe0, 0})
			}
			if strings.HasPrefix(name, "then AUTH") {
				c.send([]byte{0xe0, 0})
			}
			c.expectEnd()
		})
	}
	good.report(1, 1, "good", "x")
	good.expect(4, 1)
	if b.Stats().Panics != 1 {
		t.Errorf("%d panics contained; if the library is mended, tell contain", b.Stats().Panics)
	}
}

func TestBroker_HalfOpenFlood_LoginStillWorks(t *testing.T) {
	c := testConfig()
	c.MaxHalfOpen, c.ConnectTimeout = 8, time.Minute
	b := startBroker(t, c, &desk{auto: accept})
	first := dialRaw(t, b)
	for range 23 {
		dialRaw(t, b)
	}
	waitFor(t, func() bool { return b.Stats().HalfOpen == 4 }) // one address has half of the places
	cl := mustLogin(t, b, as("app-1"))
	cl.report(1, 1, "app-1", "x")
	cl.expect(4, 1)
	first.expectEnd()
	if s := b.Stats(); s.HalfOpenEnded == 0 || s.HalfOpen > 8 {
		t.Errorf("stats are %+v", s)
	}
}

// TestBroker_HalfOpenFlood_AnotherAddress_LogsInAtOnce: a panic button does not wait for
// somebody who only opens connections.
func TestBroker_HalfOpenFlood_AnotherAddress_LogsInAtOnce(t *testing.T) {
	c := testConfig()
	c.MaxHalfOpen, c.ConnectTimeout = 64, time.Minute
	b := startBroker(t, c, &desk{auto: accept})
	attacker := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 10 * time.Second}
	for range 1000 {
		nc, err := attacker.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }() // the test is over
	}
	began := time.Now()
	cl := mustLogin(t, b, as("app-1"))
	cl.report(1, 1, "app-1", "x")
	cl.expect(4, 1)
	// The flood goes at 32 a second: without a share for each address this took half a minute.
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the log-in took %s", took)
	}
	if s := b.Stats(); s.HalfOpen > 32 {
		t.Errorf("one address holds %d places", s.HalfOpen)
	}
}

func TestBroker_ConnectTimeout_EndsSilentConnections(t *testing.T) {
	c := testConfig()
	c.ConnectTimeout = 100 * time.Millisecond
	b := startBroker(t, c, &desk{})
	for i := range b.Addrs() {
		nc, err := net.Dial("tcp", b.Addrs()[i].String())
		if err != nil {
			t.Fatal(err)
		}
		cl := dialRaw(t, b)
		cl.expectEnd()
		_ = nc.Close()
	}
	waitFor(t, func() bool { return b.Stats().HalfOpen == 0 })
}

func TestBroker_KeepAlive_EndsSilentClients(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	l := as("app-1")
	l.keepAlive = 1
	c := mustLogin(t, b, l)
	c.expectEnd()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseLost })
}

func TestBroker_V5Connack_TellsTheLimits(t *testing.T) {
	c := testConfig()
	c.Window, c.MaxLater, c.MaxKeepAlive, c.SessionLife = 3, 4, time.Minute, time.Hour
	b := startBroker(t, c, &desk{})
	cl := dialRaw(t, b)
	cl.send(as("app-1").v5().kept().bytes())
	p := cl.read()
	pk := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Connack, Remaining: len(p.body)}}
	if err := pk.ConnackDecode(p.body); err != nil {
		t.Fatal(err)
	}
	got := pk.Properties
	if got.ReceiveMaximum != 7 || got.MaximumPacketSize != uint32(c.MaxDrain) || got.ServerKeepAlive != 60 || got.TopicAliasMaximum != 0 ||
		!got.SharedSubAvailableFlag || got.SharedSubAvailable != 0 || !got.SubIDAvailableFlag || got.SubIDAvailable != 0 {
		t.Errorf("CONNACK says %+v", got)
	}
}

func TestBroker_MaxClients_RefusesMore(t *testing.T) {
	c := testConfig()
	c.MaxClients = 1
	b := startBroker(t, c, &desk{})
	mustLogin(t, b, as("app-1"))
	if _, code := tryLogin(t, b, as("app-2")); code != 3 {
		t.Errorf("code is %d, want 3", code)
	}
	if _, code := tryLogin(t, b, as("app-2").v5()); code != 0x89 {
		t.Errorf("code is %#x, want 0x89", code)
	}
}

func TestBroker_Run_EndsAllItsGoroutines(t *testing.T) {
	h := &desk{}
	b, err := New(testConfig(), people{}, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n := ours(); n != 0 {
		t.Errorf("New started %d goroutines", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	l := as("app-1").v5()
	l.will, l.willTopic = []byte("lost"), StatusTopic(testWard, "app-1")
	v5 := mustLogin(t, b, l)
	v5.report(1, 1, "app-1", "never answered")
	open := h.wait(t, 1)[0]
	dialRaw(t, b) // half open
	ws, err := net.Dial("tcp", b.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	waitFor(t, func() bool { return b.Stats().HalfOpen == 2 })
	cancel()
	if end := v5.expectEnd(); len(end) != 1 || end[0].first != 0xe0 || end[0].body[0] != 0x8b {
		t.Errorf("the end is %x, want DISCONNECT 0x8b", end)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	// The last one may be on its way out of sync.WaitGroup.Go.
	waitFor(t, func() bool { return ours() == 0 })
	open.answer(Accepted()) // late answers hurt nobody
	for _, s := range h.statuses {
		if s.Cause == CauseWill {
			t.Error("the station's own end is taken for the device's")
		}
	}
	if b.Stats().Acks != 0 {
		t.Error("an acknowledgement was counted that nobody got")
	}
	if _, err := net.Dial("tcp", b.Addrs()[0].String()); err == nil {
		t.Error("the port is still open")
	}
	waitFor(t, func() bool { return strings.Count(stacks(), "mochi-mqtt") == 0 })
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// ours counts the goroutines that run the broker, without tests.
func ours() (n int) {
	for _, g := range strings.Split(stacks(), "\n\n") {
		if strings.Contains(g, "edge/broker.(*Broker)") || strings.Contains(g, "edge/broker.(*conn)") {
			n++
		}
	}
	return n
}

func TestNew_PortTaken_SaysWhich(t *testing.T) {
	c := testConfig()
	b, err := New(c, people{}, &desk{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c.Listeners = []Listener{{Network: "tcp", Addr: "127.0.0.1:0"}, {Network: "ws", Addr: b.Addrs()[0].String()}}
	_, err = New(c, people{}, &desk{}, slog.New(slog.DiscardHandler))
	var op *net.OpError
	if !errors.As(err, &op) || !strings.Contains(err.Error(), "ws "+b.Addrs()[0].String()) {
		t.Errorf("error is %v", err)
	}
}

func TestConfig_Validate_NamesFields(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatalf("default: %v", err)
	}
	c := Default()
	c.Listeners = []Listener{{Network: "udp"}}
	c.Window, c.MaxDrain, c.MaxSessions, c.ConnectTimeout = 0, 1, 1, 0
	err := c.Validate()
	for _, field := range []string{"listeners[0].network", "listeners[0].addr", "window", "max_drain", "max_sessions", "connect_timeout"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}
