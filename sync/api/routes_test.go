package api_test

import (
	"log/slog"
	"net/http"
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
