package broker

import (
	"fmt"
	"testing"
	"time"
)

func TestBroker_ACL(t *testing.T) {
	own := func(leaf string) string { return "wardline/v1/26704/app-1/" + leaf }
	for _, x := range []struct {
		filter string
		ok     bool
	}{
		{own("receipt"), true}, {own("command"), true}, {own("status"), true}, {own("#"), true},
		{"wardline/v1/26704/alert", true},
		{own("report"), false}, {own("+"), false}, {own("receipt/#"), false},
		{"wardline/v1/26704/app-1", false}, {"wardline/v1/26704/app-2/receipt", false}, {"wardline/v1/27004/app-1/receipt", false},
		{"wardline/v1/27004/alert", false}, {"wardline/v1/26704/#", false}, {"wardline/v1/26704/+/receipt", false},
		{"wardline/v1/+/alert", false}, {"#", false}, {"+", false}, {"$SYS/#", false}, {"$share/g/" + own("receipt"), false},
		{"wardline/v1/26704/app-1#", false}, {"", false},
	} {
		if got := maySubscribe(Device{ID: "app-1", Ward: testWard}, x.filter); got != x.ok {
			t.Errorf("maySubscribe(%q) is %v", x.filter, got)
		}
	}
	b := startBroker(t, testConfig(), &desk{})
	for _, version := range []byte{4, 5} {
		l := as("app-1")
		l.version = version
		c := mustLogin(t, b, l)
		if code := c.subscribe(own("#"), 2); code != 2 {
			t.Errorf("own subtree: code %#x", code)
		}
		want := map[byte]byte{4: 0x80, 5: 0x87}[version]
		if code := c.subscribe("wardline/v1/26704/app-2/receipt", 1); code != want {
			t.Errorf("another's receipt: code %#x, want %#x", code, want)
		}
	}
}

func TestBroker_Receipt_DeliveredUntilAcknowledged(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			b := startBroker(t, testConfig(), &desk{})
			l := as("app-1").kept()
			l.version = version
			topic := ReceiptTopic(testWard, "app-1")
			if b.Send("app-1", Receipt, []byte("nobody")) {
				t.Error("a device that was never here takes a message")
			}
			c := mustLogin(t, b, l)
			if c.present {
				t.Error("a session is there at the first login")
			}
			if b.Send("app-1", Receipt, []byte("unread")) {
				t.Error("a device that has not subscribed takes a message")
			}
			if code := c.subscribe(topic, 1); code != 1 {
				t.Fatalf("subscribe: %#x", code)
			}
			for i := range 100 { // more than goes out at once
				if !b.Send("app-1", Receipt, fmt.Append(nil, i)) {
					t.Fatal("not taken")
				}
			}
			got := map[uint16]bool{}
			for i := range sendWindow {
				m := c.incoming()
				if m.payload != fmt.Sprint(i) || m.topic != topic || m.qos != 1 || m.dup || m.retain || got[m.id] {
					t.Fatalf("message %d is %+v", i, m)
				}
				got[m.id] = true
				if i < 3 {
					c.puback(m.id)
				}
			}
			for i := range 3 {
				if m := c.incoming(); m.payload != fmt.Sprint(sendWindow+i) {
					t.Fatalf("after PUBACK came %+v", m)
				}
			}
			c.quiet()
			_ = c.nc.Close()
			c = mustLogin(t, b, l)
			if !c.present {
				t.Error("the session is gone")
			}
			for i := 3; i < 100; i++ {
				m := c.incoming()
				if m.payload != fmt.Sprint(i) || m.dup != (i < sendWindow+3) {
					t.Fatalf("message %d is %+v", i, m)
				}
				c.puback(m.id)
			}
			c.quiet()
			if n := b.Stats().QueuedBytes; n != 0 {
				t.Errorf("%d bytes are still queued", n)
			}
		})
	}
}

