package bridge

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"wardline/edge/bridge/mosquittotest"
)

const topic = "wardline/v1/26704/app-1/report"

// ledger is a handler that keeps what verdict keeps.
type ledger struct {
	mu      sync.Mutex
	verdict func(m Message, seen int) Kind // nil keeps all
	hold    bool                           // answers wait for let
	waiting []func()
	seen    map[string]int
	kept    map[string]int
	refused []Message
}

func newLedger(verdict func(Message, int) Kind) *ledger {
	return &ledger{verdict: verdict, seen: map[string]int{}, kept: map[string]int{}}
}

func (l *ledger) Deliver(m Message, answer func(Kind)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := string(m.Payload[:min(len(m.Payload), 64)])
	l.seen[key]++
	k := Kept
	switch {
	case m.Cut || m.Misfit != "":
		k = Refused
	case l.verdict != nil:
		k = l.verdict(m, l.seen[key])
	}
	switch k {
	case Kept:
		l.kept[key]++
	case Refused:
		l.refused = append(l.refused, m)
	}
	if l.hold {
		l.waiting = append(l.waiting, func() { answer(k) })
		return
	}
	go answer(k) // from any goroutine
}

func (l *ledger) let() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = false
	for _, f := range l.waiting {
		f()
	}
	l.waiting = nil
}

func (l *ledger) has(n int) func() bool {
	return func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.kept) == n }
}

// running is a bridge that runs.
type running struct {
	*Bridge
	stop func()
	logs *logs
}

// logs keeps what was logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *logs) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// quick waits less than a real bridge does.
var quick = pace{first: 20 * time.Millisecond, most: 200 * time.Millisecond, again: 100 * time.Millisecond, long: time.Second,
	steady: time.Minute, drain: time.Second}

