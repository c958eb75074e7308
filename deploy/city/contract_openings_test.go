package city

import "wardline/sync/identity"

// openings provokes the answers about who reported.
func (h *held) openings(base string) {
	id := h.report(base, here+`,"text":"cháy","reporter":{"name":"An","phone":"0909"}`)
	nameless := h.report(base, here+`,"text":"cháy","reporter":{"anonymous":true}`)
	for _, x := range []string{id, nameless} {
		h.wait("the ward was told", func() bool {
			return h.call(h.as(base, identity.WardOfficer), "GET", base+"/api/v1/incidents/"+x, nil).status == 200
		})
	}
	path := "/api/v1/incidents/" + id + "/reporter"
	body := `{"id":"` + newID() + `","report":"` + id + `","reason":"call_back"}`
	h.ask(200, base, identity.WardOfficer, "POST", path, body)
	h.ask(200, base, identity.WardOfficer, "POST", path, body)
	h.ask(400, base, identity.WardOfficer, "POST", path, `{"id":"`+newID()+`","report":"`+id+`","reason":"curious"}`)
	h.ask(401, base, "", "POST", path, body)
	h.ask(403, base, identity.Auditor, "POST", path, body)
	h.ask(404, base, identity.WardOfficer, "POST", "/api/v1/incidents/"+nameless+"/reporter", `{"id":"`+newID()+`","report":"`+nameless+`","reason":"verify"}`)
	h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/incidents/"+id, "")
	h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/incidents/"+nameless, "")
}
