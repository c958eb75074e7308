package figures

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func TestRegistry_Scrape_ReadsOnceAndGivesEveryFigure(t *testing.T) {
	reads := 0
	took := Times("x_seconds", "How long.")
	Observe(took, 3*time.Millisecond)
	r := Registry(func() int { reads++; return 7 }, []Figure[int]{
		Gauge("x_now", "Now.", func(n int) float64 { return float64(n) }),
		Counter("x_total", "Ever.", func(int) float64 { return Flag(true) }),
		Gauges("x_by", "By line.", func(n int, emit Emit) { emit(1, "a"); emit(float64(n), "b") }, "line"),
		Counters("x_by_total", "By line, ever.", func(_ int, emit Emit) { emit(2, "a") }, "line"),
	}, took)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"x_now 7", "x_total 1", `x_by{line="a"} 1`, `x_by{line="b"} 7`, `x_by_total{line="a"} 2`,
		`x_seconds_bucket{le="0.005"} 1`, `x_seconds_bucket{le="0.002"} 0`, "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times for one scrape", reads)
	}
}
