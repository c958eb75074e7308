package fsm

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"wardline/sync/record"
)

// BenchmarkApply applies reports of one station, 256 to a batch and four batches at
// once, spread over the city or crowded at one place.
func BenchmarkApply(b *testing.B) {
	for _, crowd := range []bool{false, true} {
		b.Run(fmt.Sprintf("crowd=%v", crowd), func(b *testing.B) {
			m := open(b)
			w := &writer{inc: 7}
			n, index := 0, uint64(0)
			b.ReportAllocs()
			for n < b.N {
				b.StopTimer()
				var entries []LogEntry
				for range 4 {
					var list []record.Entry
					for range 256 {
						body := report(station, n, 1)
						body.Payload.Place.LatE7 += int32(n%3) * 5
						if !crowd {
							body.Payload.Place.LatE7 += int32(n*7919%997) * 30_000
							body.Payload.Place.LonE7 += int32(n*104729%991) * 30_000
						}
						list = append(list, w.entry(body))
						n++
					}
					index++
					entries = append(entries, LogEntry{Index: index, Term: 1, Items: [][]byte{batchOf(list...)}})
				}
				b.StartTimer()
				if _, err := m.ApplyBatch(entries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// threadTime is the processor time of this thread: what an apply itself costs,
// whatever else the machine does.
func threadTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(1, &u); err != nil { // RUSAGE_THREAD
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// unclaimed is a city with n fires that nobody has claimed, and the time of
// its first deadline.
func unclaimed(tb testing.TB, m *Machine, n int) (w *writer, due int64) {
	tb.Helper()
	w = &writer{inc: 7}
	do(tb, m, Tick(now))
	for from := 0; from < n; from += 256 {
		var list []record.Entry
		for i := from; i < min(n, from+256); i++ {
			list = append(list, w.entry(scattered(i)))
		}
		do(tb, m, batchOf(list...))
	}
	return w, now + 1000
}

// scattered are reports all over the city.
func scattered(n int) *record.Body {
	body := report(station, n, 1)
	body.Payload.Place.LatE7 += int32(n*7919%997) * 30_000
	body.Payload.Place.LonE7 += int32(n*104729%991) * 30_000
	return body
}

// BenchmarkTick is a tick with as many missed deadlines as one takes, of 20,000
// reports whose deadlines are all due: alone, behind a thousand reports that are
// applied with it, and when all were taken before. Beside it a batch of reports in the same state.
func BenchmarkTick(b *testing.B) {
	const n = 20_000
	for _, what := range []string{"missed", "all-were-missed", "missed-behind-1024", "only-1024", "batch-256"} {
		b.Run(what, func(b *testing.B) {
			m := open(b)
			w, due := unclaimed(b, m, n)
			m.meta.Load().time = due + 3_600_000 // everything is due
			for at := uint64(0); what == "all-were-missed" && at != m.CityIndex(); {
				at = m.CityIndex()
				do(b, m, Tick(due))
			}
			next := n
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			cpu := time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				index, _ := m.Applied()
				var items [][]byte
				for range map[string]int{"missed-behind-1024": 4, "only-1024": 4, "batch-256": 1}[what] {
					var list []record.Entry
					for range 256 {
						list = append(list, w.entry(scattered(next)))
						next++
					}
					items = append(items, batchOf(list...))
				}
				if what[:1] != "o" && what[:1] != "b" {
					items = append(items, Tick(due))
				}
				b.StartTimer()
				began := threadTime(b)
				if _, err := m.ApplyBatch([]LogEntry{{Index: index + 1, Term: 1, Items: items}}); err != nil {
					b.Fatal(err)
				}
				cpu += threadTime(b) - began
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
