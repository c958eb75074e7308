package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wardline/sync/record"
)

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSubmit appends reports as the door does: a sealed part of usual size with its
// key, and, when the line is cut, the station's own routing behind it. cpu-us/op is the processor time
// of the process, flush and compaction with it.
func BenchmarkSubmit(b *testing.B) {
	for _, c := range []struct {
		window int
		routed bool
	}{{1, false}, {512, false}, {512, true}} {
		b.Run(fmt.Sprintf("window=%d/routed=%v", c.window, c.routed), func(b *testing.B) {
			l := mustOpen(b, b.TempDir())
			slots := make(chan struct{}, c.window)
			sealed := record.Sealed{Ciphertext: make([]byte, 380)}
			key := record.WrappedKey{Blob: make([]byte, 12+32+16)}
			var waits []time.Duration
			began := processorTime(b)
			for b.Loop() {
				slots <- struct{}{}
				id := record.NewID(time.Now())
				body := reportBody(l.Ledger, id)
				body.Payload.Sealed = &sealed
				a := Append{Lane: record.Urgent, Body: body, Keys: []record.WrappedKey{key}, Once: &Once{ID: id, Fingerprint: record.Hash{1}}}
				if c.routed {
					a.Behind = &record.Body{ID: record.NewID(time.Now()), Incident: id, Kind: record.KindRouted, Origin: origin, Deps: []record.ID{body.ID}, HLC: body.HLC,
						Payload: record.Payload{Report: id, Lead: "ward/26704", Told: []record.UnitID{"command", "fire", "ward/26704"}}}
				}
				at := time.Now()
				l.Submit(a, func(_ Result, err error) {
					if err != nil {
						b.Error(err)
					}
					waits = append(waits, time.Since(at)) // the committer's goroutine alone calls this
					<-slots
				})
			}
			for range c.window {
				slots <- struct{}{}
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

// BenchmarkOpen opens a ledger whose reports came one by one, each a commit and a block of its own, as in a ward's usual
// days. cpu-ms/op is the processor time of an Open.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{2000, 20_000} {
		b.Run(fmt.Sprintf("alone=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			l := mustOpen(b, dir)
			for i := range n {
				mustSubmit(b, l.Ledger, record.Urgent, reportID(i))
			}
			l.stop()
			var used time.Duration
			for b.Loop() {
				o := Default(dir, origin)
				o.Log = quiet()
				began := processorTime(b)
				l, err := Open(o)
				used += processorTime(b) - began
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(used.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkIncident reads single reports out of blocks of a flood, one after the other, as search does.
func BenchmarkIncident(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	const n = 4000
	flood(b, l.Ledger, 0, n, func(int) bool { return false })
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if rows, err := l.Incident(reportID(i % n)); err != nil || len(rows) == 0 {
			b.Fatal(len(rows), err)
		}
		i++
	}
}
