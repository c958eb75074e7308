package uplink

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/packed"
	"wardline/sync/record"
	"wardline/sync/wire"
)

func TestSender_Restart_ResendsUnacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		d.grow(record.Urgent, 700)
		h.odd = func(record.LaneID, *Outcome) error { return errors.New("committed, and nobody is told") }
		l := join(t, d, h)
		until(t, "the first batch is at the city", time.Minute, func() bool { return h.held(record.Urgent) > 0 })
		l.stop()
		if d.receipt(record.Urgent) != 0 {
			t.Fatal("a receipt without an answer")
		}
		h.odd = nil
		join(t, d, h)
		until(t, "every entry has its receipt", time.Minute, func() bool { return d.receipt(record.Urgent) == 700 })
		if n := h.held(record.Urgent); n != 700 {
			t.Fatalf("the city holds %d entries", n)
		}
	})
}

func TestSender_ReceiptThatIsNotForWhatItSent_IsNeverKept(t *testing.T) {
	for name, bad := range map[string]func(*record.Receipt){
		"a forged signature": func(r *record.Receipt) { r.Signature[5] ^= 1 },
		"a changed seq":      func(r *record.Receipt) { r.Seq += 5 },
		"another chain":      func(r *record.Receipt) { r.Chain.Lane = record.Telemetry; r.Sign(newHall().key) },
		"another hash":       func(r *record.Receipt) { r.Hash[0] ^= 1; r.Sign(newHall().key) },
		"another node":       func(r *record.Receipt) { r.Node = "core-2"; r.Sign(newHall().key) },
		"a shorter chain":    func(r *record.Receipt) { r.Seq--; r.Sign(newHall().key) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, h := newDisk(), newHall()
				h.bad = bad
				d.grow(record.Urgent, 3)
				l := join(t, d, h)
				time.Sleep(time.Minute)
				d.mu.Lock()
				if len(d.receipts) != 0 {
					t.Errorf("kept: %+v", d.receipts)
				}
				d.mu.Unlock()
				if n := l.s.Status().Forged; n == 0 {
					t.Errorf("%d are counted", n)
				}
				if n := l.tries.Load(); n < 3 || n > 60 {
					t.Errorf("%d tries in a minute", n)
				}
			})
		})
	}
}

func TestSender_BlackHole_NoticedAndReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		l := join(t, d, h)
		until(t, "the line stands", time.Minute, func() bool { return l.s.Status().Connected })
		time.Sleep(time.Minute)
		if !l.s.Status().Connected || l.tries.Load() != 1 {
			t.Fatal("an idle line was taken for dead")
		}
		l.dark.Store(true)
		began := time.Now()
		until(t, "the black hole is noticed", 2*wire.DeadAfter, func() bool { return !l.s.Status().Connected })
		if took := time.Since(began); took < wire.DeadAfter-wire.PingEvery {
			t.Fatalf("taken for dead after %v", took)
		}
		d.grow(record.Urgent, 5000) // while it is dark
		time.Sleep(30 * time.Minute)
		l.dark.Store(false)
		until(t, "the line stands again and brings what waited", 20*time.Second, func() bool { return d.receipt(record.Urgent) == 5000 })
	})
}

func TestSender_Urgent_PassesARoutineBacklog_AndNeitherStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		h.work = 100 * time.Millisecond
		d.grow(record.Routine, 50_000)
		join(t, d, h)
		until(t, "routine flows", time.Minute, func() bool { return h.held(record.Routine) > 1000 })
		for range 20 { // urgent all the time
			d.grow(record.Urgent, 1)
			began, n := time.Now(), len(d.chains[chainOf(record.Urgent)])
			until(t, "the urgent entry is at the city", time.Second, func() bool { return h.held(record.Urgent) == n })
			if took := time.Since(began); took > 400*time.Millisecond {
				t.Errorf("an urgent entry took %v behind a routine backlog", took)
			}
		}
		n := h.held(record.Routine)
		for range 100 {
			d.grow(record.Urgent, 600)
			time.Sleep(100 * time.Millisecond)
		}
		if more := h.held(record.Routine) - n; more < 10*256 {
			t.Errorf("routine got %d entries in ten seconds beside an urgent flood", more)
		}
	})
}

