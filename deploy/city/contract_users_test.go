package city

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"wardline/sync/identity"
)

// asks are the calls about accounts, with a body that fits.
var asks = []struct{ method, path, body string }{
	{"GET", "/api/v1/users", ""},
	{"POST", "/api/v1/users", `{"user":"tester","role":"auditor","unit":"command","reason":"test"}`},
	{"PATCH", "/api/v1/users/nobody", `{"disabled":true,"reason":"test"}`},
	{"POST", "/api/v1/users/nobody/password", `{"reason":"test"}`},
	{"POST", "/api/v1/me/password", `{"old":"a password of a kind","new":"another one of a kind"}`},
}

// sessions provokes the answers about sessions, which a station has as well.
func (h *held) sessions(base string) {
	const admin = identity.Administrator
	const mine, none = "/api/v1/me/sessions", "/00000000000000000000000000000000"
	for _, p := range []string{"/api/v1/oidc", "/api/v1/oidc/login", "/api/v1/oidc/callback"} { // with a provider: oidc_test.go
		h.ask(404, base, "", "GET", p, "")
	}
	h.ask(401, base, "", "GET", mine, "")
	h.ask(401, base, "", "DELETE", mine, "")
	h.ask(401, base, "", "DELETE", mine+none, "")
	h.ask(400, base, admin, "DELETE", mine+"/first", "")
	h.ask(404, base, admin, "DELETE", mine+none, "")
	for _, p := range []string{"/api/v1/users/supervisor/sessions", "/api/v1/users/supervisor/sessions" + none} {
		for _, m := range []string{"GET", "DELETE"} {
			if m == "DELETE" || !strings.HasSuffix(p, none) {
				h.ask(401, base, "", m, p, "")
				h.ask(403, base, identity.Supervisor, m, p, "")
				h.ask(404, base, admin, m, strings.Replace(p, "supervisor", "nobody", 1), "")
			}
		}
	}
	h.ask(400, base, admin, "DELETE", "/api/v1/users/supervisor/sessions/first", "")
	list := func(path string) (ids []string) {
		var l struct{ Items []struct{ ID string } }
		h.into(h.ask(200, base, admin, "GET", path, ""), &l)
		for _, x := range l.Items {
			ids = append(ids, x.ID)
		}
		return ids
	}
	if len(list(mine)) == 0 {
		h.t.Error("the session that asks is not listed")
	}
	was := h.who[base+string(identity.Supervisor)]
	for _, id := range list("/api/v1/users/supervisor/sessions") {
		h.ask(204, base, admin, "DELETE", "/api/v1/users/supervisor/sessions/"+id, "")
	}
	if a := h.call(was, "GET", base+"/api/v1/me", nil); a.status != 401 {
		h.t.Errorf("a session that the administrator ended: %d", a.status)
	}
	again := h.login(base, identity.Supervisor)
	h.who[base+string(identity.Supervisor)] = again
	var l struct {
		Items []struct {
			ID   string
			This bool
		}
	}
	h.into(h.call(again, "GET", base+mine, nil), &l)
	if len(l.Items) == 0 || !l.Items[0].This {
		h.t.Errorf("%+v", l)
	} else {
		h.ask(204, base, identity.Supervisor, "DELETE", mine+"/"+l.Items[0].ID, "")
	}
	h.who[base+string(identity.Supervisor)] = h.login(base, identity.Supervisor)
	h.overEverywhere(base, identity.Supervisor, func() { h.ask(204, base, admin, "DELETE", "/api/v1/users/supervisor/sessions", "") })
}

// overEverywhere runs what ends all sessions of an account at a place: those of the place
// are over at once, and what the core ends is over at the station when it hears.
func (h *held) overEverywhere(base string, role identity.Role, end func()) {
	h.t.Helper()
	places := []string{base}
	if base != h.stationURL() {
		places = append(places, h.stationURL(), h.coreURL(1))
	}
	var all []*http.Client
	for _, p := range places {
		all = append(all, h.login(p, role))
	}
	end()
	if a := h.call(all[0], "GET", base+"/api/v1/me", nil); a.status != 401 {
		h.t.Errorf("all sessions were ended, and one goes on: %d", a.status)
	}
	for i, p := range places {
		h.wait("the sessions are over at "+p, func() bool { return h.call(all[i], "GET", p+"/api/v1/me", nil).status == 401 })
		delete(h.who, p+string(role))
	}
	for i := range h.cores {
		delete(h.who, h.coreURL(i)+string(role))
	}
}

func (h *held) usersAtTheStation(base string) {
	for _, c := range asks {
		want := 404
		if c.path == "/api/v1/me/password" { // a station takes those of its ward's officers
			want = 403
		}
		h.ask(want, base, identity.Administrator, c.method, c.path, c.body)
	}
}