func start(t *testing.T, c Config, h Handler, change ...func(*Bridge)) *running {
	t.Helper()
	if c.Name == "" {
		c.Name = "hall"
	}
	out := &logs{}
	b, err := New(c, "ward-26704", h, time.Now, slog.New(slog.NewTextHandler(out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b.pace = quick
	for _, f := range change {
		f(b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	r := &running{b, func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}, out}
	t.Cleanup(r.stop)
	return r
}

func (r *running) connected() bool { return r.Status().Connected }

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// settled proves that nothing is left at the broker: the next to connect under
// the same client id is sent a marker and nothing else.
func settled(t *testing.T, m *mosquittotest.Broker, c Config) {
	t.Helper()
	l := newLedger(nil)
	r := start(t, c, l)
	waitFor(t, "the bridge connects", r.connected)
	m.Publish(m.Client("marker"), topic, 1, false, []byte("marker"))
	waitFor(t, "the marker comes", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.seen["marker"] > 0 })
	r.stop()
	if len(l.seen) != 1 {
		t.Errorf("the broker still had %v", l.seen)
	}
}

func TestBridge_PublishedWhileDown_ArrivesOnceAfter(t *testing.T) {
	m := mosquittotest.Start(t, "")
	c := Config{URL: m.URL()}
	first := start(t, c, newLedger(nil))
	waitFor(t, "the bridge connects", first.connected)
	first.stop()
	p := m.Client("app-1")
	for i := range 200 {
		m.Publish(p, topic, 1, false, fmt.Appendf(nil, "report %d", i))
	}
	m.Restart() // the messages are on its disk, not in its memory only
	l := newLedger(nil)
	r := start(t, c, l)
	waitFor(t, "all have come", l.has(200))
	r.stop()
	for k, n := range l.seen {
		if n != 1 {
			t.Errorf("%s came %d times", k, n)
		}
	}
	settled(t, m, c)
}

func TestBridge_EndedBeforeTheAnswer_IsSentAgain(t *testing.T) {
	m := mosquittotest.Start(t, "")
	c := Config{URL: m.URL()}
	stuck := newLedger(nil)
	stuck.hold = true
	r := start(t, c, stuck)
	waitFor(t, "the bridge connects", r.connected)
	m.Publish(m.Client("app-1"), topic, 1, false, []byte("report"))
	waitFor(t, "it has come", stuck.has(1))
	r.stop()
	l := newLedger(nil)
	again := start(t, c, l)
	waitFor(t, "it comes again", l.has(1))
	stuck.let() // an answer after the end acknowledges nothing and blocks nobody
	again.stop()
	settled(t, m, c)
}

func TestBridge_BrokerRestartedInMidStream_LosesNothing(t *testing.T) {
	m := mosquittotest.Start(t, "")
	l := newLedger(nil)
	r := start(t, Config{URL: m.URL()}, l)
	waitFor(t, "the bridge connects", r.connected)
	n := 0
	for range 3 {
		p := m.Client(fmt.Sprintf("app-%d", n))
		for range 300 {
			m.Publish(p, topic, 1, false, fmt.Appendf(nil, "report %d", n))
			n++
		}
		m.Restart()
	}
	waitFor(t, "all have come", l.has(n))
	if lost := strings.Count(r.logs.String(), "bridge lost"); lost > 3 {
		t.Errorf("a loss was logged %d times in 3 restarts:\n%s", lost, r.logs)
	}
}

func TestBridge_Malformed_IsAcknowledgedAndDoesNotJam(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 1")
	c := Config{URL: m.URL(), Filters: []string{"#"}}
	l := newLedger(func(m Message, _ int) Kind {
		if string(m.Payload) == "bad" {
			return Refused
		}
		return Kept
	})
	r := start(t, c, l)
	waitFor(t, "the bridge connects", r.connected)
	p := m.Client("app-1")
	big := bytes.Repeat([]byte("x"), 3<<20)
	m.Publish(p, "elsewhere", 1, false, []byte("a"))
	m.Publish(p, "wardline/v1/2670/app-1/report", 1, false, []byte("b"))
	m.Publish(p, "wardline/v1/26704/"+strings.Repeat("d", 65)+"/report", 1, false, []byte("c"))
	m.Publish(p, topic, 1, false, big)
	m.Publish(p, topic, 1, false, nil)
	m.Publish(p, topic, 1, false, []byte("bad"))
	m.Publish(p, topic, 1, false, []byte("good"))
	waitFor(t, "the good one comes", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.kept["good"] == 1 })
	r.stop()
	if len(l.refused) != 5 { // the empty one is the handler's to judge
		t.Errorf("%d refused", len(l.refused))
	}
	for _, m := range l.refused {
		if m.Misfit != "" && m.Device != "hall" {
			t.Errorf("a topic that does not fit gives the device %q", m.Device)
		}
		if m.Cut && len(m.Payload) != 64<<10+1 {
			t.Errorf("%d bytes of a message of %d were kept", len(m.Payload), len(big))
		}
	}
	settled(t, m, c)
}

func TestBridge_RefusedForNow_IsSentAgainAndHoldsUpNobody(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 0")
	c := Config{URL: m.URL()}
	var room sync.Map
	l := newLedger(func(m Message, _ int) Kind {
		if _, ok := room.Load("room"); !ok && !strings.HasPrefix(string(m.Payload), "urgent") {
			return Later
		}
		return Kept
	})
	r := start(t, c, l)
	waitFor(t, "the bridge connects", r.connected)
	p := m.Client("app-1")
	for i := range 100 {
		m.Publish(p, topic, 1, false, fmt.Appendf(nil, "routine %d", i))
	}
	m.Publish(p, topic, 1, false, []byte("urgent"))
	waitFor(t, "the urgent one gets through", l.has(1))
	waitFor(t, "it asks again", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.seen["routine 99"] >= 3 })
	if st := r.Status(); !st.Waiting || !st.Connected {
		t.Errorf("%+v", st)
	}
	room.Store("room", 1)
	waitFor(t, "all are taken", l.has(101))
	waitFor(t, "it says so", func() bool { return !r.Status().Waiting })
	r.stop()
	for _, s := range []string{"wait at the broker", "taken again"} {
		if strings.Count(r.logs.String(), s) != 1 {
			t.Errorf("%q is not in the log once:\n%s", s, r.logs)
		}
	}
	settled(t, m, c)
}

func TestBridge_QoS0RefusedForNow_IsTriedAgainFromMemory(t *testing.T) {
	m := mosquittotest.Start(t, "")
	l := newLedger(func(_ Message, seen int) Kind {
		if seen < 4 {
			return Later
		}
		return Kept
	})
	r := start(t, Config{URL: m.URL()}, l)
	waitFor(t, "the bridge connects", r.connected)
	p := m.Client("app-1")
	m.Publish(p, topic, 0, false, []byte("one"))
	m.Publish(p, topic, 0, false, []byte("two"))
	waitFor(t, "both are kept", l.has(2))
	r.stop()
	if st := r.Status(); st.Lost != 0 || st.Kept != 2 {
		t.Errorf("%+v", st)
	}
}

func TestBridge_MoreThanItsBounds_WaitsAtTheBroker(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 0")
	c := Config{URL: m.URL()}
	l := newLedger(nil)
	l.hold = true
	r := start(t, c, l, func(b *Bridge) {
		n := defaultBounds
		n.count = 8
		b.setBounds(n)
	})
	waitFor(t, "the bridge connects", r.connected)
	p := m.Client("app-1")
	for i := range 100 {
		m.Publish(p, topic, 1, false, fmt.Appendf(nil, "report %d", i))
	}
	waitFor(t, "it is full", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.waiting) >= 8 })
	l.let()
	waitFor(t, "all have come", l.has(100))
	r.stop()
	for k, n := range l.seen {
		if n != 1 {
			t.Errorf("%s came %d times", k, n)
		}
	}
	settled(t, m, c)
}

