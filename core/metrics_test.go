package core

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestMetrics_Names_AreThoseOfTheList(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	x.start()
	waitFor(t, "a leader", x.n.raft.IsLeader)
	w := httptest.NewRecorder()
	x.n.metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	doc, err := os.ReadFile("../sync/api/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(pattern, text string) (out []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	got, want := names(`(?m)^(wardline_core_\w+)`, w.Body.String()), names(`\| (wardline_core_\w+)`, string(doc))
	if !slices.Equal(got, want) || len(got) == 0 {
		t.Fatalf("served %v\nlisted %v", got, want)
	}
}
