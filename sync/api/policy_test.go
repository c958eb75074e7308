package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// who may call what, written down a second time: W a ward's officer, P a
// department's, C the command centre's, S a supervisor, A an administrator, U an
// auditor, d a device, n nobody logged in, f an officer who must choose a password first.
var expected = map[string]string{
	"POST /api/v1/reports":                 "WPCSd",
	"GET /api/v1/reports/{id}":             "WPCSUd",
	"POST /api/v1/reports/{id}/messages":   "d",
	"POST /api/v1/devices":                 "WPCSAUdnf",
	"GET /api/v1/progress/{id}":            "WPCSAUdnf",
	"GET /api/v1/incidents":                "WPCSU",
	"GET /api/v1/incidents/{id}":           "WPCSU",
	"POST /api/v1/incidents/{id}/actions":  "WPCS",
	"POST /api/v1/incidents/{id}/reporter": "WPCS",
	"GET /api/v1/statistics":               "WPCSU",
	"GET /api/v1/search":                   "WPCSU",
	"POST /api/v1/incidents/{id}/erasure":  "A",
	"GET /api/v1/erasures":                 "AU",
	"GET /api/v1/live":                     "WPCSU",
	"GET /api/v1/malformed":                "WPCSU",
	"GET /api/v1/alerts":                   "WPCSAUdnf",
	"GET /api/v1/alerts/feed":              "WPCSAUdnf",
	"GET /api/v1/alerts/{id}":              "WPCSAUdnf",
	"POST /api/v1/alerts":                  "WCS",
	"GET /api/v1/broadcasts":               "WPCSAU",
	"GET /api/v1/points":                   "WPCSAU",
	"POST /api/v1/points":                  "A",
	"GET /api/v1/entries":                  "AU",
	"GET /api/v1/digest":                   "AU",
	"GET /api/v1/log/key":                  "AU",
	"GET /api/v1/log/checkpoint":           "AU",
	"GET /api/v1/log/inclusion":            "AU",
	"GET /api/v1/log/consistency":          "AU",
	"GET /api/v1/log/export":               "U",
	"GET /api/v1/incidents/{id}/evidence":  "U",
	"GET /api/v1/stations":                 "WPCSAU",
	"GET /api/v1/units":                    "WPCSAU",
	"GET /api/v1/wards":                    "WPCSAU",
	"GET /api/v1/contacts":                 "WPCSAU",
	"GET /api/v1/tiles":                    "WPCSAU",
	"GET /api/v1/rules":                    "WPCSAU",
	"POST /api/v1/rules":                   "A",
	"POST /api/v1/wards":                   "A",
	"GET /api/v1/users":                    "AU",
	"POST /api/v1/users":                   "A",
	"PATCH /api/v1/users/{user}":           "A",
	"POST /api/v1/users/{user}/password":   "A",
	"GET /api/v1/exercises":                "WPCSAU",
	"POST /api/v1/exercises":               "CS",
	"POST /api/v1/exercises/{id}/end":      "CS",
	"GET /api/v1/changes":                  "AU",
	"GET /api/v1/rules/versions":           "AU",
	"POST /api/v1/rules/check":             "A",
	"POST /api/v1/wards/preview":           "A",
	"GET /api/v1/devices":                  "AU",
	"PUT /api/v1/devices/{id}":             "A",
	"DELETE /api/v1/devices/{id}":          "A",
	"GET /api/v1/machines":                 "AU",
	"POST /api/v1/machines":                "A",
	"POST /api/v1/me/password":             "WPCSAUf",
	"GET /api/v1/me/sessions":              "WPCSAUf",
	"DELETE /api/v1/me/sessions":           "WPCSAUf",
	"DELETE /api/v1/me/sessions/{session}": "WPCSAUf",
	"GET /api/v1/users/{user}/sessions":    "AU",
	"DELETE /api/v1/users/{user}/sessions": "A",

	"DELETE /api/v1/users/{user}/sessions/{session}": "A",
	"GET /api/v1/tiles/{version}/{z}/{x}/{y}":        "WPCSAU",

	"GET /api/v1/me":            "WPCSAUdf",
	"POST /api/v1/session":      "WPCSAUdnf",
	"GET /api/v1/oidc":          "WPCSAUdnf",
	"GET /api/v1/oidc/login":    "WPCSAUdnf",
	"GET /api/v1/oidc/callback": "WPCSAUdnf",
	"DELETE /api/v1/session":    "WPCSAUdnf",
	"GET /healthz":              "WPCSAUdnf",
	"GET /readyz":               "WPCSAUdnf",
	"GET /metrics":              "WPCSAUdnf",
	"GET /openapi.yaml":         "WPCSAUdnf",
	"GET /asyncapi.yaml":        "WPCSAUdnf",
	"GET /{$}":                  "WPCSAUdnf",
	"GET /desk/":                "WPCSAUdnf",
	"GET /command/":             "WPCSAUdnf",
	"GET /citizen/":             "WPCSAUdnf",
	"GET /admin/":               "WPCSAUdnf",
	"GET /assets/{file}":        "WPCSAUdnf",
}

