package api_test

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/sync/api"
	"wardline/sync/api/contract"
	"wardline/sync/identity"
)

func TestRoutes_AndTheDocument_AreTheSame(t *testing.T) {
	o, err := contract.NewOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	var routes []string
	for _, p := range s.Patterns() {
		routes = append(routes, strings.TrimSuffix(p, "{$}"))
	}
	slices.Sort(routes)
	if ops := o.Operations(); !slices.Equal(routes, ops) {
		t.Errorf("answered:\n%s\ndescribed:\n%s", strings.Join(routes, "\n"), strings.Join(ops, "\n"))
	}
}

func TestRoutes_WrongMethodOrPath_SaysSo(t *testing.T) {
	s := api.New(api.Config{Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"PUT", "/api/v1/reports", "POST", 405},
		{"POST", "/api/v1/incidents", "GET, HEAD", 405},
		{"GET", "/api/v1/session", "POST, DELETE", 405},
		{"PATCH", "/", "GET, HEAD", 405},
		{"GET", "/api/v2/reports", "", 404},
		{"GET", "/metrics", "", 404}, // this server has none
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || w.Header().Get("Allow") != c.allow || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d, allow %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestMetrics_Requests_CountByRouteAndNotByWhatIsAsked(t *testing.T) {
	s := api.New(api.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Directory: identity.NewDirectory()})
	h := s.Handler()
	do := func(method, path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Body.String()
	}
	for range 2 {
		do("GET", "/healthz")
		do("GET", "/api/v1/incidents/018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")
		do("GET", "/nobody/knows/this-path")
		do("BREW", "/healthz")
	}
	said := do("GET", "/metrics")
	for _, want := range []string{
		`wardline_http_requests_total{method="GET",route="/healthz",status="2xx"} 2`,
		`wardline_http_requests_total{method="GET",route="/api/v1/incidents/{id}",status="4xx"} 2`,
		`wardline_http_requests_total{method="GET",route="none",status="4xx"} 2`,
		`wardline_http_requests_total{method="other",route="none",status="4xx"} 2`,
		"wardline_http_live_streams 0",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s in\n%s", want, said)
		}
	}
	for _, never := range []string{"018f3c1e", "this-path", "BREW"} {
		if strings.Contains(said, never) {
			t.Errorf("%s became a label", never)
		}
	}
}