// An answer that came while others were under way was dropped, so a fork with
// a backlog behind it was asked about for ever.
func TestSender_ForkUnderABacklog_IsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		d.grow(record.Urgent, 60_000)
		c := chainOf(record.Urgent)
		h.chains[c] = append(h.chains[c], d.chains[c][:999]...)
		for range 300 {
			h.chains[c] = append(h.chains[c], follow(h.chains[c], c, "theirs"))
		}
		h.work = 20 * time.Millisecond
		l := join(t, d, h)
		until(t, "the fork is named where it begins", time.Second, // sooner than the backlog ends
			func() bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				return len(d.forks) == 1 && d.forks[0] == 1000
			})
		time.Sleep(time.Minute)
		l.stop()
		if len(d.forks) != 1 || h.held(record.Urgent) != 1299 {
			t.Fatalf("forks %v, the city holds %d", d.forks, h.held(record.Urgent))
		}
	})
}

// A clone's last entries came to the city while our own were under way: only
// the receipt says so, and without a word the disk would lack them for long.
func TestSender_CityGetsAheadInMidSession_IsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		h.odd = func(_ record.LaneID, out *Outcome) error {
			c := chainOf(record.Urgent)
			h.mu.Lock()
			defer h.mu.Unlock()
			e := follow(h.chains[c], c, "a twin's")
			h.chains[c] = append(h.chains[c], e)
			out.Seq, out.Hash = e.Link.Seq, e.Hash()
			return nil
		}
		d.grow(record.Urgent, 2)
		join(t, d, h)
		until(t, "the disk is told", 10*time.Second, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.ahead == 3 })
		if d.receipt(record.Urgent) != 0 {
			t.Fatal("a receipt for what is not on this disk was kept")
		}
	})
}

func TestSender_RefusedChain_RestsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		h.odd = func(lane record.LaneID, out *Outcome) error {
			if lane == record.Urgent {
				*out = Outcome{Status: wire.Answer_REFUSED, Detail: "written by a newer program"}
			}
			return nil
		}
		d.grow(record.Urgent, 10)
		l := join(t, d, h)
		until(t, "the refusal is said", time.Minute, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.refused > 0 })
		d.grow(record.Routine, 10)
		until(t, "routine goes on", 5*time.Second, func() bool { return d.receipt(record.Routine) == 10 })
		if !l.s.Status().Connected || l.tries.Load() != 1 {
			t.Fatal("the line broke for one entry")
		}
		l.stop()
		h.odd = nil
		join(t, d, h)
		until(t, "what was refused is taken later", time.Minute, func() bool { return d.receipt(record.Urgent) == 10 })
	})
}

func TestSender_ReceiptThatCouldNotBeKept_IsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		d.full = true
		d.grow(record.Urgent, 10)
		l := join(t, d, h)
		time.Sleep(10 * time.Second)
		if !l.s.Status().Connected || l.tries.Load() != 1 {
			t.Fatal("a full disk broke the line")
		}
		d.mu.Lock()
		d.full = false
		d.mu.Unlock()
		until(t, "the receipt is kept", 5*time.Second, func() bool { return d.receipt(record.Urgent) == 10 })
	})
}

func TestReceiver_RefusesWhatIsNoStationsLine(t *testing.T) {
	hello := func(edit func(*wire.Hello)) *wire.UpFrame {
		h, _, err := wire.SayHello(station, 1, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(h)
		}
		return &wire.UpFrame{Kind: &wire.UpFrame_Hello{Hello: h}}
	}
	batch := func(lane uint32) *wire.UpFrame {
		return &wire.UpFrame{Kind: &wire.UpFrame_Batch{Batch: &wire.Batch{Lane: lane}}}
	}
	for name, frames := range map[string][]*wire.UpFrame{
		"no hello":      {{Kind: &wire.UpFrame_PingMs{PingMs: 1}}},
		"other version": {hello(func(h *wire.Hello) { h.Version++ })},
		"no origin":     {hello(func(h *wire.Hello) { h.Origin = "" })},
		"the core":      {hello(func(h *wire.Hello) { h.Origin = string(record.CoreOrigin) })},
		"no ward":       {hello(func(h *wire.Hello) { h.Origin = "ward-1" })},
		"no agreement":  {hello(func(h *wire.Hello) { h.Wrapping = []byte("short") })},
		"lane 0":        {hello(nil), batch(0)},
		"the city's":    {hello(nil), batch(uint32(record.CityLog))},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ups, downs := make(chan *wire.UpFrame, 4), make(chan *wire.UpReply, 4)
			for _, f := range frames {
				ups <- f
			}
			v := &Receiver{City: newHall(), Log: quiet()}
			err := v.Serve(ctx, side[wire.UpReply, wire.UpFrame]{&cable{}, ctx, downs, ups})
			if status.Code(err) != codes.InvalidArgument {
				t.Fatalf("%v", err)
			}
		})
	}
}

