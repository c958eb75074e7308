package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"wardline/sync/api"
	"wardline/sync/api/contract"
)

func TestRoutes_AndTheDocument_AreTheSame(t *testing.T) {
	o, err := contract.NewOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Config{Metrics: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
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
