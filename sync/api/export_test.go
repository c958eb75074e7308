package api

import "net/http"

// Patterns are the routes that the server answers, "GET /healthz".
func (s *Server) Patterns() []string { return s.on }

// Of the live stream, for tests.
const (
	Heartbeat = heartbeat
	MaxReplay = maxReplay
)

// Only is a server's interface with these routes, which all lead to h.
func (s *Server) Only(patterns []string, h func(http.ResponseWriter, *http.Request) error) http.Handler {
	only := New(s.Config)
	only.mux, only.on = http.NewServeMux(), nil
	for _, p := range patterns {
		only.handle(p, h)
	}
	return only.Handler()
}
