package city

import "wardline/sync/identity"

func (h *held) erasuresAtTheStation(base string) {
	h.ask(404, base, identity.Administrator, "GET", "/api/v1/erasures", "")
	h.ask(404, base, identity.Administrator, "POST", "/api/v1/incidents/"+newID()+"/erasure", `{"id":"`+newID()+`","reason":"request"}`)
}

// erasures provokes the answers about erasures at the core.
func (h *held) erasures() {
	const admin = identity.Administrator
	base := h.coreURL(1)
	id := h.report(base, here+`,"text":"cháy","reporter":{"name":"An","phone":"0909"}`)
	path, body := "/api/v1/incidents/"+id+"/erasure", `{"id":"`+newID()+`","reason":"order"}`
	h.ask(409, base, admin, "POST", path, body)
	h.ask(200, base, identity.CommandOfficer, "POST", "/api/v1/incidents/"+id+"/actions", `{"id":"`+newID()+`","action":"close","reason":"true"}`)
	h.ask(200, base, admin, "POST", path, body)
	h.ask(200, base, admin, "POST", path, body)
	h.ask(409, base, admin, "POST", path, `{"id":"`+newID()+`","reason":"order","soon":true}`)
	h.ask(400, base, admin, "POST", path, `{"id":"`+newID()+`","reason":"because"}`)
	h.ask(400, base, admin, "POST", path, `{"reason":"order"}`)
	h.ask(401, base, "", "POST", path, body)
	h.ask(403, base, identity.Auditor, "POST", path, body)
	h.ask(404, base, admin, "POST", "/api/v1/incidents/"+newID()+"/erasure", `{"id":"`+newID()+`","reason":"mistake"}`)
	h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents/"+id, "")
	h.ask(200, base, identity.Auditor, "GET", "/api/v1/erasures?limit=1", "")
	h.ask(200, base, admin, "GET", "/api/v1/erasures?before=1", "")
	h.ask(400, base, admin, "GET", "/api/v1/erasures?limit=none", "")
	h.ask(400, base, admin, "GET", "/api/v1/erasures?before=0", "")
	h.ask(401, base, "", "GET", "/api/v1/erasures", "")
	h.ask(403, base, identity.Supervisor, "GET", "/api/v1/erasures", "")
}
