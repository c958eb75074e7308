package broker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBroker_PubackOnlyAfterAnswer(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			h := &desk{}
			b := startBroker(t, testConfig(), h)
			l := as("app-1")
			l.version = version
			c := mustLogin(t, b, l)
			c.report(1, 7, "app-1", "a")
			c.report(1, 8, "app-1", "b")
			c.report(2, 9, "app-1", "c")
			c.report(0, 0, "app-1", "d")
			all := h.wait(t, 4)
			for i, want := range []string{"a", "b", "c", "d"} {
				p := all[i]
				if string(p.Payload) != want || p.Device != "app-1" || p.Ward != testWard || p.Kind != "app" || p.Version != version ||
					p.Topic != ReportTopic(testWard, "app-1") || p.Size != 1 || p.Problem != NoProblem || p.ReceivedAt.IsZero() || p.Remote == nil {
					t.Errorf("publish %d is %+v", i, p.Publish)
				}
			}
			c.quiet()
			all[3].answer(Accepted())
			all[2].answer(Accepted())
			all[1].answer(Accepted())
			c.quiet()
			all[0].answer(Accepted())
			all[0].answer(Later()) // a second answer means nothing
			c.expect(4, 7)
			c.expect(4, 8)
			c.expect(5, 9)
			c.send([]byte{0x62, 2, 0, 9})
			c.expect(7, 9)
			c.quiet()
		})
	}
}

func TestBroker_WindowFull_IsNotReadUntilAnswered(t *testing.T) {
	c := testConfig()
	c.Window = 4
	h := &desk{}
	b := startBroker(t, c, h)
	cl := mustLogin(t, b, as("app-1"))
	for i := range 10 {
		cl.report(1, uint16(i+1), "app-1", fmt.Sprint(i))
	}
	for i := range 10 {
		all := h.wait(t, min(i+4, 10))
		if len(all) > i+4 {
			t.Fatalf("%d publishes stand unanswered, window is 4", len(all)-i)
		}
		all[i].answer(Accepted())
		cl.expect(4, uint16(i+1))
	}
}

func TestBroker_Later_NoPubackUrgentPasses_RoomDisconnects(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			full := true
			h := &desk{auto: func(p Publish) Answer {
				if full && string(p.Payload) != "urgent" {
					return Later()
				}
				return Accepted()
			}}
			c := testConfig()
			c.Window = 2 // refused ones do not fill it
			b := startBroker(t, c, h)
			l := as("app-1").kept()
			l.version = version
			cl := mustLogin(t, b, l)
			calm := mustLogin(t, b, as("app-2"))
			for id := range uint16(8) {
				cl.report(1+byte(id%2), id+1, "app-1", "routine")
			}
			cl.report(1, 100, "app-1", "urgent")
			cl.expect(4, 100)
			cl.quiet()
			h.wait(t, 9)
			if s := b.Stats(); s.Later != 8 || s.Refused != 8 {
				t.Errorf("stats are %+v, want 8 later", s)
			}
			full = false
			b.Room()
			end := cl.expectEnd()
			if version == 5 && (len(end) != 1 || end[0].first != 0xe0) || version == 4 && len(end) != 0 {
				t.Errorf("before the end came %x", end)
			}
			calm.quiet()
			waitFor(t, func() bool { return b.Stats().Refused == 0 })
			cl = mustLogin(t, b, l)
			cl.send(cl.publishBytes(ReportTopic(testWard, "app-1"), 1, 1, []byte("routine"), true))
			cl.expect(4, 1)
			cl.send(cl.publishBytes(ReportTopic(testWard, "app-1"), 2, 2, []byte("routine"), true))
			cl.expect(5, 2)
			if all := h.wait(t, 11); !all[9].Dup {
				t.Error("Dup is lost")
			}
		})
	}
}

func TestBroker_RoomAgainAndAgain_KeepsTheJitter(t *testing.T) {
	c := testConfig()
	c.RoomJitter = time.Hour
	b := startBroker(t, c, &desk{auto: func(Publish) Answer { return Later() }})
	cl := mustLogin(t, b, as("app-1"))
	cl.report(1, 1, "app-1", "x")
	waitFor(t, func() bool { return b.Stats().Refused == 1 })
	var at time.Time
	for i := range 1000 {
		b.Room()
		conn := b.allConns()[0]
		conn.mu.Lock()
		if i == 0 {
			at = conn.leaveAt
		}
		if !conn.leaveAt.Equal(at) {
			t.Errorf("call %d moves the end from %v to %v", i, at, conn.leaveAt)
		}
		conn.mu.Unlock()
	}
	cl.quiet()
}

func TestBroker_LaterWithoutRoom_DisconnectsAfterLaterTimeout(t *testing.T) {
	c := testConfig()
	c.LaterTimeout = 20 * time.Millisecond
	b := startBroker(t, c, &desk{auto: func(Publish) Answer { return Later() }})
	cl := mustLogin(t, b, as("app-1"))
	cl.report(0, 0, "app-1", "it has nothing to send again")
	cl.quiet()
	cl.report(1, 1, "app-1", "x")
	cl.expectEnd()
}

