package fsm

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"wardline/sync/record"
)

// rssAnon is the process's anonymous memory, in bytes (proc(5), status).
func rssAnon(tb testing.TB) int64 {
	tb.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return n << 10
		}
	}
	tb.Fatal("no RssAnon in /proc")
	return 0
}

// A long log starts soon, in bounded memory, and goes on as before: WARDLINE_LONG_REPORTS
// of them, each routed by its station and by the city, which are three entries.
func TestMachine_LongLog_StartsSoonInBoundedMemory(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("WARDLINE_LONG_REPORTS"))
	if err != nil {
		if n = 5000; os.Getenv("WARDLINE_LONG") != "" {
			n = 300_000
		}
	}
	debug.SetMemoryLimit(600 << 20) // as a core node's process does (deploy/cli)
	dir := t.TempDir()
	m := mustOpen(t, dir)
	w, alone, index := &writer{inc: 7}, &writer{inc: 8}, uint64(0)
	cpu, from := processTime(t), 0
	const step = 2560
	for from < n {
		var list []LogEntry
		for end := min(n, from+step); from < end; from += 256 {
			list = append(list, aloneRouted(station, alone, from, 256, index+1))
			reports := backlog(t, station, w, from, 256, index+1)
			list = append(list, reports...)
			index += 1 + uint64(len(reports))
		}
		if _, err := m.ApplyBatch(list); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d entries, %.1f µs of processor time a report, %d MB anonymous", m.CityIndex(), float64((processTime(t)-cpu).Microseconds())/float64(from), rssAnon(t)>>20)
	last, _ := m.After(m.CityIndex()-1, 1)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m = mustOpen(t, dir)
	defer func() { _ = m.Close() }()
	opened := time.Since(began)
	m.seen.done.Wait()
	t.Logf("open after %v, all ids known after %v, %d MB anonymous", opened.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), rssAnon(t)>>20)
	if opened > 30*time.Second || rssAnon(t) > 600<<20 {
		t.Errorf("opened in %v with %d MB", opened, rssAnon(t)>>20)
	}
	if again, err := m.After(m.CityIndex()-1, 1); err != nil || len(again) != 1 || again[0].Entry.Hash() != last[0].Entry.Hash() {
		t.Fatalf("%v %v", again, err)
	}
	// What was reported before is known, and what was not is new.
	old, _ := sealedReport(station, 17)
	old.Origin = record.CoreOrigin
	if r := do(t, m, Body(encode(t, old), nil)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	if r, err := m.After(m.CityIndex()-1, 1); err != nil || r[0].Listed != record.KindRepeat {
		t.Fatalf("%+v %v", r, err)
	}
	fresh, _ := sealedReport(record.CoreOrigin, 17)
	if r := do(t, m, Body(encode(t, fresh), nil)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	if rows, err := m.Incident(fresh.Incident); err != nil || len(rows) < 2 || rows[0].Listed != record.KindReport {
		t.Fatalf("%+v %v", rows, err)
	}
}
