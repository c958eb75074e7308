package serialport_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"wardline/hardware/panel"
	"wardline/hardware/panel/protocols"
	"wardline/hardware/serialport"
	"wardline/hardware/sim"
)

// limit is how long a machine with much else to do may take.
const limit = 30 * time.Second

// desk hands on what a line yields; frames that are not immediate wait for the
// test's answer.
type desk struct {
	frames chan serialport.Frame
	states chan serialport.State
	heard  atomic.Int64 // bytes
}

func (d *desk) Frame(f serialport.Frame) { d.frames <- f }
func (d *desk) Heard(_ time.Time, n int) { d.heard.Add(int64(n)) }
func (d *desk) State(s serialport.State) { d.states <- s }
func (d *desk) next(t *testing.T) (f serialport.Frame) {
	t.Helper()
	select {
	case f = <-d.frames:
	case <-time.After(limit):
		t.Fatal("no frame in time")
	}
	return f
}

func (d *desk) state(t *testing.T) (s serialport.State) {
	t.Helper()
	select {
	case s = <-d.states:
	case <-time.After(limit):
		t.Fatal("no change of state in time")
	}
	return s
}

// mustLine opens a line over a simulated cable; port is the panel's end.
func mustLine(t *testing.T) (*desk, *sim.Pair, *os.File) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	cable, err := sim.NewPair(filepath.Join(dir, "line"), filepath.Join(dir, "panel"), log)
	if err != nil {
		t.Fatal(err)
	}
	pr, err := panel.Default(panel.SurGard)
	if err != nil {
		t.Fatal(err)
	}
	pr.Gap = 300 * time.Millisecond
	dec, err := protocols.New(pr)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{frames: make(chan serialport.Frame, 64), states: make(chan serialport.State, 64)}
	line, err := serialport.New(cable.Station(), pr, dec, d, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- cable.Run(ctx) }()
	go func() { ended <- line.Run(ctx) }()
	port, err := sim.OpenPort(cable.Port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = port.Close() // nothing is written any more
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	if !d.state(t).Open {
		t.Fatal("the line did not open")
	}
	return d, cable, port
}

func say(t *testing.T, port *os.File, s string) {
	t.Helper()
	if _, err := port.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, port *os.File, want string) {
	t.Helper()
	if err := port.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(want))
	if _, err := io.ReadFull(port, b); err != nil || string(b) != want {
		t.Fatalf("answered %q (%v), want %q", b, err, want)
	}
}

const (
	duress  = "5011 181234E12101001\x14"
	restore = "5011 181234R12101001\x14"
	beat    = "1011           @    \x14"
	ack     = "\x06"
	nak     = "\x15"
)

func TestLine_TwoFramesInOneWrite_AreAnsweredInOrderAfterTheirSyncs(t *testing.T) {
	d, _, port := mustLine(t)
	say(t, port, duress+restore)
	first, second := d.next(t), d.next(t)
	if string(first.Raw) != duress || string(second.Raw) != restore || first.Session != second.Session {
		t.Fatalf("%q %q", first.Raw, second.Raw)
	}
	second.Answer(true)
	say(t, port, beat) // its answer, too, waits for those before it
	d.next(t)
	if err := port.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := port.Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d bytes were answered before the first sync", n)
	}
	first.Answer(true)
	hear(t, port, ack+ack+ack)
}

func TestLine_BytesOneByOne_AreOneFrame(t *testing.T) {
	d, _, port := mustLine(t)
	for _, c := range duress {
		say(t, port, string(c))
	}
	f := d.next(t)
	if f.Kind != panel.KindEvent || string(f.Raw) != duress {
		t.Fatalf("%+v", f.Frame)
	}
	f.Answer(true)
	hear(t, port, ack)
}

func TestLine_WhatCannotBeRead_IsAskedForOrKept_AndTheLineGoesOn(t *testing.T) {
	d, _, port := mustLine(t)
	for _, c := range []struct {
		bytes  string
		kind   panel.Kind
		answer string
	}{
		{"\x00\xff\x80" + duress, panel.KindDamage, nak},
		{"garbage " + duress, panel.KindDamage, nak},
		{duress[:9], panel.KindDamage, nak}, // never ends: asked for after the gap
		{"501001 181234E12101001\x14", panel.KindUnfit, ack},
		{"nonsense\x14", panel.KindUnfit, ack},
		{"101000           @    \x14", panel.KindHeartbeat, ack},
		{duress, panel.KindEvent, ack},
	} {
		say(t, port, c.bytes)
		f := d.next(t)
		if f.Kind != c.kind {
			t.Fatalf("%q: %v %+v", c.bytes, f.Kind, f.Frame)
		}
		f.Answer(true)
		hear(t, port, c.answer)
	}
}

func TestLine_NotSynced_IsNotAnswered(t *testing.T) {
	d, _, port := mustLine(t)
	say(t, port, duress)
	d.next(t).Answer(false)
	say(t, port, duress) // the resend
	d.next(t).Answer(true)
	hear(t, port, ack)
	if err := port.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := port.Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d more bytes were answered", n)
	}
}

func TestLine_AdapterPulled_IsToldAndOpenedAgainInANewSession(t *testing.T) {
	d, cable, port := mustLine(t)
	session := ""
	for range 3 {
		say(t, port, duress)
		f := d.next(t)
		if f.Session == session {
			t.Fatal("a new opening of the line has the old session")
		}
		session = f.Session
		f.Answer(true)
		hear(t, port, ack)
		was := d.heard.Load()
		say(t, port, duress[:5]) // torn by the pull
		for end := time.Now().Add(limit); d.heard.Load() < was+5; <-time.After(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the torn frame was not heard")
			}
		}
		if err := cable.Pull(); err != nil {
			t.Fatal(err)
		}
		if s := d.state(t); s.Open || s.Err == nil {
			t.Fatalf("pulled: %+v", s)
		}
		if err := cable.Put(); err != nil {
			t.Fatal(err)
		}
		if s := d.state(t); !s.Open || s.Session == session {
			t.Fatalf("put back: %+v", s)
		}
		for len(d.frames) > 0 { // the torn frame may have been asked for before the pull
			if f := d.next(t); f.Kind != panel.KindDamage {
				t.Fatalf("%+v", f.Frame)
			}
			hear(t, port, nak)
		}
	}
}
