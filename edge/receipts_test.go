package edge

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/sync/record"
)

// told collects what devices were told, by device.
type told struct {
	mu   sync.Mutex // guards steps
	said map[string][]string
}

func (t *told) send(device string, payload []byte) bool {
	if device == "deaf" {
		return false
	}
	var m struct {
		ID   record.ID
		Step string
		At   time.Time
	}
	if json.Unmarshal(payload, &m) != nil || m.At.IsZero() {
		m.Step = "unreadable: " + string(payload)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said[device] = append(t.said[device], m.Step)
	return true
}

func (t *told) count(device, step string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, s := range t.said[device] {
		if s == step {
			n++
		}
	}
	return n
}

// TestReceipts_MoreThanAreRemembered_EveryDeviceHearsOfTheCity bounds the memory
// to a few reports: what did not fit is read from the ledger again.
func TestReceipts_MoreThanAreRemembered_EveryDeviceHearsOfTheCity(t *testing.T) {
	const reports, room = 40, 7
	origin := record.StationOrigin("26704")
	l, err := ledger.Open(ledger.Default(t.TempDir(), origin))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	said := &told{said: map[string][]string{}}
	x := &receipts{origin: origin, ledger: l, room: room, send: said.send, log: slog.New(slog.DiscardHandler),
		chains: map[record.ChainID]*awaiting{}, looks: make(chan look, maxLooks)}
	wg.Go(func() { _ = x.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	var last ledger.Result
	for i := range reports {
		id := record.NewID(time.Now())
		device := "app"
		if i%4 == 3 {
			device = "deaf"
		}
		b := record.Body{ID: record.NewID(time.Now()), Incident: id, Kind: record.KindReport, Origin: origin, HLC: l.Clock().Now(),
			Actor: record.Actor{Kind: record.ByDevice, Name: device}, ReceivedAt: time.Now().UnixMilli(),
			Payload: record.Payload{Report: id, Category: record.Fire}}
		done := make(chan error, 1)
		l.Submit(ledger.Append{Lane: record.Urgent, Body: b, Once: &ledger.Once{ID: id}}, func(r ledger.Result, err error) {
			last = r
			x.kept(device, intake.Answer{Kept: intake.Kept{Incarnation: r.Link.Incarnation, Lane: r.Link.Lane, Seq: r.Link.Seq,
				ReceivedAt: b.ReceivedAt}, ID: id, Incident: id})
			done <- err
		})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := said.count("app", "ward"); n != 30 {
		t.Fatalf("%d ward receipts of 30", n)
	}
	for _, seq := range []record.Seq{10, last.Link.Seq} {
		err := l.SaveReceipt(record.Receipt{Chain: last.Link.Chain(), Seq: seq, CityIndex: uint64(seq), At: time.Now().UnixMilli(), Node: "core-1"})
		if err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "every report is told of", func() bool { return said.count("app", "city") >= 30 })
	if n := said.count("app", "city"); n != 30 {
		t.Fatalf("%d city receipts for 30 reports", n)
	}
}

// TestReceipts_SilentAlarm_DeviceIsNotToldOfTheClaim: the device stands where the
// attacker is.
func TestReceipts_SilentAlarm_DeviceIsNotToldOfTheClaim(t *testing.T) {
	origin := record.StationOrigin("26704")
	l, err := ledger.Open(ledger.Default(t.TempDir(), origin))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	said := &told{said: map[string][]string{}}
	x := &receipts{origin: origin, ledger: l, room: maxAwaiting, send: said.send, log: slog.New(slog.DiscardHandler),
		chains: map[record.ChainID]*awaiting{}, looks: make(chan look, maxLooks)}
	for _, c := range []struct {
		flags record.Flags
		want  int
	}{{0, 1}, {record.FlagSilent, 0}} {
		id := record.NewID(time.Now())
		for i, kind := range []record.Kind{record.KindReport, record.KindClaim} {
			b := record.Body{ID: record.NewID(time.Now()), Incident: id, Kind: kind, Origin: origin, HLC: l.Clock().Now(), ReceivedAt: 1,
				Actor: record.Actor{Kind: record.ByDevice, Name: "button"}, Payload: record.Payload{Report: id, Category: record.Panic, Flags: c.flags}}
			if i == 1 {
				b.Actor = record.Actor{Kind: record.ByOfficer, Name: "ward", Unit: record.WardUnit("26704")}
				b.Payload = record.Payload{}
			}
			done := make(chan error, 1)
			l.Submit(ledger.Append{Lane: record.Urgent, Body: b}, func(_ ledger.Result, err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		before := said.count("button", "seen")
		if err := x.seen(look{incident: id}); err != nil {
			t.Fatal(err)
		}
		if n := said.count("button", "seen") - before; n != c.want {
			t.Errorf("flags %v: told %d times, want %d", c.flags, n, c.want)
		}
	}
}
