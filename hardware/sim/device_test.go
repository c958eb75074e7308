package sim

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wardline/hardware/panel"
	"wardline/hardware/panel/protocols"
)

func mustProfile(t testing.TB, p panel.Protocol) panel.Profile {
	t.Helper()
	pr, err := panel.Default(p)
	if err != nil {
		t.Fatal(err)
	}
	return pr
}

// device is a Panel or a Button.
type device interface {
	Run(ctx context.Context, port Port, events <-chan panel.Event, told func(Sent)) error
}

// desk is the other end of the cable: a real decoder, answers as the test says.
type desk struct {
	t      *testing.T
	conn   net.Conn
	dec    panel.Decoder
	reply  func(n int, f panel.Frame) []byte
	frames []panel.Frame
}

func (d *desk) run(done chan<- struct{}) {
	defer close(done)
	b := make([]byte, 64)
	for {
		n, err := d.conn.Read(b)
		for _, f := range d.dec.Feed(b[:n]) {
			d.frames = append(d.frames, f)
			if r := d.reply(len(d.frames), f); r != nil {
				if _, err := d.conn.Write(r); err != nil {
					d.t.Errorf("reply: %v", err)
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// play runs a device against a desk until its events are over or ctx ends.
func play(t *testing.T, ctx context.Context, p panel.Profile, dev device, events []panel.Event, hold bool, reply func(int, panel.Frame) []byte) ([]Sent, []panel.Frame) {
	t.Helper()
	mine, theirs := net.Pipe()
	dec, err := protocols.New(p)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, conn: theirs, dec: dec, reply: reply}
	done := make(chan struct{})
	go d.run(done)
	ch := make(chan panel.Event, len(events))
	for _, e := range events {
		ch <- e
	}
	if !hold {
		close(ch)
	}
	var sent []Sent
	if err := dev.Run(ctx, mine, ch, func(s Sent) { sent = append(sent, s) }); err != nil {
		t.Fatal(err)
	}
	if err := mine.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	return sent, d.frames
}

func asIs(_ int, f panel.Frame) []byte { return f.Reply }

func alarms(seed uint64, n int) (all []panel.Event) {
	a := NewAlarms(seed)
	for range n {
		all = append(all, a.Next())
	}
	return all
}

func mustPanel(t *testing.T, change ...func(*panel.Profile)) (*Panel, panel.Profile) {
	t.Helper()
	pr := mustProfile(t, panel.SurGard)
	for _, c := range change {
		c(&pr)
	}
	p, err := NewPanel(pr, DefaultHeartbeat)
	if err != nil {
		t.Fatal(err)
	}
	return p, pr
}

func TestAlarms_SameSeed_SameEvents_AndNoFrameTwice(t *testing.T) {
	a, b := alarms(7, 2000), alarms(7, 2000)
	if !reflect.DeepEqual(a, b) {
		t.Fatal("the same seed gave other events")
	}
	if reflect.DeepEqual(a, alarms(8, 2000)) {
		t.Fatal("another seed gave the same events")
	}
	s := &surgard{line: 1, terminator: panel.DC4}
	seen, effects := map[string]bool{}, map[panel.Effect]int{}
	for _, e := range a {
		f, err := s.frame(e)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(f)] {
			t.Fatalf("%q twice: within the resend window it would be a repeat", f)
		}
		seen[string(f)] = true
		effects[panel.Classify(e).Effect]++
	}
	for _, k := range []panel.Effect{panel.EffectOpen, panel.EffectStatus, panel.EffectAttach, panel.EffectCancel, panel.EffectTest} {
		if effects[k] == 0 {
			t.Errorf("2000 events without any %v: %v", k, effects)
		}
	}
	p, q := NewPresses(7, "b"), NewPresses(7, "b")
	for range 10 {
		if !reflect.DeepEqual(p.Next(), q.Next()) {
			t.Fatal("the same seed gave other presses")
		}
	}
}

func TestPanel_EveryEvent_IsReadByTheDecoderAsItWasMeant(t *testing.T) {
	for _, width := range []int{3, 5} {
		synctest.Test(t, func(t *testing.T) {
			p, pr := mustPanel(t, func(p *panel.Profile) { p.HeaderWidth = width })
			want := alarms(3, 300)
			sent, frames := play(t, t.Context(), pr, p, want, false, asIs)
			if len(sent) != len(want) || len(frames) != len(want) {
				t.Fatalf("%d sent, %d read, want %d", len(sent), len(frames), len(want))
			}
			for i, f := range frames {
				e := want[i]
				e.Line = fmt.Sprintf("%0*s", width-2, e.Line)
				if f.Kind != panel.KindEvent || !reflect.DeepEqual(f.Events[0], e) {
					t.Fatalf("%q was read as %+v, want %+v", f.Raw, f.Events, e)
				}
				if sent[i].Answer != Acked || sent[i].Try != 1 || string(sent[i].Frame) != string(f.Raw) {
					t.Fatalf("%+v", sent[i])
				}
			}
		})
	}
}

func TestPanel_Unanswered_IsSentAgainEvery4s_ThenTheQueueWaitsForAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, pr := mustPanel(t)
		start := time.Now()
		var at []time.Duration
		beats := 0
		sent, frames := play(t, t.Context(), pr, p, alarms(1, 2), false, func(n int, f panel.Frame) []byte {
			at = append(at, time.Since(start))
			if f.Kind == panel.KindHeartbeat {
				if beats++; beats == 1 {
					return nil
				}
			}
			if n <= pr.Retries+1 {
				return nil
			}
			return f.Reply
		})
		// 21 sendings, two link tests, the same event, the next one.
		if len(frames) != pr.Retries+1+2+2 {
			t.Fatalf("%d frames", len(frames))
		}
		for i := range pr.Retries + 1 {
			if want := time.Duration(i) * pr.Timeout; at[i] != want || string(frames[i].Raw) != string(frames[0].Raw) {
				t.Fatalf("sending %d at %v, want %v", i+1, at[i], want)
			}
			if sent[i].Answer != Unanswered || sent[i].Try != i+1 || sent[i].After != pr.Timeout {
				t.Fatalf("%+v", sent[i])
			}
		}
		last := frames[pr.Retries+1:]
		if last[0].Kind != panel.KindHeartbeat || last[1].Kind != panel.KindHeartbeat || string(last[2].Raw) != string(frames[0].Raw) || string(last[3].Raw) == string(frames[0].Raw) {
			t.Fatalf("after the last resend: %+v", last)
		}
		if s := sent[len(sent)-2:]; s[0].Answer != Acked || s[0].Try != pr.Retries+2 || s[1].Answer != Acked {
			t.Fatalf("%+v", s)
		}
	})
}

