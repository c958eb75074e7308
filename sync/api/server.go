package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"golang.org/x/time/rate"

	"wardline/sync/identity"
	"wardline/sync/proxies"
	"wardline/sync/rates"
	"wardline/sync/record"
	"wardline/sync/screens"
	"wardline/sync/streets"
)

// Limits of the interface.
const (
	// maxBody is above a report's own limit, so that a report that is too large
	// is refused by the door, kept raw and counted, and not cut off here.
	maxBody = 256 << 10
	// maxImport is the largest file of ward boundaries; the city's 168 wards in
	// full detail are a few megabytes.
	maxImport = 64 << 20
	// maxLive bounds open live streams: one per browser, a few hundred desks.
	maxLive = 2000
	// maxFollow bounds the questions a second of people without a log-in: a phone asks
	// every ten seconds, and guessing an id of 74 random bits would take for ever.
	maxFollow = 200
	// readTimeout ends a request whose bytes do not come.
	readTimeout = 20 * time.Second
)

// Config joins the interface to a node.
type Config struct {
	Backend   Backend
	Directory *identity.Directory
	Sessions  *identity.Sessions
	Now       func() time.Time
	// Metrics is what /metrics serves, with the interface's own figures; nil: nothing.
	Metrics *prometheus.Registry
	Log     *slog.Logger
	// Proxies stand in front of this node and say from where a request came, and whether over TLS.
	Proxies proxies.List
	// SignOn is the city's OpenID Connect provider; nil: none.
	SignOn SignOn
	// Limits bound the reports of a device and of an address; nil: none.
	Limits *rates.Limits
	// Streets is the tile file beside this node; nil: none.
	Streets *streets.Source
}

// Server answers requests.
type Server struct {
	Config
	mux      *http.ServeMux
	on       []string      // the patterns that are answered
	live     chan struct{} // one token per open stream
	searches chan struct{} // one token per search under way
	tallies  chan struct{} // one token per statistics that is being counted
	tiles    chan struct{} // one token per tile that is being read
	follow   *rate.Limiter // of the questions that anybody may ask
	requests *prometheus.CounterVec
	tries    *identity.Throttle
	screens  *screens.Files
	wards    wardsMap
	doors    *doors
	turned   *prometheus.CounterVec // requests that were refused
	ctx      context.Context
	stop     context.CancelFunc
}

// New makes the interface; Serve starts it.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c, mux: http.NewServeMux(), live: make(chan struct{}, maxLive), searches: make(chan struct{}, maxSearches), tallies: make(chan struct{}, maxTallies), tiles: make(chan struct{}, maxTiles), requests: newRequests(), turned: newRefused(), doors: newDoors(),
		tries: identity.NewThrottle(c.Now), screens: screens.Load(),
		follow: rate.NewLimiter(maxFollow, maxFollow)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.routes()
	return s
}

type handler func(w http.ResponseWriter, r *http.Request) error