// A backlog far over the bounds flows through one connection.
func TestBridge_LargeBacklog_IsDrainedWithoutSendingAgain(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 0")
	c := Config{URL: m.URL()}
	first := start(t, c, newLedger(nil))
	waitFor(t, "the bridge connects", first.connected)
	first.stop()
	p := m.Client("app-1")
	const n = 5000
	for i := range n {
		p.Publish(topic, 1, false, fmt.Appendf(nil, "report %d", i))
	}
	m.Publish(p, topic, 1, false, []byte("last"))
	l := newLedger(nil)
	r := start(t, c, l, func(b *Bridge) {
		x := defaultBounds
		x.count = 32
		b.setBounds(x)
	})
	waitFor(t, "it counts as connected while the backlog comes", r.connected)
	waitFor(t, "all have come", l.has(n+1))
	if st := r.Status(); st.Received != n+1 || st.Later != 0 {
		t.Errorf("%+v", st)
	}
}

// The end comes in every state of a connection, and leaves no goroutine behind.
func TestBridge_Stopped_LeavesNothingRunning(t *testing.T) {
	m := mosquittotest.Start(t, "")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	for url, ready := range map[string]func(*running) bool{
		m.URL():                             (*running).connected,
		m.WS():                              (*running).connected,
		"tcp://" + silent.Addr().String():   func(*running) bool { c, err := silent.Accept(); return err == nil && c != nil },
		"tcp://" + gone.Addr().String():     func(r *running) bool { return strings.Contains(r.logs.String(), "cannot connect") },
		m.URL() + "/?in the middle of many": nil,
	} {
		l := newLedger(nil)
		url, _, many := strings.Cut(url, "/?")
		r := start(t, Config{URL: url}, l)
		if many {
			waitFor(t, "the bridge connects", r.connected)
			p := m.Client("app-1")
			for i := range 500 {
				p.Publish(topic, 1, false, fmt.Appendf(nil, "report %d", i))
			}
			p.Disconnect(1000)
		} else {
			waitFor(t, url+" is there", func() bool { return ready(r) })
		}
		began := time.Now()
		r.stop()
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%s: the end took %v", url, d)
		}
	}
	waitFor(t, "no goroutine of a bridge is left", func() bool {
		buf := make([]byte, 4<<20)
		all := string(buf[:runtime.Stack(buf, true)])
		for _, g := range strings.Split(all, "\n\n") {
			if strings.Contains(g, "paho") || strings.Contains(g, "wardline/edge/bridge.") && !strings.Contains(g, "testing.tRunner") {
				return false
			}
		}
		return true
	})
}
