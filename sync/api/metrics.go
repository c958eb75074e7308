package api

import (
	"net/http"
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

// serveMetrics answers /metrics from the node's registry with the interface's own figures.
func (s *Server) serveMetrics(r *prometheus.Registry) http.Handler {
	list := []figures.Figure[*Server]{
		figures.Gauge("wardline_http_live_streams", "Open live streams.", func(s *Server) float64 { return float64(len(s.live)) }),
	}
	r.MustRegister(s.requests, figures.Collector(func() *Server { return s }, list))
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
