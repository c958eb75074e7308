package city

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"wardline/sync/identity"
	"wardline/sync/screens"
)

type listed struct {
	Items []struct {
		ID, Status, Received_at string
		Units                   []string
	}
	Next *string
}

func (h *held) lists(base string) {
	t := h.t
	var ids []string
	for range 5 {
		ids = append(ids, h.routed(base))
	}
	list := func(query string) (l listed) {
		t.Helper()
		h.into(h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents"+query, ""), &l)
		return l
	}
	has := func(l listed, id string) bool {
		return slices.ContainsFunc(l.Items, func(x struct {
			ID, Status, Received_at string
			Units                   []string
		}) bool {
			return x.ID == id
		})
	}
	var paged []string
	for cursor := ""; ; {
		l := list("?limit=2" + cursor)
		if len(l.Items) > 2 {
			t.Fatalf("%d items on a page of 2", len(l.Items))
		}
		for _, x := range l.Items {
			paged = append(paged, x.ID)
		}
		if l.Next == nil {
			break
		}
		cursor = "&cursor=" + *l.Next
	}
	all := list("?limit=5000")
	if len(all.Items) != len(paged) || all.Next != nil {
		t.Errorf("%d at once, %d by pages", len(all.Items), len(paged))
	}
	for i, x := range all.Items {
		if x.ID != paged[i] || (i > 0 && all.Items[i-1].Received_at < x.Received_at) {
			t.Errorf("item %d: %+v; by pages %s", i, x, paged[i])
		}
	}
	claimed := ids[2]
	h.ask(200, base, identity.WardOfficer, "POST", "/api/v1/incidents/"+claimed+"/actions", `{"id":"`+newID()+`","action":"claim"}`)
	if l := list("?status=claimed"); !has(l, claimed) || has(l, ids[0]) {
		t.Errorf("claimed: %+v", l)
	}
	if l := list("?status=received&limit=1000"); has(l, claimed) || !has(l, ids[0]) {
		t.Errorf("received: %+v", l)
	}
	if l := list("?status=open&ward=" + string(Ward)); !has(l, claimed) {
		t.Errorf("open in the ward: %+v", l)
	}
	if l := list("?ward=26740"); has(l, claimed) {
		t.Errorf("another ward: %+v", l)
	}
	at := ""
	for _, x := range all.Items {
		if x.ID == ids[3] {
			at = x.Received_at
		}
	}
	if l := list("?since=" + at); !has(l, ids[3]) || !has(l, ids[4]) || has(l, ids[0]) {
		t.Errorf("since %s: %+v", at, l)
	}
	if l := list("?since=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339)); len(l.Items) != 0 || l.Next != nil {
		t.Errorf("since an hour ahead: %+v", l)
	}
	for _, q := range []string{"status=gone", "ward=1", "since=yesterday", "limit=0", "limit=x", "cursor=7", "cursor=!"} {
		var p struct{ Field string }
		if h.into(h.ask(400, base, identity.CommandOfficer, "GET", "/api/v1/incidents?"+q, ""), &p); !strings.HasPrefix(q, p.Field+"=") || p.Field == "" {
			t.Errorf("%s: field %q", q, p.Field)
		}
	}
	h.ask(401, base, "", "GET", "/api/v1/incidents", "")
	h.ask(401, base, "", "GET", "/api/v1/incidents", "", h.asDevice)
	h.ask(403, base, identity.Administrator, "GET", "/api/v1/incidents", "")
	h.ask(400, base, identity.WardOfficer, "GET", "/api/v1/live", "", func(r *http.Request) { r.Header.Set("Last-Event-ID", "x") })
	h.ask(401, base, "", "GET", "/api/v1/live", "")
	if err := h.doc.Response("GET", "/api/v1/live", 200, h.follow(base, identity.WardOfficer, "0").header, []byte("event: ")); err != nil {
		t.Error(err)
	}
	h.ask(403, base, identity.Administrator, "GET", "/api/v1/live", "")
}

func (h *held) small(base string) {
	for _, p := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml", "/asyncapi.yaml"} {
		h.ask(200, base, "", "GET", p, "")
	}
	status, missing := 200, 404
	if !screens.Load().Built() {
		status, missing = 503, 503
	}
	h.ask(status, base, "", "GET", "/", "")
	for _, name := range screens.Names {
		h.ask(status, base, "", "GET", "/"+name+"/", "")
	}
	h.ask(missing, base, "", "GET", "/assets/nothing.js", "")
	first := h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/wards", "")
	h.ask(304, base, identity.WardOfficer, "GET", "/api/v1/wards", "", func(r *http.Request) { r.Header.Set("If-None-Match", first.header.Get("ETag")) })
	for _, p := range []string{"/api/v1/stations", "/api/v1/units", "/api/v1/rules", "/api/v1/contacts", "/api/v1/wards"} {
		h.ask(200, base, identity.WardOfficer, "GET", p, "")
		h.ask(401, base, "", "GET", p, "")
	}
	h.device(400, base, `{"id":"x"}`)
	h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/malformed?limit=3", "")
	h.ask(400, base, identity.WardOfficer, "GET", "/api/v1/malformed?limit=-1", "")
	h.ask(401, base, "", "GET", "/api/v1/malformed", "")
	h.ask(403, base, identity.Administrator, "GET", "/api/v1/malformed", "")
	h.ask(200, base, identity.Auditor, "GET", "/api/v1/me", "")
	h.ask(200, base, "", "GET", "/api/v1/me", "", h.asDevice)
	if a := h.ask(401, base, "", "GET", "/api/v1/me", ""); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
		h.t.Errorf("%v", a.header)
	}
	browser := func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") }
	if a := h.ask(401, base, "", "GET", "/api/v1/me", "", browser); strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
		h.t.Error("a browser would open its own dialog")
	}
	h.ask(403, base, "", "POST", "/api/v1/session", `{"user":"ward","password":"wrong"}`)
	h.ask(400, base, "", "POST", "/api/v1/session", `{"name":"ward"}`)
	h.ask(413, base, "", "POST", "/api/v1/session", `{"user":"`+strings.Repeat("x", 300_000)+`"}`)
	h.ask(204, base, "", "DELETE", "/api/v1/session", "")
	h.ask(403, base, "", "DELETE", "/api/v1/session", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	h.wait("guesses are slowed", func() bool { // the pause doubles; a slow machine outlives the first ones
		return h.call(nil, "POST", base+"/api/v1/session", []byte(`{"user":"nobody.there","password":"guess"}`)).status == 429
	})
	if a := h.ask(429, base, "", "POST", "/api/v1/session", `{"user":"nobody.there","password":"guess"}`); a.header.Get("Retry-After") == "" {
		h.t.Error("no Retry-After")
	}
	h.ask(401, base, "", "DELETE", "/api/v1/me/sessions", "")
	every := h.login(base, identity.Auditor)
	h.overEverywhere(base, identity.Auditor, func() {
		if a := h.call(every, "DELETE", base+"/api/v1/me/sessions", nil); a.status != 204 || h.doc.Response("DELETE", "/api/v1/me/sessions", a.status, a.header, a.body) != nil {
			h.t.Errorf("ending every session: %d %s", a.status, a.body)
		}
	})
	gone := h.login(base, identity.Auditor)
	for _, o := range h.officers {
		if o.Role == identity.DepartmentOfficer && base == h.stationURL() { // a department's desk stands at the core
			h.ask(403, base, "", "POST", "/api/v1/session", fmt.Sprintf(`{"user":%q,"password":%q}`, o.User, o.Password))
			continue
		}
		h.ask(200, base, "", "POST", "/api/v1/session", fmt.Sprintf(`{"user":%q,"password":%q}`, o.User, o.Password))
	}
	if a := h.call(gone, "DELETE", base+"/api/v1/session", nil); a.status != 204 {
		h.t.Errorf("log-out: %d", a.status)
	}
	if a := h.call(gone, "GET", base+"/api/v1/me", nil); a.status != 401 {
		h.t.Errorf("after the log-out: %d", a.status)
	}
	h.ask(403, base, identity.WardOfficer, "GET", "/api/v1/entries", "")
	h.ask(401, base, "", "GET", "/api/v1/entries", "")
	h.ask(403, base, identity.WardOfficer, "GET", "/api/v1/digest", "")
	h.ask(401, base, "", "GET", "/api/v1/digest", "")
	h.administrationAtAny(base)
	for _, x := range [][2]string{{"PUT", "/api/v1/devices/kiosk-7"}, {"DELETE", "/api/v1/devices/kiosk-7"}} {
		h.ask(403, base, identity.Auditor, x[0], x[1], "{}")
		h.ask(401, base, "", x[0], x[1], "{}")
		if base == h.stationURL() {
			h.ask(404, base, identity.Administrator, x[0], x[1], "{}")
		}
	}
	for _, p := range []string{"/api/v1/wards", "/api/v1/rules", "/api/v1/machines"} {
		h.ask(403, base, identity.WardOfficer, "POST", p, "{}")
		h.ask(401, base, "", "POST", p, "{}")
	}
	if base == h.stationURL() {
		h.ask(404, base, identity.Auditor, "GET", "/api/v1/entries", "")
		h.ask(404, base, identity.Auditor, "GET", "/api/v1/digest", "")
		h.ask(404, base, identity.Administrator, "GET", "/api/v1/machines", "")
		h.ask(404, base, identity.Administrator, "POST", "/api/v1/machines", "{}")
		h.ask(404, base, identity.Administrator, "POST", "/api/v1/wards", "{}")
		h.ask(404, base, identity.Administrator, "POST", "/api/v1/rules", "{}")
		h.usersAtTheStation(base)
		h.erasuresAtTheStation(base)
	}
}
