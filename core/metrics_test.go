package core

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/figures/figurestest"
	"wardline/sync/record"
)

func scraped(t *testing.T, url string) string {
	t.Helper()
	a, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(a.Body)
	if cerr := a.Body.Close(); err != nil || cerr != nil || a.StatusCode != 200 {
		t.Fatal(a.Status, err, cerr)
	}
	return string(raw)
}

func TestMetrics_Served_AreThoseOfTheList(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	x.start()
	waitFor(t, "a leader", x.n.raft.IsLeader)
	x.mustReport(1, record.Fire)
	if _, err := x.n.propose(context.Background(), cluster.Routine, fsm.Station("26704")); err != nil {
		t.Fatal(err)
	}
	// 26740 was never said to be a station's, 26707 is one that was never heard.
	if _, err := x.n.propose(context.Background(), cluster.Routine, fsm.Station("26707")); err != nil {
		t.Fatal(err)
	}
	x.n.line.lives.up(record.StationOrigin("26704"), 1)
	x.n.line.lives.up(record.StationOrigin("26740"), 1)
	url := "http://" + x.n.HTTPAddr()
	scraped(t, url) // the first request is counted when it is answered
	said := scraped(t, url)
	figurestest.Same(t, said, "../sync/api/metrics.md", "wardline_core_", "wardline_http_")
	for _, want := range []string{
		`wardline_core_station_up{ward="26704"} 1`, `wardline_core_station_up{ward="26707"} 0`, `wardline_core_station_silence_seconds{ward="26704"}`,
		`wardline_core_outbox_rows{ward="26704"} `, `wardline_core_proposals_total{lane="routine",outcome="committed"} 2`,
		`wardline_core_proposals_total{lane="urgent",outcome="unknown"} `, `wardline_core_apply_seconds_bucket{le="0.001"}`, `wardline_core_apply_seconds_bucket{le="5"}`,
		"wardline_core_missed_deadlines_total 0", `wardline_http_requests_total{method="GET",route="/metrics",status="2xx"} 1`, "go_goroutines ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{"26740", `silence_seconds{ward="26707"}`, "app-1", "auditor"} {
		if strings.Contains(said, never) {
			t.Errorf("%s is there", never)
		}
	}
}
