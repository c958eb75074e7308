package downlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/record"
	"wardline/sync/wire"
)

const station = record.Origin("ward-26704")

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// box is an outbox of numbered rows, each with one entry.
type box struct {
	mu      sync.Mutex // guards all below
	rows    int
	acked   record.Seq
	log     []string // what was asked of it
	fail    error    // of Next
	changed chan struct{}
}

func newBox(rows int) *box { return &box{rows: rows, changed: make(chan struct{})} }

func hashOf(n record.Seq) record.Hash { return record.Hash{byte(n), byte(n >> 8), 1} }

func (b *box) say(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf(format, a...))
}

func (b *box) Open(_ context.Context, _ record.Origin, c Cursor, heads []record.Head) (bool, error) {
	b.say("open %d with %d heads", c.Seq, len(heads))
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.Seq < b.acked || (c.Seq > 0 && c.Hash != hashOf(c.Seq)), nil
}

func (b *box) Resync(_ context.Context, _ record.Origin, _ *record.Wrapper, send func(Part) error) (Cursor, error) {
	b.say("resync")
	b.mu.Lock()
	at := record.Seq(b.rows)
	b.mu.Unlock()
	return Cursor{at, hashOf(at)}, send(Part{Resync: true, Entries: []Entry{{Index: 1000, Raw: []byte("whole")}}})
}

func (b *box) Missing(_ context.Context, _ record.Origin, _ []record.Head, _ *record.Wrapper, send func(Part) error) error {
	b.say("missing")
	return send(Part{Entries: []Entry{{Index: 500, Raw: []byte("own")}}})
}

func (b *box) Next(_ context.Context, _ record.Origin, after Cursor, _ *record.Wrapper, send func(Part) error) (Cursor, error) {
	b.mu.Lock()
	fail, rows := b.fail, b.rows
	b.mu.Unlock()
	if fail != nil || int(after.Seq) >= rows {
		return after, fail
	}
	c := Cursor{after.Seq + 1, hashOf(after.Seq + 1)}
	return c, send(Part{Cursor: &c, Entries: []Entry{{Index: uint64(c.Seq), Raw: []byte("row")}}})
}

func (b *box) Taken(_ context.Context, _ record.Origin, c Cursor) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = c.Seq
	return nil
}

func (b *box) Changed() <-chan struct{} { b.mu.Lock(); defer b.mu.Unlock(); return b.changed }
func (b *box) Node() string             { return "core-1" }
func (b *box) Wall() time.Time          { return time.Now() }

func (b *box) taken() record.Seq { b.mu.Lock(); defer b.mu.Unlock(); return b.acked }

// shelf is a station's side in memory.
type shelf struct {
	mu     sync.Mutex // guards all below
	cursor Cursor
	got    []uint64
	work   time.Duration // that an Apply takes
	fail   error         // of Apply
}

func (s *shelf) Origin() record.Origin { return station }
func (s *shelf) Heads() []record.Head {
	return []record.Head{{Incarnation: 7, Lane: record.Urgent, Seq: 3}}
}

func (s *shelf) Cursor() (Cursor, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.cursor, nil }

func (s *shelf) Apply(p Part, _ *record.Wrapper) error {
	s.mu.Lock()
	work := s.work
	s.mu.Unlock()
	time.Sleep(work)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, e := range p.Entries {
		s.got = append(s.got, e.Index)
	}
	if p.Cursor != nil {
		s.cursor = *p.Cursor
	}
	return nil
}

func (s *shelf) at() record.Seq { s.mu.Lock(); defer s.mu.Unlock(); return s.cursor.Seq }

type side[Out, In any] struct {
	ctx context.Context
	out chan *Out
	in  chan *In
}

var errBroken = errors.New("broken")

func (s side[Out, In]) Send(f *Out) error {
	select {
	case s.out <- f:
		return nil
	case <-s.ctx.Done():
		return errBroken
	}
}

func (s side[Out, In]) Recv() (*In, error) {
	select {
	case f := <-s.in:
		return f, nil
	case <-s.ctx.Done():
		return nil, errBroken
	}
}

// join runs both ends over a wire in memory until the test ends.
func join(t *testing.T, b *box, s *shelf) *Receiver {
	var wg sync.WaitGroup
	open := func(ctx context.Context, _ int) (wire.DownClient, func(), error) {
		ctx, cancel := context.WithCancel(ctx)
		ups, downs := make(chan *wire.DownAck, 4), make(chan *wire.DownFrame, 4)
		wg.Go(func() {
			defer cancel()
			_ = (&Sender{Outbox: b, Log: quiet()}).Serve(ctx, side[wire.DownFrame, wire.DownAck]{ctx, downs, ups}) // the station sees the end
		})
		return side[wire.DownAck, wire.DownFrame]{ctx, ups, downs}, cancel, nil
	}
	r := New(Config{Open: open, Boot: 1, Wall: time.Now, Log: quiet()}, s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		wg.Wait()
	})
	return r
}

