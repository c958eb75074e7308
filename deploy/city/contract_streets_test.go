package city

import (
	"net/http"

	"wardline/sync/identity"
)

// streets are there for every desk, at the station and at the core: what the file has,
// what it has not, and what is unchanged.
func (h *held) streets(base string) {
	var info struct{ State, Version string }
	h.into(h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/tiles", ""), &info)
	if info.State != "ready" {
		h.t.Fatalf("%+v", info)
	}
	at := "/api/v1/tiles/" + info.Version
	a := h.ask(200, base, identity.Administrator, "GET", at+"/10/816/481", "")
	h.ask(304, base, identity.Administrator, "GET", at+"/10/816/481", "", func(r *http.Request) { r.Header.Set("If-None-Match", a.header.Get("ETag")) })
	h.ask(204, base, identity.WardOfficer, "GET", at+"/10/1/1", "")
	h.ask(204, base, identity.WardOfficer, "GET", at+"/22/1/1", "")
	for _, place := range []string{"/x/1/1", "/1/x/1", "/1/1/x", "/1/1/-1", "/300/1/1"} {
		h.ask(400, base, identity.WardOfficer, "GET", at+place, "")
	}
	h.ask(404, base, identity.WardOfficer, "GET", "/api/v1/tiles/0/10/816/481", "")
	h.ask(401, base, "", "GET", "/api/v1/tiles", "")
	h.ask(401, base, "", "GET", at+"/10/816/481", "")
}