func TestBroker_ReceiptWhileOffline_DeliveredOnReconnect(t *testing.T) {
	h := &desk{}
	c := testConfig()
	c.MaxQueue = 3
	b := startBroker(t, c, h)
	cl := mustLogin(t, b, as("app-1").kept())
	cl.subscribe("wardline/v1/26704/app-1/#", 1)
	cl.send([]byte{0xe0, 0})
	cl.expectEnd()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseGoodbye })
	for i := range 5 {
		if !b.Send("app-1", Receipt, fmt.Append(nil, i)) {
			t.Fatal("not taken")
		}
	}
	if n := b.Stats().Dropped; n != 2 {
		t.Errorf("%d dropped, want the 2 oldest", n)
	}
	cl = mustLogin(t, b, as("app-1").kept())
	for i := 2; i < 5; i++ {
		if m := cl.incoming(); m.payload != fmt.Sprint(i) || m.dup {
			t.Errorf("message is %+v, want %d", m, i)
		}
	}
	// A clean login forgets all that.
	cl = mustLogin(t, b, as("app-1"))
	if cl.present {
		t.Error("a clean session is present")
	}
	cl.quiet()
	if n := b.Stats().QueuedBytes; n != 0 {
		t.Errorf("%d bytes are still queued", n)
	}
	_ = cl.nc.Close()
	waitFor(t, func() bool { return b.Stats().Sessions == 0 })
}

func TestBroker_V5ReceiveMaximum_IsKept(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{})
	l := as("app-1").v5()
	l.receiveMax = 2
	c := mustLogin(t, b, l)
	c.subscribe(ReceiptTopic(testWard, "app-1"), 1)
	for i := range 5 {
		b.Send("app-1", Receipt, fmt.Append(nil, i))
	}
	first := c.incoming()
	c.incoming()
	c.quiet()
	c.puback(first.id)
	if m := c.incoming(); m.payload != "2" {
		t.Errorf("message is %+v", m)
	}
	c.quiet()
}

func TestBroker_Unsubscribe_AlsoInAKeptSession(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	topic := ReceiptTopic(testWard, "app-1")
	c := mustLogin(t, b, as("app-1").v5().kept())
	c.subscribe(topic, 1)
	_ = c.nc.Close()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseLost })
	c = mustLogin(t, b, as("app-1").v5().kept())
	body := mqttString([]byte{0, 9, 0}, topic)
	for _, want := range []byte{0, 0x11} {
		c.send(append(appendHeader(nil, 0xa2, len(body)), body...))
		if p := c.expect(11, 9); p.body[len(p.body)-1] != want {
			t.Errorf("UNSUBACK is %x, want code %#x", p.body, want)
		}
	}
	if b.Send("app-1", Receipt, []byte("x")) {
		t.Error("it still reads the topic")
	}
}

func TestBroker_QoS0Subscription_GetsQoS0WhileOnlineOnly(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	c := mustLogin(t, b, as("app-1").kept())
	c.subscribe(ReceiptTopic(testWard, "app-1"), 0)
	if !b.Send("app-1", Receipt, []byte("x")) {
		t.Error("not taken")
	}
	if m := c.incoming(); m.qos != 0 || m.payload != "x" {
		t.Errorf("message is %+v", m)
	}
	_ = c.nc.Close()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseLost })
	if b.Send("app-1", Receipt, []byte("y")) {
		t.Error("taken for one who is not here")
	}
}

func TestBroker_Alert_ReachesItsWardOnly(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{})
	var here []*rawClient
	for _, id := range []string{"app-1", "app-2"} {
		c := mustLogin(t, b, as(id))
		c.subscribe(AlertTopic(testWard), 1)
		here = append(here, c)
	}
	other := mustLogin(t, b, as("other-1"))
	other.subscribe(AlertTopic(otherWard), 1)
	if n := b.Announce(testWard, []byte("flood"), nil); n != 2 {
		t.Errorf("%d devices, want 2", n)
	}
	for _, c := range here {
		if m := c.incoming(); m.payload != "flood" || m.topic != AlertTopic(testWard) {
			t.Errorf("message is %+v", m)
		}
	}
	other.quiet()
}

