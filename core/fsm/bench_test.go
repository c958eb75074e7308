package fsm

import (
	"fmt"
	"testing"

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