func TestBroker_Malformed_31PubackAndV5Reason(t *testing.T) {
	h := &desk{auto: func(Publish) Answer { return Malformed("category: unknown") }}
	b := startBroker(t, testConfig(), h)
	c := mustLogin(t, b, as("app-1"))
	c.report(1, 1, "app-1", "x")
	if p := c.expect(4, 1); len(p.body) != 2 {
		t.Errorf("PUBACK is %x", p.body)
	}
	c.report(2, 2, "app-1", "x")
	c.expect(5, 2)
	c.send([]byte{0x62, 2, 0, 2})
	c.expect(7, 2)

	c = mustLogin(t, b, as("app-2").v5())
	for id, kind := range map[uint16]byte{1: 4, 2: 5} {
		c.report(kind-3, id, "app-2", "x")
		p := c.expect(kind, id)
		if p.body[2] != 0x99 || !bytes.HasSuffix(p.body, []byte("category: unknown")) {
			t.Errorf("acknowledgement is %x", p.body)
		}
	}
	// A refused PUBREC ends the exchange: the id is free again.
	c.report(2, 2, "app-2", "other")
	c.expect(5, 2)
	if all := h.wait(t, 5); string(all[4].Payload) != "other" {
		t.Errorf("last report is %q", all[4].Payload)
	}
	if n := b.Stats().Malformed; n != 5 {
		t.Errorf("%d malformed counted", n)
	}
}

func TestBroker_QoS2_HandlerOncePerSession(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			h := &desk{}
			b := startBroker(t, testConfig(), h)
			l := as("app-1").kept()
			l.version = version
			c := mustLogin(t, b, l)
			again := func() { c.send(c.publishBytes(ReportTopic(testWard, "app-1"), 2, 5, []byte("x"), true)) }
			c.report(2, 5, "app-1", "x")
			h.wait(t, 1)
			again() // while the answer is open
			c.quiet()
			old := c
			c = mustLogin(t, b, l) // and on a new connection
			old.expectEnd()
			if !c.present {
				t.Error("the session is not present")
			}
			again()
			c.quiet()
			h.wait(t, 1)[0].answer(Accepted())
			c.expect(5, 5)
			again() // after the answer
			c.expect(5, 5)
			c = mustLogin(t, b, l)
			again()
			c.expect(5, 5)
			if n := len(h.wait(t, 1)); n != 1 {
				t.Fatalf("the handler had it %d times", n)
			}
			c.send([]byte{0x62, 2, 0, 5})
			c.expect(7, 5)
			c.send([]byte{0x62, 2, 0, 5})
			if p := c.expect(7, 5); version == 5 && p.body[2] != 0x92 {
				t.Errorf("PUBCOMP for an unknown id is %x", p.body)
			}
			c.report(2, 5, "app-1", "new")
			h.wait(t, 2)[1].answer(Accepted())
			c.expect(5, 5)
		})
	}
}

func TestBroker_PubrelBeforePubrec_EndsTheConnectionNotTheReport(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	l := as("app-1").v5().kept()
	c := mustLogin(t, b, l)
	c.report(2, 5, "app-1", "x")
	open := h.wait(t, 1)[0]
	c.send([]byte{0x62, 2, 0, 5})
	if end := c.expectEnd(); len(end) != 1 || end[0].first != 0xe0 || end[0].body[0] != 0x82 {
		t.Errorf("the end is %x, want DISCONNECT 0x82", end)
	}
	open.answer(Accepted())
	c = mustLogin(t, b, l)
	c.send(c.publishBytes(ReportTopic(testWard, "app-1"), 2, 5, []byte("x"), true))
	c.expect(5, 5)
	if n := len(h.wait(t, 1)); n != 1 {
		t.Errorf("the handler had it %d times", n)
	}
}

func TestBroker_QoS2Begun_IsBounded(t *testing.T) {
	c := testConfig()
	c.Window, c.MaxLater = 4, 4
	b := startBroker(t, c, &desk{auto: accept})
	cl := mustLogin(t, b, as("app-1").v5())
	for id := range uint16(8) {
		cl.report(2, id+1, "app-1", "x")
		cl.expect(5, id+1)
	}
	cl.report(2, 9, "app-1", "x")
	if end := cl.expectEnd(); len(end) != 1 || end[0].first != 0xe0 || end[0].body[0] != 0x93 {
		t.Errorf("the end is %x, want DISCONNECT 0x93", end)
	}
}

