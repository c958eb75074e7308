package city

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wardline/deploy/crowd"
	"wardline/hardware/panel"
	"wardline/hardware/sim"
)

// simulatedPanel plays five events of
// a receiver and two presses against a whole city.
func simulatedPanel(w *town) {
	t := w.t
	st := w.file.Stations[0].URL
	known := w.incidents(st)
	const seed = 12
	want := map[string]int{} // category: incidents
	silent, a := 0, sim.NewAlarms(seed)
	for range 5 {
		if m := panel.Classify(a.Next()); m.Opens() {
			want[m.Category]++
			if m.Silent {
				silent++
			}
		}
	}
	if len(want) == 0 {
		t.Fatalf("the events of seed %d open nothing; take another", seed)
	}
	want[panel.CategoryPanic] += 2
	for kind, count := range map[crowd.Kind]int{crowd.Panel: 5, crowd.Button: 2} {
		o := crowd.Default(kind)
		o.Data, o.Seed, o.Count, o.Rate = w.dir, seed, count, 0
		if err := crowd.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	w.wait("the incidents that the events mean", func() bool {
		n, quiet := 0, 0
		clear(got)
		for id, i := range w.incidents(st) {
			if _, ok := known[id]; ok {
				continue
			}
			got[i.Category]++
			n++
			if i.Silent {
				quiet++
			}
		}
		for c, k := range want {
			n -= k
			if got[c] != k {
				return false
			}
		}
		return n == 0 && quiet == silent
	})
}

// TestCity_SimulatedApps_EveryAcknowledgedReportIsInTheCityOnce plays apps over
// both ways, kills the station in the middle and cuts the line.
func TestCity_SimulatedApps_EveryAcknowledgedReportIsInTheCityOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	ids := filepath.Join(t.TempDir(), "ids")
	for i, via := range []string{crowd.ViaHTTP, crowd.ViaMQTT} {
		var out bytes.Buffer
		o := crowd.Default(crowd.App)
		o.Data, o.Via, o.IDs, o.Seed, o.Out = w.dir, via, ids, uint64(i), &out
		o.Count, o.Rate, o.Malformed, o.Repeat, o.Settle = 400, 200, 0.05, 0.1, 90*time.Second
		ran := make(chan error, 1)
		go func() { ran <- crowd.Run(context.Background(), o) }()
		acknowledged := func() int { b, _ := os.ReadFile(ids); return bytes.Count(b, []byte("\n")) }
		from := acknowledged()
		w.wait("reports are acknowledged", func() bool { return acknowledged() >= from+50 })
		w.control("cut", map[string][]string{"mode": {"refuse"}})
		w.kill("ward-26704")
		w.wait("reports are acknowledged by the next life of the station", func() bool { return acknowledged() >= from+200 })
		w.control("cut", map[string][]string{"mode": {""}})
		if err := <-ran; err != nil {
			t.Fatalf("%s: %v\n%s", via, err, out.String())
		}
		if end := out.String()[strings.LastIndex(out.String(), "end:"):]; !strings.Contains(end, "unanswered 0 kept 0") || strings.Contains(end, "refused 0") {
			t.Errorf("%s: %s", via, end)
		}
	}
	raw, err := os.ReadFile(ids)
	if err != nil {
		t.Fatal(err)
	}
	acked := strings.Fields(string(raw))
	unique := map[string]bool{}
	for _, id := range acked {
		unique[id] = true
	}
	if len(unique) != len(acked) || len(acked) < 600 {
		t.Fatalf("%d ids, %d of them different", len(acked), len(unique))
	}
	w.once(acked)
}
