package city

import (
	"fmt"
	"slices"

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

func (h *held) usersAtTheStation(base string) {
	for _, c := range asks {
		h.ask(404, base, identity.Administrator, c.method, c.path, c.body)
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