// handle answers a route to those whom the table of endpoints admits.
func (s *Server) handle(pattern string, h handler) {
	s.on = append(s.on, pattern)
	admitted := s.admit(identity.Endpoints[pattern], h)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		defer s.mishap(w, r)
		if err := admitted(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) routes() {
	on := s.handle
	on("POST /api/v1/reports", s.postReport)
	on("GET /api/v1/reports/{id}", s.getReport)
	on("POST /api/v1/reports/{id}/messages", s.postMessage)
	on("GET /api/v1/progress/{id}", s.getProgress)
	on("POST /api/v1/devices", s.postDevice)
	on("GET /api/v1/incidents", s.officer(s.listIncidents))
	on("GET /api/v1/incidents/{id}", s.officer(s.getIncident))
	on("POST /api/v1/incidents/{id}/actions", s.officer(s.postAction))
	on("POST /api/v1/incidents/{id}/reporter", s.officer(s.postReporter))
	on("GET /api/v1/statistics", s.officer(s.getStatistics))
	on("GET /api/v1/search", s.officer(s.getSearch))
	on("POST /api/v1/incidents/{id}/erasure", s.officer(s.postErasure))
	on("GET /api/v1/erasures", s.officer(s.getErasures))
	on("GET /api/v1/live", s.officer(s.getLive))
	on("GET /api/v1/alerts", s.getAlerts)
	on("POST /api/v1/alerts", s.officer(s.postAlert))
	on("GET /api/v1/alerts/feed", s.getAlertFeed)
	on("GET /api/v1/alerts/{id}", s.getAlert)
	on("GET /api/v1/broadcasts", s.officer(s.getBroadcasts))
	on("GET /api/v1/points", s.officer(s.getPoints))
	on("POST /api/v1/points", s.officer(s.postPoints))
	on("GET /api/v1/entries", s.officer(s.getEntries))
	on("GET /api/v1/digest", s.officer(s.getDigest))
	on("GET /api/v1/log/key", s.officer(s.getLogKey))
	on("GET /api/v1/log/checkpoint", s.officer(s.getCheckpoint))
	on("GET /api/v1/log/inclusion", s.officer(s.getInclusion))
	on("GET /api/v1/log/consistency", s.officer(s.getConsistency))
	on("GET /api/v1/log/export", s.officer(s.getExport))
	on("GET /api/v1/incidents/{id}/evidence", s.officer(s.getEvidence))
	on("GET /api/v1/stations", s.officer(s.getStations))
	on("GET /api/v1/units", s.officer(s.getUnits))
	on("GET /api/v1/malformed", s.officer(s.getMalformed))
	on("GET /api/v1/rules", s.officer(s.getRules))
	on("POST /api/v1/rules", s.officer(s.postRules))
	on("GET /api/v1/wards", s.officer(s.getWards))
	on("GET /api/v1/tiles", s.officer(s.getTiles))
	on("GET /api/v1/tiles/{version}/{z}/{x}/{y}", s.officer(s.getTile))
	on("GET /api/v1/contacts", s.officer(s.getContacts))
	on("POST /api/v1/wards", s.officer(s.postWards))
	on("POST /api/v1/wards/preview", s.officer(s.postWardsPreview))
	on("POST /api/v1/rules/check", s.officer(s.postRulesCheck))
	on("GET /api/v1/rules/versions", s.officer(s.getRulesVersions))
	on("GET /api/v1/exercises", s.officer(s.getExercises))
	on("POST /api/v1/exercises", s.officer(s.postExercise))
	on("POST /api/v1/exercises/{id}/end", s.officer(s.postExerciseEnd))
	on("GET /api/v1/changes", s.officer(s.getChanges))
	on("GET /api/v1/users", s.officer(s.getUsers))
	on("POST /api/v1/users", s.officer(s.postUser))
	on("PATCH /api/v1/users/{user}", s.officer(s.patchUser))
	on("POST /api/v1/users/{user}/password", s.officer(s.postUserPassword))
	on("POST /api/v1/me/password", s.officer(s.postMyPassword))
	on("GET /api/v1/devices", s.officer(s.getDevices))
	on("PUT /api/v1/devices/{id}", s.officer(s.putDevice))
	on("DELETE /api/v1/devices/{id}", s.officer(s.deleteDevice))
	on("GET /api/v1/machines", s.officer(s.getMachines))
	on("POST /api/v1/machines", s.officer(s.postMachine))
	on("GET /api/v1/me", s.getMe)
	on("POST /api/v1/session", s.postSession)
	on("GET /api/v1/oidc", s.getSignOn)
	on("GET /api/v1/oidc/login", s.beginSignOn)
	on("GET /api/v1/oidc/callback", s.finishSignOn)
	on("DELETE /api/v1/session", s.deleteSession)
	on("GET /api/v1/me/sessions", s.officer(s.getMySessions))
	on("DELETE /api/v1/me/sessions", s.officer(s.deleteSessions))
	on("DELETE /api/v1/me/sessions/{session}", s.officer(s.deleteMySession))
	on("GET /api/v1/users/{user}/sessions", s.officer(s.getUserSessions))
	on("DELETE /api/v1/users/{user}/sessions", s.officer(s.deleteUserSessions))
	on("DELETE /api/v1/users/{user}/sessions/{session}", s.officer(s.deleteUserSession))
	on("GET /healthz", s.healthz)
	on("GET /readyz", s.readyz)
	on("GET /openapi.yaml", s.openapi)
	on("GET /asyncapi.yaml", s.asyncapi)
	on("GET /{$}", s.home)
	for _, name := range screens.Names {
		on("GET /"+name+"/", s.screen)
	}
	on("GET /assets/{file}", s.screen)
	if s.Metrics != nil {
		metrics := s.serveMetrics(s.Metrics)
		on("GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
			metrics.ServeHTTP(w, r)
			return nil
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if allow := s.methods(r); len(allow) > 0 {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			s.fail(w, r, Problem(405, "method-not-allowed", "", "use one of %v", allow))
			return
		}
		s.fail(w, r, Problem(404, "not-found", "", "there is nothing at %s; the interface is described in /openapi.yaml", r.URL.Path))
	})
}

// methods are those that a path answers to.
func (s *Server) methods(r *http.Request) (allow []string) {
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); pattern != "/" {
			allow = append(allow, m)
		}
	}
	return allow
}