// gate is a server whose routes all lead to one handler that says "in".
type gate struct {
	h       http.Handler
	callers map[string]func(*http.Request)
	dir     *identity.Directory
}

// mustChange is an account whose password somebody else set.
type mustChange struct{}

func (mustChange) Account(user string) (identity.Account, bool, error) {
	return identity.Account{User: "fresh", Role: identity.CommandOfficer, Unit: record.Command, MustChange: true, Index: 1}, user == "fresh", nil
}
func (mustChange) Verifier(identity.Account) (string, error)        { return "", record.ErrSealed }
func (mustChange) OfUnit(record.UnitID) ([]identity.Officer, error) { return nil, nil }
func (mustChange) HasUnit(record.UnitID) (bool, error)              { return false, nil }
func (mustChange) Begun() (bool, error)                             { return false, nil }

func newGate(t *testing.T, patterns []string) *gate {
	t.Helper()
	g := &gate{callers: map[string]func(*http.Request){"n": func(*http.Request) {}}, dir: identity.NewDirectory()}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, g.dir)
	for code, role := range map[string]identity.Role{"W": identity.WardOfficer, "P": identity.DepartmentOfficer, "C": identity.CommandOfficer, "S": identity.Supervisor, "A": identity.Administrator, "U": identity.Auditor} {
		o := identity.Officer{User: strings.ToLower(code), Role: role, Unit: record.Command}
		if err := g.dir.AddOfficer(o, identity.NewSecret()); err != nil {
			t.Fatal(err)
		}
		token := sessions.Start(o)
		g.callers[code] = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "wardline_session", Value: token}) }
	}
	g.dir.UseAccounts(mustChange{})
	fresh := sessions.Start(identity.Officer{User: "fresh"})
	g.callers["f"] = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "wardline_session", Value: fresh}) }
	secret := identity.NewSecret()
	for _, kind := range []string{"app", "camera"} {
		if err := g.dir.AddDevice(identity.Device{ID: kind, Ward: "26704", Kind: kind}, secret); err != nil {
			t.Fatal(err)
		}
	}
	g.callers["d"] = func(r *http.Request) { r.SetBasicAuth("app", secret) }
	g.callers["camera"] = func(r *http.Request) { r.SetBasicAuth("camera", secret) }
	s := api.New(api.Config{Directory: g.dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	g.h = s.Only(patterns, func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write([]byte("in"))
		return err
	})
	return g
}

// passes says whether a caller comes in at a route.
func (g *gate) passes(t *testing.T, caller, pattern string) bool {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.NewReplacer("{$}", "", "{id}", record.ID{1}.String(), "{user}", "lan", "{session}", "1", "{version}", "0", "{z}", "1", "{x}", "0", "{y}", "0").Replace(path)
	r := httptest.NewRequest(method, path, nil)
	g.callers[caller](r)
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	if w.Body.String() == "in" {
		return true
	}
	if w.Code != 401 && w.Code != 403 {
		t.Errorf("%s at %s: %d %s", caller, pattern, w.Code, w.Body)
	}
	return false
}

// TestPolicy_EveryRouteAndEveryCaller_AsWrittenDown walks all routes that the server
// has with every role, a device, a camera and nobody.
func TestPolicy_EveryRouteAndEveryCaller_AsWrittenDown(t *testing.T) {
	all := api.New(api.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}).Patterns()
	g := newGate(t, all)
	for _, pattern := range all {
		want, written := expected[pattern]
		if !written {
			t.Errorf("%s is not written down: who may call it?", pattern)
		}
		for caller := range g.callers {
			may := strings.Contains(want, caller)
			if caller == "camera" {
				may = strings.Contains(want, "n")
			}
			if g.passes(t, caller, pattern) != may {
				t.Errorf("%s, %s: must be %v", pattern, caller, may)
			}
		}
	}
	for pattern := range identity.Endpoints {
		if !slices.Contains(all, pattern) {
			t.Errorf("%s stands in the table and is no route", pattern)
		}
	}
}

