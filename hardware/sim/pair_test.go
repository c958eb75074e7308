package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wardline/hardware/panel"
	"wardline/hardware/panel/protocols"
	"wardline/hardware/serialport"
)

// limit is how long a machine with much else to do may take.
const limit = 30 * time.Second

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// mustPair runs a cable whose ends lie in dir.
func mustPair(t *testing.T, dir string) *Pair {
	t.Helper()
	p, err := NewPair(filepath.Join(dir, "lines", "panel-1"), filepath.Join(dir, "panels", "panel-1"), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := OpenPort(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // a test may have closed it
	if err := f.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return f
}

// cross writes at one end and wants the same bytes at the other.
func cross(t *testing.T, from, to *os.File, b []byte) {
	t.Helper()
	if _, err := from.Write(b); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(b))
	if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%d bytes became %q: %v", len(b), got[:min(len(got), 40)], err)
	}
}

func everyByte(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestPair_EveryByteValue_CrossesBothWaysUnchanged(t *testing.T) {
	p := mustPair(t, t.TempDir())
	station, port := mustOpen(t, p.Station()), mustOpen(t, p.Port())
	cross(t, port, station, everyByte(2048))
	cross(t, station, port, everyByte(2048))
	if p.Lost() != 0 {
		t.Fatalf("%d bytes lost", p.Lost())
	}
}

func TestPair_NobodyReads_BytesWithinRoomWaitForTheReader(t *testing.T) {
	p := mustPair(t, t.TempDir())
	port := mustOpen(t, p.Port())
	b := everyByte(2000)
	if _, err := port.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	// The station is started only now; it opens without throwing input away.
	station, err := os.OpenFile(p.Station(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(b))
	if _, err := io.ReadFull(station, got); err != nil || !bytes.Equal(got, b) || p.Lost() != 0 {
		t.Fatalf("%v, %d lost", err, p.Lost())
	}
	if err := station.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPair_NobodyEverReads_LosesAndCountsInsteadOfBlocking(t *testing.T) {
	p := mustPair(t, t.TempDir())
	port := mustOpen(t, p.Port())
	sent := 0
	for p.Lost() == 0 {
		n, err := port.Write(everyByte(4096))
		sent += n
		if err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	// A reader later goes on with what comes then.
	station := mustOpen(t, p.Station())
	for tries := 0; ; tries++ {
		if _, err := port.Write([]byte("PING\n")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := station.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasSuffix(b[:n], []byte("PING\n")) {
			return
		}
	}
}

func TestPair_PullAndPut_HangsUpAndComesBackUnderTheSameLink(t *testing.T) {
	p := mustPair(t, t.TempDir())
	port, station := mustOpen(t, p.Port()), mustOpen(t, p.Station())
	cross(t, port, station, []byte("before"))
	for range 3 {
		if err := p.Pull(); err != nil {
			t.Fatal(err)
		}
		if err := p.Pull(); err != nil {
			t.Fatalf("pulled twice: %v", err)
		}
		if n, err := station.Read(make([]byte, 8)); err == nil {
			t.Fatalf("a pulled adapter gave %d bytes", n)
		}
		if _, err := os.Lstat(p.Station()); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the link of a pulled adapter is there: %v", err)
		}
		was := p.Lost()
		if _, err := port.Write([]byte("gone")); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "bytes without an adapter are counted", func() bool { return p.Lost() == was+4 })
		if err := p.Put(); err != nil {
			t.Fatal(err)
		}
		if err := p.Put(); err != nil {
			t.Fatalf("put twice: %v", err)
		}
		station = mustOpen(t, p.Station())
		cross(t, port, station, []byte("after"))
		cross(t, station, port, []byte{ack})
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestNewPair_AfterACrash_ReplacesTheLinks_AndCloseRemovesThem(t *testing.T) {
	dir := t.TempDir()
	station, port := filepath.Join(dir, "lines", "panel-1"), filepath.Join(dir, "panels", "panel-1")
	for _, l := range []string{station, port} {
		if err := os.MkdirAll(filepath.Dir(l), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{l, l + ".new"} {
			if err := os.Symlink("/dev/pts/999999", l); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := NewPair(station, port, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	a, b := mustOpen(t, port), mustOpen(t, station)
	cross(t, a, b, []byte("x"))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{station, port} {
		if _, err := os.Lstat(l); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", l, err)
		}
	}
	if err := p.Put(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("put after the end: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := NewPair(station, station, quietLog()); err == nil {
		t.Error("a cable with one end was made")
	}
}

func TestOpenPort_PlayedOnceOnly_AndOldAnswersAreThrownAway(t *testing.T) {
	p := mustPair(t, t.TempDir())
	first, station := mustOpen(t, p.Port()), mustOpen(t, p.Station())
	if _, err := OpenPort(p.Port()); !errors.Is(err, ErrPlayed) {
		t.Fatalf("two devices on one end: %v", err)
	}
	cross(t, station, first, []byte("a"))
	// What stands unread at the end is an answer to the first player.
	if _, err := station.Write([]byte{ack}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the old answer stands at the end", func() bool { return pending(t, first) == 1 })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := mustOpen(t, p.Port())
	cross(t, station, second, []byte("b"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPort(file); err == nil {
		t.Fatal("a plain file was opened as a cable")
	}
}

// keeper is a station that syncs nothing and says yes.
type keeper struct {
	mu     sync.Mutex // guards frames
	frames []panel.Frame
	open   chan bool
}

func (k *keeper) Frame(f serialport.Frame) {
	k.mu.Lock()
	k.frames = append(k.frames, f.Frame)
	k.mu.Unlock()
	if !f.Immediate() {
		f.Answer(true)
	}
}
func (k *keeper) Heard(time.Time, int)     {}
func (k *keeper) State(s serialport.State) { k.open <- s.Open }

// TestPlayers_OverARealTerminal_AllEventsArrive joins what the station has
// (serialport, decoder) and what is played, and pulls the adapter in between.
func TestPlayers_OverARealTerminal_AllEventsArrive(t *testing.T) {
	for _, proto := range []panel.Protocol{panel.SurGard, panel.Button} {
		t.Run(string(proto), func(t *testing.T) {
			p := mustPair(t, t.TempDir())
			pr := mustProfile(t, proto)
			pr.Gap, pr.Timeout = 200*time.Millisecond, 500*time.Millisecond
			dec, err := protocols.New(pr)
			if err != nil {
				t.Fatal(err)
			}
			k := &keeper{open: make(chan bool, 16)}
			line, err := serialport.New(p.Station(), pr, dec, k, quietLog())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- line.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			var dev device
			next := NewAlarms(4).Next
			if proto == panel.SurGard {
				dev, err = NewPanel(pr, time.Second)
			} else {
				next = NewPresses(4, "button-1").Next
				dev, err = NewButton(pr, time.Second)
			}
			if err != nil {
				t.Fatal(err)
			}
			port := mustOpen(t, p.Port())
			if err := port.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			events, told, run := make(chan panel.Event, 64), make(chan Sent, 1024), make(chan error, 1)
			go func() { run <- dev.Run(ctx, port, events, func(s Sent) { told <- s }) }()
			if !<-k.open {
				t.Fatal("not open")
			}
			var want []panel.Event
			send := func(n int) {
				for range n {
					e := next()
					want = append(want, e)
					events <- e
				}
			}
			send(20)
			if err := p.Pull(); err != nil {
				t.Fatal(err)
			}
			if <-k.open {
				t.Fatal("open without an adapter")
			}
			send(1)
			if err := p.Put(); err != nil {
				t.Fatal(err)
			}
			if !<-k.open {
				t.Fatal("not open again")
			}
			send(20)
			close(events)
			if err := <-run; err != nil {
				t.Fatal(err)
			}
			acked := 0
			for len(told) > 0 {
				if s := <-told; s.Event != nil && s.Answer == Acked {
					if s.Event.Code != want[acked].Code || s.Event.Zone != want[acked].Zone {
						t.Fatalf("event %d: %+v, want %+v", acked, s.Event, want[acked])
					}
					acked++
				}
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			i := 0
			for _, f := range k.frames { // a frame may have come more than once, never out of order
				for f.Kind == panel.KindEvent && i < len(want) && same(f.Events[0], want[i]) {
					i++
				}
			}
			if acked != len(want) || i != len(want) {
				t.Fatalf("%d of %d acknowledged, %d arrived in order", acked, len(want), i)
			}
		})
	}
}

func same(a, b panel.Event) bool {
	return a.Account == b.Account && a.Code == b.Code && a.Zone == b.Zone && a.Qualifier == b.Qualifier && a.Fields["seq"] == b.Fields["seq"]
}

// pending is how many bytes wait unread at a terminal.
func pending(t *testing.T, f *os.File) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