func TestPanel_NAK_SendsTheSameFrameAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, pr := mustPanel(t)
		start := time.Now()
		sent, frames := play(t, t.Context(), pr, p, alarms(1, 1), false, func(n int, f panel.Frame) []byte {
			if n < 3 {
				return []byte{nak}
			}
			return []byte{'x', 0xff, ack} // noise before the answer
		})
		if len(frames) != 3 || string(frames[0].Raw) != string(frames[2].Raw) || time.Since(start) != 0 {
			t.Fatalf("%d frames in %v", len(frames), time.Since(start))
		}
		if sent[0].Answer != Refused || sent[1].Answer != Refused || sent[2].Answer != Acked {
			t.Fatalf("%+v", sent)
		}
	})
}

func TestPanel_Idle_SendsAHeartbeatEvery30s(t *testing.T) {
	for _, width := range []int{3, 5} {
		synctest.Test(t, func(t *testing.T) {
			p, pr := mustPanel(t, func(p *panel.Profile) { p.HeaderWidth = width })
			ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
			defer cancel()
			sent, frames := play(t, ctx, pr, p, nil, true, asIs)
			if len(frames) != 3 || len(sent) != 3 {
				t.Fatalf("%d heartbeats in 95 s, want 3", len(frames))
			}
			for i, f := range frames {
				if f.Kind != panel.KindHeartbeat || len(f.Flags) != 0 || len(f.Raw) != 18+width || sent[i].Event != nil || sent[i].Answer != Acked {
					t.Fatalf("%+v %+v", f, sent[i])
				}
			}
		})
	}
}