func TestPolicy_RouteThatIsNotListed_IsRefusedToAll(t *testing.T) {
	const pattern = "GET /api/v1/not-listed"
	g := newGate(t, []string{pattern})
	for caller := range g.callers {
		if g.passes(t, caller, pattern) {
			t.Errorf("%s came in", caller)
		}
	}
}

// TestPolicy_EveryActionAndEveryRole_AsWrittenDown: over the interface, for the
// officer's own unit and for another.
func TestPolicy_EveryActionAndEveryRole_AsWrittenDown(t *testing.T) {
	mayAct := map[identity.Role]bool{identity.WardOfficer: true, identity.DepartmentOfficer: true, identity.CommandOfficer: true, identity.Supervisor: true}
	for k := record.Kind(0); k < 255; k++ {
		if !k.Valid() {
			continue
		}
		for _, role := range identity.Roles {
			for _, unit := range []record.UnitID{record.Command, "PC07", "ward/26704"} {
				o := identity.Officer{User: "x", Role: role, Unit: unit}
				want := mayAct[role] && k.Action() && (k != record.KindRedact || role == identity.CommandOfficer || role == identity.Supervisor)
				if o.MayAct(k, "") != want || o.MayAct(k, unit) != want {
					t.Errorf("%s by a %s of %s: must be %v", k, role, unit, want)
				}
				others := want && (role == identity.CommandOfficer || role == identity.Supervisor && unit == record.Command)
				if o.MayAct(k, "PC08") != others {
					t.Errorf("%s by a %s of %s for another unit: must be %v", k, role, unit, others)
				}
			}
		}
	}
}

// scoped is a node with one incident, which ward/26704 leads and PC07 was told of.
type scoped struct {
	desk
}

func (s *scoped) Bodies(ctx context.Context, id record.ID) ([]api.Stored, error) {
	if id != (record.ID{1}) {
		return nil, nil
	}
	return s.desk.Bodies(ctx, id)
}

// TestScope_OfficersOfUnitsThatWereNotTold_SeeNothing: neither by reading nor by acting.
func TestScope_OfficersOfUnitsThatWereNotTold_SeeNothing(t *testing.T) {
	routed := record.Body{ID: record.ID{3}, Incident: record.ID{1}, Kind: record.KindRouted, Origin: record.CoreOrigin,
		Payload: record.Payload{Lead: "ward/26704", Told: []record.UnitID{"ward/26704", "PC07", record.Command}}}
	for _, c := range []struct {
		role identity.Role
		unit record.UnitID
		sees bool
	}{
		{identity.WardOfficer, "ward/26704", true}, {identity.WardOfficer, "ward/27031", false},
		{identity.DepartmentOfficer, "PC07", true}, {identity.DepartmentOfficer, "PC08", false},
		{identity.Supervisor, "ward/26704", true}, {identity.Supervisor, "ward/27031", false}, {identity.Supervisor, record.Command, true},
		{identity.CommandOfficer, record.Command, true}, {identity.Auditor, record.Command, true}, {identity.Administrator, record.Command, false},
	} {
		t.Run(fmt.Sprintf("%s of %s", c.role, c.unit), func(t *testing.T) {
			d := &scoped{desk{bodies: []record.Body{fire, routed}}}
			dir := identity.NewDirectory()
			o := identity.Officer{User: "x", Role: c.role, Unit: c.unit}
			if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
				t.Fatal(err)
			}
			sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
			s := api.New(api.Config{Backend: d, Directory: dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
			ask := func(method, path, body string) int {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.AddCookie(&http.Cookie{Name: "wardline_session", Value: sessions.Start(o)})
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, r)
				var p struct{ Detail string }
				if w.Code >= 400 && (json.Unmarshal(w.Body.Bytes(), &p) != nil || bytes.Contains(w.Body.Bytes(), []byte("ward/26704")) && c.unit != "ward/26704") {
					t.Errorf("%s %s: %s", method, path, w.Body)
				}
				return w.Code
			}
			id := record.ID{1}.String()
			for _, path := range []string{"/api/v1/incidents/" + id, "/api/v1/reports/" + id} {
				if got := ask("GET", path, ""); (got == 200) != c.sees {
					t.Errorf("%s: %d", path, got)
				}
			}
			acts := c.sees && c.role != identity.Auditor
			if got := ask("POST", "/api/v1/incidents/"+id+"/actions", `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","action":"claim"}`); (got == 200) != acts {
				t.Errorf("claim: %d", got)
			}
			if (len(d.acted) > 0) != acts {
				t.Errorf("acted: %v", d.acted)
			}
		})
	}
}
