package crowd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wardline/sync/record"
	"wardline/sync/report"
)

func TestStories_SameSeed_SameReportsButIdsAndTimes(t *testing.T) {
	strip := func(seed uint64) (all []map[string]any) {
		s := newStories(seed, App, 0)
		for range 500 {
			var m map[string]any
			if err := json.Unmarshal(s.next("26704", time.Now()).body, &m); err != nil {
				t.Fatal(err)
			}
			for _, k := range []string{"id", "captured_at", "sent_at"} {
				delete(m, k)
			}
			all = append(all, m)
		}
		return all
	}
	if a := strip(3); !reflect.DeepEqual(a, strip(3)) || reflect.DeepEqual(a, strip(4)) {
		t.Fatal("a seed does not say what is reported")
	}
}

func TestStories_GoodOnesAreTaken_MalformedOnesAreRefused(t *testing.T) {
	for _, kind := range []Kind{App, Kiosk} {
		s, bad, low := newStories(1, kind, 0.2), 0, 0
		for range 2000 {
			it := s.next("26704", time.Now())
			r, warnings, problem := report.Parse(it.body)
			if it.bad != (problem != nil) || len(warnings) > 0 {
				t.Fatalf("malformed %v: %v %v\n%s", it.bad, problem, warnings, it.body)
			}
			if it.bad {
				bad++
			} else if r.Category == record.Feedback || r.Category == record.Security {
				low++
			}
		}
		if bad < 300 || bad > 500 || low < (2000-bad)*7/10 {
			t.Errorf("%s: %d malformed, %d low of 2000", kind, bad, low)
		}
	}
}

func good() *item { return newItem(record.NewID(time.Now()), []byte("{}"), false) }

func TestOutbox_KeptUntilTheCityHasIt_AndOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var n tally
		b := newOutbox(2, &n)
		x, y := good(), good()
		if !b.put(ctx, x) || !b.put(ctx, y) {
			t.Fatal("no room")
		}
		put := make(chan bool, 1)
		go func() { put <- b.put(ctx, good()) }()
		synctest.Wait()
		if len(put) != 0 {
			t.Fatal("more than the limit has no answer")
		}
		if b.take(ctx) != x || b.take(ctx) != y {
			t.Fatal("not in order")
		}
		b.landed(y, false, false) // the connection was lost
		if !b.landed(x, true, false) || !<-put {
			t.Fatal("an acknowledgement makes no room")
		}
		b.offer()
		sent := map[*item]int{}
		for range 3 {
			it := b.take(ctx)
			sent[it]++
			b.landed(it, true, false)
		}
		if sent[x] != 1 || sent[y] != 1 {
			t.Fatal("what is not in the city was not offered again")
		}
		b.inCity(x.id)
		b.inCity(x.id)
		if _, kept := b.waiting(); kept != 2 || n.city.Load() != 1 || n.acknowledged.Load() != 3 || n.repeats.Load() != 2 {
			t.Fatalf("kept %d, %s", kept, n.line(0, 0))
		}
		b.offer()
		for range 2 {
			if it := b.take(ctx); it == x {
				t.Fatal("offered although the city has it")
			}
		}
		cancel()
		if b.take(ctx) != nil || b.put(ctx, good()) && b.put(ctx, good()) && b.put(ctx, good()) {
			t.Fatal("goes on after the end")
		}
	})
}

func TestOutbox_MalformedIsSettledByItsRefusalAlone(t *testing.T) {
	var n tally
	b := newOutbox(5, &n)
	bad := newItem(record.NewID(time.Now()), []byte("{"), true)
	b.put(t.Context(), bad)
	b.take(t.Context())
	if b.landed(bad, true, false) || n.acknowledged.Load() != 0 {
		t.Fatal("a PUBACK of a malformed report counts as an acknowledgement")
	}
	if b.refused(record.ID{}, bad.sum) {
		t.Fatal("a surprise")
	}
	if open, kept := b.waiting(); open != 0 || kept != 0 || n.refused.Load() != 1 {
		t.Fatalf("%d %d", open, kept)
	}
	g := good()
	b.put(t.Context(), g)
	if !b.refused(g.id, "") || n.surprises.Load() != 1 {
		t.Fatal("a well-formed report was refused and nobody is told")
	}
}

func TestHistogram_QuantilesAreAtMostASixteenthTooHigh(t *testing.T) {
	var h histogram
	if h.quantile(0.99) != 0 {
		t.Fatal("a quantile of nothing")
	}
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := h.quantile(q); got < want || got > want+want/sub {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	for us := uint64(0); us < 5000; us++ {
		if i := bucket(us); top(i) < us || i > 0 && top(i-1) >= us {
			t.Fatalf("%d µs lies in bucket %d", us, i)
		}
	}
}

func TestIDs_AreInTheFileOnceClosed_AndAFailureIsToldAndNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids")
	for range 2 {
		w, err := openIDs(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 * idBatch {
			w.add(record.NewID(time.Now()))
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil || len(strings.Fields(string(raw))) != 6*idBatch {
		t.Fatalf("%d ids, %v", len(strings.Fields(string(raw))), err)
	}
	w, err := openIDs(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 * idBatch {
		w.add(record.NewID(time.Now()))
	}
	if err := w.close(); err == nil || !strings.Contains(err.Error(), "--ids") {
		t.Fatalf("%v", err)
	}
}
