package edge

import (
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wardline/edge/bridge"
	"wardline/edge/intake"
	"wardline/hardware/panel"
	"wardline/sync/figures/figurestest"
)

func TestMetrics_Served_AreThoseOfTheList(t *testing.T) {
	c := testConfig(t.TempDir())
	c.MQTT = "127.0.0.1:0"
	c.Panels = []Panel{{Device: "panel-1", Protocol: panel.SurGard, Port: filepath.Join(t.TempDir(), "no-adapter")}}
	c.Bridges = []bridge.Config{{Name: "hall", URL: "tcp://127.0.0.1:1"}}
	s := startStation(t, c)
	scrape := func() string {
		a, err := http.Get("http://" + s.HTTPAddr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(a.Body)
		if cerr := a.Body.Close(); err != nil || cerr != nil || a.StatusCode != 200 {
			t.Fatal(a.Status, err, cerr)
		}
		return string(raw)
	}
	scrape() // the first request is counted when it is answered
	_, raw := newReport("fire")
	for _, body := range [][]byte{raw, raw, []byte("{")} {
		done := make(chan error, 1)
		s.door.Report(intake.Source{Device: "app-1", Ward: "26704", Kind: "app", Via: "http"}, body, func(_ intake.Answer, err error) { done <- err })
		<-done
	}
	said := scrape()
	figurestest.Same(t, said, "../sync/api/metrics.md", "wardline_edge_", "wardline_http_")
	for _, want := range []string{
		`wardline_edge_intake_total{outcome="report"} 1`, `wardline_edge_intake_total{outcome="repeat"} 1`, `wardline_edge_intake_total{outcome="malformed"} 1`,
		"wardline_edge_quarantined_total 1", "wardline_edge_repeats_total 1", `wardline_edge_room{for="all"} 1`, `wardline_edge_room{for="none"} 0`,
		`wardline_edge_line_lag{lane="urgent"} `, `wardline_edge_line_lag{lane="routine"} 0`, "wardline_edge_line_up 0", "wardline_edge_downlink_cursor 0",
		`wardline_edge_panel_open{device="panel-1"} 0`, `wardline_edge_panel_silent{device="panel-1"} `, `wardline_edge_bridge_up{bridge="hall"} 0`,
		`wardline_edge_bridge_messages_total{bridge="hall",outcome="kept"} 0`, `wardline_edge_commit_seconds_bucket{le="0.001"}`,
		`wardline_edge_append_seconds_bucket{le="5"}`, "wardline_edge_mqtt_connections 0", "wardline_edge_entries_total ", "go_goroutines ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s", want)
		}
	}
	if m := regexp.MustCompile(`(?m)^wardline_edge_append_seconds_count (\d+)`).FindStringSubmatch(said); m == nil || m[1] == "0" {
		t.Errorf("appends are not timed: %v", m)
	}
	for _, never := range []string{"app-1", "command", "cháy"} {
		if strings.Contains(said, never) {
			t.Errorf("%s is there", never)
		}
	}
}
