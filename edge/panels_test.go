package edge

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"wardline/hardware/panel"
	"wardline/hardware/sim"
	"wardline/sync/api"
)

// TestStation_AdapterPulledAndPutBack_IsSeenAndTheNextFrameIsAcknowledged plays
// a receiver on a cable to a station whose city is away.
func TestStation_AdapterPulledAndPutBack_IsSeenAndTheNextFrameIsAcknowledged(t *testing.T) {
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	cable, err := sim.NewPair(filepath.Join(dir, "line"), filepath.Join(dir, "panel"), log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Ward: "26704", Dir: filepath.Join(dir, "station"), HTTP: "127.0.0.1:0", Core: []string{"127.0.0.1:1"},
		Panels: []Panel{{Device: "panel-1", Protocol: panel.SurGard, Port: cable.Station()}}}, log)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := panel.Default(panel.SurGard)
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := sim.NewPanel(profile, sim.DefaultHeartbeat)
	if err != nil {
		t.Fatal(err)
	}
	port, err := sim.OpenPort(cable.Port())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	events, told := make(chan panel.Event), make(chan sim.Sent, 64)
	go func() { ended <- cable.Run(ctx) }()
	go func() { ended <- s.Run(ctx) }()
	go func() { ended <- receiver.Run(ctx, port, events, func(x sim.Sent) { told <- x }) }()
	t.Cleanup(func() {
		cancel()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	})
	state := func() (d api.DeviceState) {
		all, err := backend{s}.Stations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range all {
			for _, x := range st.Devices {
				if x.ID == "panel-1" {
					d = x
				}
			}
		}
		return d
	}
	alarms := sim.NewAlarms(1)
	send := func() {
		t.Helper()
		events <- alarms.Next()
		for { // a resend may be needed on a busy machine
			select {
			case x := <-told:
				if x.Event != nil && x.Answer == sim.Acked {
					return
				}
			case <-time.After(60 * time.Second):
				t.Fatal("a frame was not acknowledged")
			}
		}
	}
	waitFor(t, "the line is online", func() bool { return state().Online })
	send()
	for range 2 {
		if err := cable.Pull(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "a pulled adapter is seen", func() bool { return !state().Online })
		if err := cable.Put(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the line is online again", func() bool { return state().Online })
		send()
	}
}