func TestReceiver_EntriesOfAnotherOriginOrLane_AreRefused(t *testing.T) {
	v := &Receiver{City: newHall(), Log: quiet()}
	e := follow(nil, chainOf(record.Urgent), "x").Append(nil)
	for name, a := range map[string]*wire.Answer{
		"another origin": v.take(t.Context(), "ward-25747", record.Urgent, &wire.Batch{Entries: e}, nil),
		"another lane":   v.take(t.Context(), station, record.Routine, &wire.Batch{Entries: e}, nil),
		"no entry":       v.take(t.Context(), station, record.Urgent, &wire.Batch{Entries: []byte("?")}, nil),
		"a broken key":   v.take(t.Context(), station, record.Urgent, &wire.Batch{Entries: e, Keys: [][]byte{{1}}}, nil),
	} {
		if a.Status != wire.Answer_REFUSED || a.Detail == "" {
			t.Errorf("%s: %v %q", name, a.Status, a.Detail)
		}
	}
}

// A receipt is a sync of the station's disk, and that may take long beside a drain.
func TestSender_ReceiptsSlowToKeep_UrgentDoesNotWaitForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := newDisk(), newHall()
		h.work, d.slow = 5*time.Millisecond, 2*time.Second
		d.grow(record.Routine, 20_000)
		l := join(t, d, h)
		until(t, "routine flows", time.Minute, func() bool { return h.held(record.Routine) > 1000 })
		for range 20 {
			d.grow(record.Urgent, 1)
			began, n := time.Now(), len(d.chains[chainOf(record.Urgent)])
			until(t, "the urgent entry is at the city", 3*time.Second, func() bool { return h.held(record.Urgent) == n })
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("an urgent entry took %v while a receipt was kept", took)
			}
		}
		until(t, "every receipt is kept", time.Minute, func() bool { return d.receipt(record.Routine) == 20_000 })
		if l.tries.Load() != 1 {
			t.Error("the line broke")
		}
	})
}

func TestSender_Batches_ArePackedOnlyForACityThatUnpacks(t *testing.T) {
	for _, older := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d, h := newDisk(), newHall()
			d.grow(record.Routine, 700)
			c := &cable{serve: (&Receiver{City: h, Log: quiet()}).Serve, older: older}
			joinCable(t, d, h, c)
			until(t, "every entry has its receipt", time.Minute, func() bool { return d.receipt(record.Routine) == 700 })
			sent, packed, plain := c.bytes.sent.Load(), c.bytes.packed.Load(), int64(700*record.LinkSize)
			if older && (packed != 0 || sent < plain) || !older && (packed != sent || sent > plain*3/4) {
				t.Errorf("to a city that unpacks nothing (%v): %d bytes sent, %d of them packed", older, sent, packed)
			}
		})
	}
}

func TestReceiver_BatchPackedWrongly_IsRefusedAndNothingAppended(t *testing.T) {
	h := newHall()
	v := &Receiver{City: h, Log: quiet()}
	for _, raw := range [][]byte{{packed.Mark}, {packed.Mark, 0xff, 0xff, 0xff, 0x7f, 0}, packed.Pack(nil, make([]byte, wire.MaxMessage+1))} {
		a := v.take(t.Context(), station, record.Routine, &wire.Batch{Lane: uint32(record.Routine), Entries: raw}, nil)
		if a.Status != wire.Answer_REFUSED {
			t.Errorf("%.8x: %v", raw, a)
		}
	}
	if h.held(record.Routine) != 0 {
		t.Error("something was appended")
	}
}
