package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// sealedReport is a report as a station's door makes one of 512 bytes of JSON, from
// anywhere in the city, with the wrapped key of its sealed part.
func sealedReport(o record.Origin, n int) (*record.Body, record.WrappedKey) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(o), uint64(n)))
	id := record.ID(sum[:16])
	body := &record.Body{ID: record.DerivedID("report", id[:], []byte(o)), Incident: id, Kind: record.KindReport, Origin: o, Clock: record.ClockSure,
		HLC: record.HLCAt(now + int64(n)/10), ReceivedAt: now + int64(n)/10, CapturedAt: now + int64(n)/10, Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"},
		Payload: record.Payload{Report: id, Category: []record.Category{record.Security, record.Feedback}[n%2], Fingerprint: sum, Ward: "26704",
			Place:  &record.Place{LatE7: 107769000 + int32(binary.BigEndian.Uint16(sum[16:]))*45 - 1_474_000, LonE7: 1067009000 + int32(binary.BigEndian.Uint16(sum[18:]))*45 - 1_474_000, AccuracyCM: 2000},
			Sealed: &record.Sealed{Key: record.KeyID(sum[16:]), Ciphertext: make([]byte, 360)}}}
	return body, record.WrappedKey{Key: record.KeyID(sum[16:]), Blob: make([]byte, 60)}
}

// backlog is what a station's uplink makes of a backlog: Raft entries of one batch
// of at most 200 KiB and 256 reports.
func backlog(tb testing.TB, origin record.Origin, w *writer, from, n int, index uint64) (list []LogEntry) {
	tb.Helper()
	for end := from + n; from < end; {
		var entries []byte
		var keys []record.WrappedKey
		for count := 0; from < end && count < 256 && len(entries) < 200<<10; count++ {
			body, key := sealedReport(origin, from)
			entries, keys = w.entry(body).Append(entries), append(keys, key)
			from++
		}
		index++
		list = append(list, LogEntry{Index: index, Term: 1, Items: [][]byte{Batch(entries, keys)}})
	}
	return list
}

// aloneRouted is what a station that was cut off concluded of its reports, in the
// urgent chain, which goes before them.
func aloneRouted(origin record.Origin, w *writer, from, n int, index uint64) LogEntry {
	var entries []byte
	for i := from; i < from+n; i++ {
		report, _ := sealedReport(origin, i)
		told := []record.UnitID{record.Command, "PV01", record.WardUnit("26704")}
		entries = w.entry(&record.Body{ID: record.DerivedID("routed-alone", report.Incident[:], []byte(origin)), Incident: report.Incident, Kind: record.KindRouted, Origin: origin,
			Deps: []record.ID{report.ID}, HLC: report.HLC + 1, Clock: record.ClockSure, CapturedAt: report.CapturedAt, ReceivedAt: report.ReceivedAt,
			Payload: record.Payload{Report: report.Incident, Priority: 3, Lead: told[2], Told: told, Deadlines: []record.Deadline{{Step: "claim", At: report.ReceivedAt + 900_000}, {Step: "close", At: report.ReceivedAt + 90_000_000}},
				Rules: 1, Algorithm: 1, Flags: record.FlagAlone}}).Append(entries)
	}
	return LogEntry{Index: index, Term: 1, Items: [][]byte{Batch(entries, nil)}}
}

// processTime is the processor time of the process and its kernel's work for it.
func processTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMachine_Apply is one node's state under a drain: station batches, two
// Raft entries to an apply. cpu-µs is the whole process's, compactions and collector too.
func BenchmarkMachine_Apply(b *testing.B) {
	for _, c := range []struct {
		batch int
		alone bool
	}{{256, false}, {256, true}, {32, false}, {1, false}} {
		batch := c.batch
		b.Run(fmt.Sprintf("batch=%d/alone=%v", batch, c.alone), func(b *testing.B) {
			dir := b.TempDir()
			m := mustOpen(b, dir)
			defer func() { _ = m.Close() }()
			w := &writer{inc: 7}
			list := []LogEntry{}
			alone := &writer{inc: 8}
			for from := 0; from < b.N; from += batch {
				if c.alone {
					list = append(list, aloneRouted(station, alone, from, min(batch, b.N-from), uint64(len(list)+1)))
				}
				list = append(list, backlog(b, station, w, from, min(batch, b.N-from), uint64(len(list)))...)
			}
			routing.Centres() // built once in a process
			b.ReportAllocs()
			b.ResetTimer()
			began, rows := processTime(b), m.Progress()
			for len(list) > 0 {
				n := min(len(list), 2)
				if _, err := m.ApplyBatch(list[:n]); err != nil {
					b.Fatal(err)
				}
				list = list[n:]
			}
			b.StopTimer()
			cpu := processTime(b) - began
			b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(b.N), "cpu-µs/report")
			b.ReportMetric(float64(m.Progress()-rows)/float64(b.N), "rows/report")
			b.ReportMetric(float64(m.CityIndex())/float64(b.N), "entries/report")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
			var bytes int64
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && filepath.Ext(path) == ".sst" {
					info, err := d.Info()
					if err != nil {
						return err
					}
					bytes += info.Size()
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "table-B/report")
		})
	}
}