// Handler is the interface with its outer checks: cross-origin writes are
// refused by Origin and Sec-Fetch-Site, so that a script with a cookie works.
func (s *Server) Handler() http.Handler {
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, Problem(403, "cross-origin", "", "another site sent this request"))
	}))
	inner := s.count(csrf.Handler(s.mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.doors.asked(r)
		s.Proxies.Locate(r)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		inner.ServeHTTP(w, r)
	})
}

// Serve answers on l until ctx ends, then lets answers under way finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: readTimeout, ReadTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		ConnState: s.doors.state, ConnContext: s.doors.mark}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		s.stop()
		return err
	case <-ctx.Done():
	}
	s.stop() // live streams end first, or Shutdown would wait for them
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(end)
	<-done
	if err != nil {
		return srv.Close()
	}
	return nil
}

// mishap says loudly when a handler panicked, and answers instead of leaving the
// client with a broken connection. A stream whose reader has gone panics on purpose.
func (s *Server) mishap(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.fail(w, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	var ref *record.Refusal
	switch {
	case errors.As(err, &e):
	case errors.As(err, &ref):
		e = Problem(409, ref.Code, ref.Field, "%s", ref.Detail)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = Problem(503, "timeout", "", "not answered in time; send the same again, it will not count twice")
	default:
		s.Log.Error("request failed", "path", r.URL.Path, "err", err)
		e = Problem(500, "internal", "", "this node could not answer; send the same again, it will not count twice")
	}
	s.countRefused(e)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if e.Status == 401 {
		// A browser would ask for a device's password by a dialog of its own.
		scheme := "Basic"
		if r.Header.Get("Sec-Fetch-Mode") != "" {
			scheme = "Session"
		}
		w.Header().Set("WWW-Authenticate", scheme+` realm="wardline", charset="UTF-8"`)
	}
	writeJSON(w, e.Status, "application/problem+json", e)
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = 500, []byte(`{"type":"/problems/internal","title":"Internal Server Error","status":500}`)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client has gone; there is nobody to tell
}

func (s *Server) answer(w http.ResponseWriter, status int, v any) error {
	writeJSON(w, status, "application/json", v)
	return nil
}

func (s *Server) device(r *http.Request) (identity.Device, bool) {
	id, password, ok := r.BasicAuth()
	if !ok {
		return identity.Device{}, false
	}
	return s.Directory.Device(id, password)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return s.answer(w, 200, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := s.Backend.Ready(r.Context()); err != nil {
		return Problem(503, "not-ready", "", "%v", err)
	}
	return s.answer(w, 200, map[string]string{"status": "ready"})
}

// readJSON reads a small request; unknown members are errors, so that a typing
// error does not silently do nothing.
func readJSON(r *http.Request, into any) error {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return Problem(400, "not-read", "", "the request broke off")
	}
	if len(raw) > maxBody {
		return Problem(413, "too-large", "", "at most %d bytes", maxBody)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		e := Problem(400, "not-json", "", "%s", strings.TrimPrefix(err.Error(), "json: "))
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			e.Field, e.Type = te.Field, "/problems/wrong-type"
		} else if json.Unmarshal(raw, into) == nil { // only a name was wrong
			e.Type, e.Detail = "/problems/unknown-field", e.Detail+"; leave it out or correct its name"
			if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok { // the package has no typed error for it
				e.Field = strings.Trim(name, `"`)
			}
		}
		return e
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Problem(400, "not-json", "", "something follows after the JSON object")
	}
	return nil
}

func pathID(r *http.Request) (record.ID, error) {
	id, err := record.ParseID(r.PathValue("id"))
	if err != nil {
		return id, Problem(400, "invalid-id", "id", "%v", err)
	}
	return id, nil
}
