package api

// Patterns are the routes that the server answers, "GET /healthz".
func (s *Server) Patterns() []string { return s.on }

// Of the live stream, for tests.
const (
	Heartbeat = heartbeat
	MaxReplay = maxReplay
)