func TestBroker_Takeover_SecondConnectionEndsFirst(t *testing.T) {
	h := &desk{auto: accept}
	b := startBroker(t, testConfig(), h)
	first := mustLogin(t, b, as("app-1").v5())
	second := mustLogin(t, b, as("app-1").v5())
	if end := first.expectEnd(); len(end) != 1 || end[0].first != 0xe0 || end[0].body[0] != 0x8e {
		t.Errorf("the first ends with %x, want DISCONNECT 0x8e", end)
	}
	second.report(1, 1, "app-1", "x")
	second.expect(4, 1)
	// Many at once: the last one stays, and the handler hears of it in order.
	done := make(chan *rawClient, 20)
	for range cap(done) {
		go func() {
			c := dialRaw(t, b)
			_, _ = c.nc.Write(as("app-1").bytes())
			_, _ = c.tryRead() // CONNACK, or the end
			done <- c
		}()
	}
	for range cap(done) {
		<-done
	}
	waitFor(t, func() bool { return b.Stats().Connections == 1 && b.Stats().Sessions == 1 })
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range h.statuses {
		if s.Online != (i%2 == 0) {
			t.Fatalf("status %d is %+v", i, s)
		}
	}
}

// The handler has the last report of the old connection before the new one is let in.
func TestBroker_Takeover_HandlerHasOneAtATime(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	h := &desk{auto: func(p Publish) Answer {
		if string(p.Payload) == "old" {
			close(inside)
			<-release
		}
		return Accepted()
	}}
	b := startBroker(t, testConfig(), h)
	old := mustLogin(t, b, as("app-1"))
	old.report(1, 1, "app-1", "old")
	<-inside
	c := dialRaw(t, b)
	c.send(as("app-1").bytes())
	old.expectEnd()
	_ = c.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if p, err := c.tryRead(); err == nil {
		t.Errorf("it is let in with %x", p)
	}
	close(release)
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	if p := c.read(); p.kind() != 2 {
		t.Errorf("packet is %x", p)
	}
}

func TestBroker_Will_StatusRetainedAndReported(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	status := StatusTopic(testWard, "app-1")
	l := as("app-1").kept()
	l.will, l.willTopic = []byte("lost"), status
	c := mustLogin(t, b, l)
	m := message{topic: status, payload: []byte("here"), qos: 1, retain: true, id: 1}
	c.send(appendPublish(nil, &m, 4, false))
	c.expect(4, 1)
	s := h.waitStatus(t, func(s Status) bool { return s.Cause == CausePublished })
	if string(s.Payload) != "here" || !s.Online || s.Device.ID != "app-1" {
		t.Errorf("status is %+v", s)
	}
	c.subscribe(status, 1)
	if m := c.incoming(); m.payload != "here" || !m.retain {
		t.Errorf("retained is %+v", m)
	}
	_ = c.nc.Close()
	s = h.waitStatus(t, func(s Status) bool { return s.Cause == CauseWill })
	if string(s.Payload) != "lost" || s.Online {
		t.Errorf("will is %+v", s)
	}
	c = mustLogin(t, b, as("app-1"))
	c.subscribe("wardline/v1/26704/app-1/#", 1)
	if m := c.incoming(); m.payload != "lost" || !m.retain {
		t.Errorf("retained is %+v", m)
	}
	if n := len(h.reports); n != 0 {
		t.Errorf("%d statuses were taken for reports", n)
	}
	// An empty one removes it; a goodbye publishes no will.
	c = mustLogin(t, b, l)
	c.send(appendPublish(nil, &message{topic: status, qos: 1, retain: true, id: 2}, 4, false))
	c.expect(4, 2)
	c.send([]byte{0xe0, 0})
	c.expectEnd()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseGoodbye })
	if n := b.Stats().Retained; n != 0 {
		t.Errorf("%d retained", n)
	}
}