func until(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func TestDownlink_Rows_ComeOnceInOrder_AndAreTakenAfterApplyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBox(100), &shelf{work: 200 * time.Millisecond}
		join(t, b, s)
		for s.at() < 100 {
			if taken, at := b.taken(), s.at(); taken > at {
				t.Fatalf("the city forgot row %d, the station has %d", taken, at)
			}
			time.Sleep(50 * time.Millisecond)
		}
		until(t, "the last row is taken", 5*time.Second, func() bool { return b.taken() == 100 })
		if s.got[0] != 500 {
			t.Fatalf("own entries that the disk lacks come first: %v", s.got[:3])
		}
		for i, n := range s.got[1:] {
			if n != uint64(i+1) {
				t.Fatalf("row %d at place %d", n, i+1)
			}
		}
	})
}

func TestDownlink_ApplyFails_NothingIsTaken_AndItGoesOnFromTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBox(20), &shelf{fail: errors.New("no room")}
		join(t, b, s)
		time.Sleep(time.Minute)
		if b.taken() != 0 || s.at() != 0 {
			t.Fatalf("taken %d, applied %d", b.taken(), s.at())
		}
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		until(t, "all rows are there", 20*time.Second, func() bool { return s.at() == 20 && b.taken() == 20 })
	})
}

func TestDownlink_CursorOlderOrOfAnotherHash_Resyncs(t *testing.T) {
	for name, c := range map[string]Cursor{"older": {Seq: 3, Hash: hashOf(3)}, "another hash": {Seq: 7, Hash: record.Hash{9}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, s := newBox(10), &shelf{cursor: c}
				b.acked = 5
				join(t, b, s)
				until(t, "the cursor is at the end", 10*time.Second, func() bool { return s.at() == 10 })
				if want := fmt.Sprintf("[open %d with 1 heads missing resync]", c.Seq); fmt.Sprint(b.log) != want {
					t.Fatalf("%v", b.log)
				}
				if fmt.Sprint(s.got) != "[500 1000]" {
					t.Fatalf("%v", s.got)
				}
			})
		})
	}
}

// The stream stayed open, answered pings and brought nothing.
func TestSender_OutboxFails_TheStreamEnds_AndTheNextGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBox(10), &shelf{}
		b.fail = errors.New("no leader")
		join(t, b, s)
		time.Sleep(20 * time.Second)
		b.mu.Lock()
		if opens := len(b.log) / 2; opens < 3 {
			t.Errorf("%d streams in twenty seconds: %v", opens, b.log)
		}
		b.fail = nil
		b.mu.Unlock()
		until(t, "the rows are there", 20*time.Second, func() bool { return s.at() == 10 })
	})
}

func TestReceiver_Again_OpensAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBox(3), &shelf{}
		r := join(t, b, s)
		until(t, "the rows are there", 10*time.Second, func() bool { return s.at() == 3 })
		r.Again()
		until(t, "what is missing is sent again", 10*time.Second, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.log) == 4 })
	})
}

// A slow disk is no dead line: the parts that wait are not lost with it.
func TestReceiver_SlowDisk_KeepsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBox(6), &shelf{work: 3 * wire.DeadAfter}
		join(t, b, s)
		until(t, "all rows are there", 10*time.Minute, func() bool { return s.at() == 6 })
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.log) != 2 {
			t.Fatalf("%v", b.log)
		}
	})
}

func TestSender_RefusesWhatIsNoStationsLine(t *testing.T) {
	for name, edit := range map[string]func(*wire.Hello){
		"other version": func(h *wire.Hello) { h.Version++ },
		"the core":      func(h *wire.Hello) { h.Origin = "core" },
		"no agreement":  func(h *wire.Hello) { h.Wrapping = nil },
	} {
		t.Run(name, func(t *testing.T) {
			h, _, err := wire.SayHello(station, 1, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			edit(h)
			in := make(chan *wire.DownAck, 1)
			in <- &wire.DownAck{Kind: &wire.DownAck_Hello{Hello: h}}
			err = (&Sender{Outbox: newBox(0), Log: quiet()}).Serve(t.Context(), side[wire.DownFrame, wire.DownAck]{t.Context(), make(chan *wire.DownFrame, 4), in})
			if status.Code(err) != codes.InvalidArgument {
				t.Fatalf("%v", err)
			}
		})
	}
}
