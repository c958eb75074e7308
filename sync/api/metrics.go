package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wardline/sync/figures"
)

// newRequests counts what was asked, by the pattern of the route, so that neither an
// id nor what a stranger types becomes a label.
func newRequests() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "wardline_http_requests_total",
		Help: "Answers by route, method and class of the status; a live stream counts when it begins."}, []string{"route", "method", "status"})
}

// refusals are why a request can be refused, the kinds of problems that say so. What is
// not among them, such as a field that is wrong, is counted by its status alone.
var refusals = []string{"not-logged-in", "unknown-device", "wrong-password", "too-many-tries", "not-allowed", "must-change", "not-here", "cross-origin", "too-large", "too-many", "too-many-streams", "busy", "not-found", "method-not-allowed",
	"sign-on-refused", "sign-on-later", "sign-on-no-account"}

// newRefused counts what was refused; each reason is there from the start.
func newRefused() *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "wardline_http_refused_total", Help: "Requests that were refused, by why."}, []string{"reason"})
	for _, r := range refusals {
		c.WithLabelValues(r)
	}
	return c
}

func (s *Server) countRefused(e *Error) {
	if r := strings.TrimPrefix(e.Type, "/problems/"); slices.Contains(refusals, r) {
		s.turned.WithLabelValues(r).Inc()
	}
}

// serveMetrics answers /metrics from the node's registry with the interface's own figures.
func (s *Server) serveMetrics(r *prometheus.Registry) http.Handler {
	list := []figures.Figure[*Server]{
		figures.Gauge("wardline_http_live_streams", "Open live streams.", func(s *Server) float64 { return float64(len(s.live)) }),
		figures.Gauge("wardline_http_connections", "Open connections of the interface, half-open ones with them.", func(s *Server) float64 { n, _, _ := s.doors.count(); return float64(n) }),
		figures.Gauge("wardline_http_half_open", "Connections that have not sent a request yet.", func(s *Server) float64 { _, n, _ := s.doors.count(); return float64(n) }),
		figures.Counters("wardline_http_ended_total", "Connections that were closed for newer ones: half-open ones, idle ones, and new ones when all are busy.", func(s *Server, emit figures.Emit) {
			_, _, n := s.doors.count()
			for i, why := range endingNames {
				emit(float64(n[i]), why)
			}
		}, "why"),
	}
	r.MustRegister(s.requests, s.turned, figures.Collector(func() *Server { return s }, list))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// labelled are the methods that may stand in a label; any other counts as "other".
var labelled = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// counted notes the class of an answer's status when it begins.
type counted struct {
	http.ResponseWriter
	note func(status int) // nil once it was called
}

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(status int) {
	if status >= 200 { // not 103 and its like, which an answer follows
		c.done(status)
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counted) Write(b []byte) (int, error) {
	c.done(200)
	return c.ResponseWriter.Write(b)
}

func (c *counted) done(status int) {
	if c.note != nil {
		c.note(status)
		c.note = nil
	}
}

// Unwrap gives deadlines and flushing to http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// count lets next answer and counts the answer.
func (s *Server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, note: func(status int) {
			_, route, found := strings.Cut(r.Pattern, " ") // set by the mux
			if !found {
				route = "none"
			}
			method := r.Method
			if !labelled[method] {
				method = "other"
			}
			s.requests.WithLabelValues(route, method, string(rune('0'+status/100))+"xx").Inc()
		}}
		next.ServeHTTP(c, r)
		c.done(200) // nothing was written: an empty answer
	})
}