// users provokes the answers about accounts at the core.
func (h *held) users() {
	t, base := h.t, h.coreURL(1)
	const admin = identity.Administrator
	for _, c := range asks {
		h.ask(401, base, "", c.method, c.path, c.body)
		if c.path != "/api/v1/me/password" {
			h.ask(403, base, identity.Supervisor, c.method, c.path, c.body)
		}
	}
	h.ask(404, base, admin, "PATCH", "/api/v1/users/nobody", `{"disabled":true,"reason":"test"}`)
	h.ask(404, base, admin, "POST", "/api/v1/users/nobody/password", `{"reason":"test"}`)
	for body, field := range map[string]string{
		`{"user":"An","role":"auditor","unit":"command"}`:                                           "reason",
		`{"user":"an nguyen","role":"auditor","unit":"command","reason":"test"}`:                    "user",
		`{"user":"an.nguyen","role":"king","unit":"command","reason":"test"}`:                       "role",
		`{"user":"an.nguyen","role":"ward_officer","unit":"command","reason":"test"}`:               "unit",
		`{"user":"an.nguyen","role":"auditor","unit":"command","password":"short","reason":"test"}`: "password",
		`{"user":"an.nguyen","unit":"command","reason":"test"}`:                                     "role",
		`{"user":"an.nguyen","role":"auditor","unit":"command","reason":"test","disabled":true}`:    "role",
	} {
		var p struct{ Field string }
		if h.into(h.ask(400, base, admin, "POST", "/api/v1/users", body), &p); p.Field != field {
			t.Errorf("%s: %s", body, p.Field)
		}
	}
	h.ask(409, base, admin, "PATCH", "/api/v1/users/administrator", `{"disabled":true,"reason":"the last administrator"}`)
	var made accountReply
	h.into(h.ask(201, base, admin, "POST", "/api/v1/users", `{"user":"An.Nguyen","role":"administrator","unit":"command","reason":"test"}`), &made)
	if made.User != "an.nguyen" || !made.MustChange || made.Password == "" {
		t.Errorf("%+v", made)
	}
	h.ask(409, base, admin, "POST", "/api/v1/users", `{"user":"an.nguyen","role":"auditor","unit":"command","reason":"test"}`)
	h.ask(400, base, admin, "PATCH", "/api/v1/users/an.nguyen", `{"password":"bốn con mèo ngồi","reason":"test"}`)
	h.ask(400, base, admin, "POST", "/api/v1/users/an.nguyen/password", `{"role":"auditor","reason":"test"}`)
	h.ask(201, base, admin, "POST", "/api/v1/users", `{"user":"tester","role":"supervisor","unit":"PC07","reason":"test"}`)
	h.ask(200, base, admin, "PATCH", "/api/v1/users/tester", `{"unit":"ward/26704","disabled":true,"reason":"test"}`)
	h.ask(400, base, admin, "PATCH", "/api/v1/users/tester", `{"disabled":false,"reason":"with the old password"}`)
	var list struct{ Items []accountReply }
	if h.into(h.ask(200, base, admin, "GET", "/api/v1/users", ""), &list); !slices.ContainsFunc(list.Items, func(a accountReply) bool {
		return a.User == "an.nguyen" && a.By == "administrator" && a.Password == "" && a.Reason == "test"
	}) {
		t.Errorf("%+v", list)
	}
	var again accountReply
	h.into(h.ask(200, base, admin, "POST", "/api/v1/users/an.nguyen/password", `{"reason":"forgotten"}`), &again)
	c, status := h.try(base, "an.nguyen", again.Password)
	if status != 200 {
		t.Fatalf("the new password: %d", status)
	}
	mine := func(want int, body string) {
		t.Helper()
		a := h.call(c, "POST", base+"/api/v1/me/password", []byte(body))
		if err := h.doc.Response("POST", a.req.URL.Path, a.status, a.header, a.body); a.status != want || err != nil {
			t.Errorf("%s: %d %s %v", body, a.status, a.body, err)
		}
	}
	if a := h.call(c, "GET", base+"/api/v1/users", nil); a.status != 403 {
		t.Errorf("with a password of somebody else: %d", a.status)
	}
	mine(403, `{"old":"wrong, wrong, wrong","new":"bốn con mèo ngồi"}`)
	mine(400, fmt.Sprintf(`{"old":%q,"new":"short"}`, again.Password))
	mine(204, fmt.Sprintf(`{"old":%q,"new":"bốn con mèo ngồi"}`, again.Password))
	h.ask(200, base, "", "POST", "/api/v1/session", `{"user":"an.nguyen","password":"bốn con mèo ngồi"}`)
}