func TestPanel_LateAnswer_IsNotTakenForTheNextFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, pr := mustPanel(t)
		mine, theirs := net.Pipe()
		events := make(chan panel.Event)
		told := make(chan Sent, 8)
		run := make(chan error, 1)
		go func() { run <- p.Run(t.Context(), mine, events, func(s Sent) { told <- s }) }()
		// An ACK that answers nothing.
		if _, err := theirs.Write([]byte{ack}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		events <- alarms(1, 1)[0]
		b := make([]byte, 64)
		n, err := theirs.Read(b)
		if err != nil || n != 21 {
			t.Fatalf("%d %v", n, err)
		}
		synctest.Wait()
		if len(told) != 0 {
			t.Fatalf("an older ACK was taken for an answer: %+v", <-told)
		}
		if _, err := theirs.Write([]byte{ack}); err != nil {
			t.Fatal(err)
		}
		if s := <-told; s.Answer != Acked || string(s.Frame) != string(b[:n]) {
			t.Fatalf("%+v", s)
		}
		close(events)
		if err := <-run; err != nil || pr.Timeout == 0 {
			t.Fatal(err)
		}
	})
}

func TestButton_PressesUntilItsOwnNumberIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr := mustProfile(t, panel.Button)
		b, err := NewButton(pr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		press := NewPresses(5, "button-1")
		events := []panel.Event{press.Next(), press.Next()}
		sent, frames := play(t, t.Context(), pr, b, events, false, func(n int, f panel.Frame) []byte {
			switch n {
			case 1:
				return nil // lost
			case 2:
				return []byte("OK 999999999\nOK\n") // an older press's, and none's
			}
			return f.Reply
		})
		if len(frames) != 4 || frames[0].Events[0].Fields["seq"] != events[0].Fields["seq"] || frames[3].Events[0].Fields["seq"] != events[1].Fields["seq"] {
			t.Fatalf("%+v", frames)
		}
		for i, a := range []Answer{Unanswered, Unanswered, Acked, Acked} {
			if sent[i].Answer != a {
				t.Fatalf("%d: %+v", i, sent[i])
			}
		}
	})
}

func TestButton_Idle_PingsAndTakesPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr := mustProfile(t, panel.Button)
		b, err := NewButton(pr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		sent, frames := play(t, ctx, pr, b, nil, true, asIs)
		if len(frames) != 2 || frames[0].Kind != panel.KindHeartbeat || sent[1].Answer != Acked {
			t.Fatalf("%+v %+v", frames, sent)
		}
	})
}

func TestNew_WrongSettings_NameTheField(t *testing.T) {
	sg, bt := mustProfile(t, panel.SurGard), mustProfile(t, panel.Button)
	clock := sg
	clock.AppendedClock = true
	for want, make := range map[string]func() error{
		"protocol":       func() error { _, err := NewPanel(bt, 0); return err },
		"appended_clock": func() error { _, err := NewPanel(clock, 0); return err },
		"heartbeat":      func() error { _, err := NewPanel(sg, -1); return err },
		`"surgard"`:      func() error { _, err := NewButton(sg, 0); return err },
		"ping":           func() error { _, err := NewButton(bt, -1); return err },
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s := &surgard{line: 1, terminator: panel.DC4}
	if _, err := s.frame(panel.Event{System: panel.SystemSIA, Code: "BA", Account: "1"}); err == nil {
		t.Error("an event of another code system was written")
	}
}