func TestBroker_Oversize_KeptAndNeverJams(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			c := testConfig()
			c.MaxPayload, c.MaxDrain = 2000, 1<<20
			c.MaxPendingBytes = 2000
			h := &desk{auto: accept}
			b := startBroker(t, c, h)
			l := as("app-1")
			l.version = version
			cl := mustLogin(t, b, l)
			big := strings.Repeat("photo", 100_000)
			for id := range uint16(3) {
				cl.report(1, 2*id+1, "app-1", big)
				cl.report(1, 2*id+2, "app-1", "small")
				p := cl.expect(4, 2*id+1)
				if version == 5 && p.body[2] != 0x99 {
					t.Errorf("PUBACK is %x, want 0x99", p.body)
				}
				cl.expect(4, 2*id+2)
			}
			for i, p := range h.wait(t, 6) {
				if i%2 == 0 && (p.Problem != ProblemOversize || p.Size != len(big) || string(p.Payload) != big[:2000]) {
					t.Errorf("publish %d: problem %d, %d of %d bytes", i, p.Problem, len(p.Payload), p.Size)
				}
				if i%2 == 1 && (p.Problem != NoProblem || string(p.Payload) != "small") {
					t.Errorf("publish %d: problem %d, %q", i, p.Problem, p.Payload)
				}
			}
			// What cannot even be drained ends the connection, at its header.
			cl.send(appendHeader(nil, 0x32, 2<<20))
			end := cl.expectEnd()
			if version == 5 && (len(end) != 1 || end[0].body[0] != 0x95) {
				t.Errorf("the end is %x, want DISCONNECT 0x95", end)
			}
			if b.Stats().TooLarge != 1 {
				t.Errorf("stats are %+v", b.Stats())
			}
		})
	}
}

func TestBroker_ForeignTopic_RefusedAndKept(t *testing.T) {
	topics := []string{
		ReportTopic(testWard, "app-2"), ReportTopic(otherWard, "app-1"), ReceiptTopic(testWard, "app-1"), CommandTopic(testWard, "app-1"),
		StatusTopic(testWard, "app-2"), AlertTopic(testWard), "wardline/v1/+/app-1/report", "#", "$SYS/x", "x", "",
		ReportTopic(testWard, "app-1") + "/x", strings.Repeat("long/", 10_000), "bad\xffutf8",
	}
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprintf("version=%d", version), func(t *testing.T) {
			h := &desk{auto: accept}
			b := startBroker(t, testConfig(), h)
			l := as("app-1")
			l.version = version
			c := mustLogin(t, b, l)
			for i, topic := range topics {
				id := uint16(i + 1)
				c.publish(topic, 1, id, "x")
				if p := c.expect(4, id); version == 5 && p.body[2] != 0x90 {
					t.Errorf("%.40q: PUBACK is %x, want 0x90", topic, p.body)
				}
				p := h.wait(t, i+1)[i]
				if p.Problem != ProblemTopic || string(p.Payload) != "x" || len(p.Topic) > testConfig().MaxTopic+2 {
					t.Errorf("%.40q: kept as %+v", topic, p.Publish)
				}
			}
			c.report(1, 99, "app-1", "still welcome")
			c.expect(4, 99)
		})
	}
}

func TestBroker_SlowReaderDoesNotStopOthers(t *testing.T) {
	h := &desk{auto: accept}
	c := testConfig()
	c.WriteTimeout = time.Minute
	c.MaxQueue, c.MaxQueueBytes = 1000, 30<<20
	b := startBroker(t, c, h)
	slow := mustLogin(t, b, as("slow"))
	slow.subscribe(CommandTopic(testWard, "slow"), 1)
	quick := mustLogin(t, b, as("quick"))
	quick.subscribe(CommandTopic(testWard, "quick"), 1)
	payload := bytes.Repeat([]byte("x"), 200<<10)
	for range 100 { // far more than the kernel takes; it reads nothing
		b.Send("slow", Command, payload)
	}
	for id := range uint16(500) {
		quick.report(1, id+1, "quick", "x")
		quick.expect(4, id+1)
	}
	b.Send("quick", Command, []byte("y"))
	if m := quick.incoming(); m.payload != "y" {
		t.Errorf("got %q", m.payload)
	}
	// The slow one has lost nothing.
	for range 100 {
		m := slow.incoming()
		if len(m.payload) != len(payload) {
			t.Fatalf("got %d bytes", len(m.payload))
		}
		slow.puback(m.id)
	}
}

func TestBroker_PendingBytes_HoldReadingNotClients(t *testing.T) {
	c := testConfig()
	c.MaxPayload = 2000
	c.MaxPendingBytes = 4000
	h := &desk{}
	b := startBroker(t, c, h)
	one := mustLogin(t, b, as("app-1"))
	two := mustLogin(t, b, as("app-2"))
	big := strings.Repeat("x", 2000)
	one.report(1, 1, "app-1", big)
	one.report(1, 2, "app-1", big)
	all := h.wait(t, 2)
	two.report(1, 1, "app-2", big)
	all[0].answer(Accepted())
	one.expect(4, 1)
	h.wait(t, 3)[2].answer(Accepted())
	two.expect(4, 1)
}