func TestBroker_StatusTooLarge_IsRefusedAndKept(t *testing.T) {
	h := &desk{auto: accept}
	c := testConfig()
	c.MaxStatus = 16
	b := startBroker(t, c, h)
	cl := mustLogin(t, b, as("app-1").v5())
	cl.publish(StatusTopic(testWard, "app-1"), 1, 1, "seventeen bytes..")
	if p := cl.expect(4, 1); p.body[2] != 0x99 {
		t.Errorf("PUBACK is %x", p.body)
	}
	if p := h.wait(t, 1)[0]; p.Problem != ProblemOversize || len(p.Payload) != 16 || p.Topic != StatusTopic(testWard, "app-1") {
		t.Errorf("kept as %+v", p.Publish)
	}
}

func TestBroker_Sessions_EndWithTimeAndNumber(t *testing.T) {
	c := testConfig()
	c.MaxClients, c.MaxSessions = 2, 2
	h := &desk{}
	b := startBroker(t, c, h)
	login := func(id string) {
		cl := mustLogin(t, b, as(id).kept())
		cl.subscribe(ReceiptTopic(testWard, id), 1)
		cl.send([]byte{0xe0, 0})
		cl.expectEnd()
		h.waitStatus(t, func(s Status) bool { return s.Cause == CauseGoodbye && s.Device.ID == id })
		waitFor(t, func() bool { return b.online.Load() == 0 })
	}
	login("app-1")
	login("app-2")
	login("app-3") // the one that is offline longest goes
	if b.Send("app-1", Receipt, []byte("x")) || !b.Send("app-2", Receipt, []byte("x")) || !b.Send("app-3", Receipt, []byte("x")) {
		t.Error("the wrong session ended")
	}
	b.tidy(time.Now().Add(c.SessionLife - time.Minute))
	if n := b.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions before their time", n)
	}
	b.tidy(time.Now().Add(c.SessionLife))
	if s := b.Stats(); s.Sessions != 0 || s.QueuedBytes != 0 || s.Dropped != 2 {
		t.Errorf("after their time: %+v", s)
	}
}

func TestBroker_DelayedWill_CancelledByReturn(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	s := newSession(Device{ID: "app-1", Ward: testWard})
	b.mu.Lock()
	b.sessions["app-1"] = s
	b.mu.Unlock()
	gone := &conn{b: b, dev: s.dev}
	s.conn, s.life = gone, time.Hour
	s.turn.Lock()
	b.leave(s, gone, CauseLost, &will{payload: []byte("lost"), retain: true, delay: time.Minute})
	s.turn.Unlock()
	b.tidy(time.Now().Add(59 * time.Second))
	if n := b.Stats().Retained; n != 0 {
		t.Error("the will came before its delay")
	}
	b.tidy(time.Now().Add(61 * time.Second))
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseWill })
	s.turn.Lock()
	s.conn = gone
	b.leave(s, gone, CauseLost, &will{payload: []byte("lost again"), delay: time.Minute})
	s.turn.Unlock()
	mustLogin(t, b, as("app-1"))
	b.tidy(time.Now().Add(time.Hour))
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.statuses {
		if string(s.Payload) == "lost again" {
			t.Error("the will came although the device returned")
		}
	}
}

func TestSession_DeviceMovedToAnotherWard_StartsAnew(t *testing.T) {
	ward := testWard
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	b.auth = authFunc(func(id string) Device { return Device{ID: id, Ward: ward} })
	c := mustLogin(t, b, as("app-1").kept())
	c.subscribe(AlertTopic(testWard), 1)
	_ = c.nc.Close()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseLost })
	ward = otherWard
	if c = mustLogin(t, b, as("app-1").kept()); c.present {
		t.Error("it still reads the alerts of its old ward")
	}
	if n := b.Announce(testWard, []byte("x"), nil); n != 0 {
		t.Errorf("%d devices of the old ward", n)
	}
}
