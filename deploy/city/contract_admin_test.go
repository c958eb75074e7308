package city

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"wardline/sync/identity"
)

// administrationAtAny: what of the administration a node refuses, whoever asks.
func (h *held) administrationAtAny(base string) {
	for _, path := range []string{"/api/v1/devices", "/api/v1/machines", "/api/v1/changes", "/api/v1/rules/versions"} {
		h.ask(401, base, "", "GET", path, "")
		h.ask(403, base, identity.Supervisor, "GET", path, "")
		if base == h.stationURL() {
			h.ask(404, base, identity.Administrator, "GET", path, "")
			h.ask(404, base, identity.Auditor, "GET", path, "")
		} else {
			h.ask(200, base, identity.Auditor, "GET", path, "")
		}
	}
	for _, path := range []string{"/api/v1/wards/preview", "/api/v1/rules/check"} {
		h.ask(401, base, "", "POST", path, "{}")
		h.ask(403, base, identity.Auditor, "POST", path, "{}")
		if base == h.stationURL() {
			h.ask(404, base, identity.Administrator, "POST", path, "{}")
		}
	}
}

// administration provokes the answers about how the city works.
func (h *held) administration() {
	t, base := h.t, h.coreURL(1)
	const admin = identity.Administrator
	// The import before drew 26704; a file with 27031 alone takes that away, or keeps it.
	ward := func(code string) string {
		return `{"type":"Feature","properties":{"code":"` + code + `","name":"Tân Phú"},"geometry":{"type":"Polygon","coordinates":[[[106.6,10.7],[106.69,10.7],[106.69,10.8],[106.6,10.8],[106.6,10.7]]]}}`
	}
	type refs []struct{ Code, Name string }
	var p struct{ Drawn, Redrawn, Lost, New refs }
	h.into(h.ask(200, base, admin, "POST", "/api/v1/wards/preview", ward("27031")), &p)
	if len(p.Drawn) != 1 || p.Drawn[0].Code != "27031" || len(p.Lost) != 1 || p.Lost[0].Code != "26704" {
		t.Errorf("a file with one ward: %+v", p)
	}
	h.into(h.ask(200, base, admin, "POST", "/api/v1/wards/preview?keep=true", ward("27031")), &p)
	if len(p.Drawn) != 1 || len(p.Lost) != 0 {
		t.Errorf("the same, the others kept: %+v", p)
	}
	h.ask(200, base, admin, "POST", "/api/v1/wards?keep=true", ward("27031"))
	var lost struct{ Drawn, Redrawn, Lost, New refs }
	h.into(h.ask(200, base, admin, "POST", "/api/v1/wards/preview", ward("99999")), &lost)
	if len(lost.Lost) != 2 || len(lost.New) != 1 {
		t.Errorf("both have a boundary now: %+v", lost)
	}
	h.ask(400, base, admin, "POST", "/api/v1/wards/preview", ward("2703"))
	h.ask(413, base, admin, "POST", "/api/v1/wards/preview", string(make([]byte, 64<<20+1)))
	h.ask(400, base, admin, "POST", "/api/v1/rules/check", `{"version":9}`)
	h.ask(413, base, admin, "POST", "/api/v1/rules/check", string(make([]byte, 70_000)))
	var versions struct {
		Items []struct {
			Version  int
			By       string
			InEffect bool `json:"in_effect"`
			Rules    map[string]any
		}
	}
	h.into(h.ask(200, base, identity.Auditor, "GET", "/api/v1/rules/versions", ""), &versions)
	if len(versions.Items) != 2 || versions.Items[0].Version != 7 || versions.Items[0].By != "administrator" || !versions.Items[0].InEffect {
		t.Fatalf("%+v", versions)
	}
	rules := versions.Items[0].Rules
	for version, want := range map[int]int{6: 400, 7: 400, 8: 200} {
		rules["version"] = version
		raw, err := json.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		h.ask(want, base, admin, "POST", "/api/v1/rules/check", string(raw))
	}
	type change struct {
		Index                     uint64
		Kind, By, Subject, Reason string
	}
	var all, page struct {
		Items []change
		Next  *uint64
	}
	h.into(h.ask(200, base, identity.Auditor, "GET", "/api/v1/changes?limit=1000", ""), &all)
	for _, kind := range []string{"account", "device", "machine", "rules", "activate"} {
		if !slices.ContainsFunc(all.Items, func(c change) bool { return c.Kind == kind && c.By != "" && c.Subject != "" }) {
			t.Errorf("no change of kind %s in %+v", kind, all.Items)
		}
	}
	if !slices.IsSortedFunc(all.Items, func(a, b change) int { return int(b.Index) - int(a.Index) }) {
		t.Errorf("not newest first: %+v", all.Items)
	}
	var walked []change
	for query := "?limit=2"; ; query = fmt.Sprintf("?limit=2&before=%d", *page.Next) {
		page.Next, page.Items = nil, nil
		h.into(h.ask(200, base, admin, "GET", "/api/v1/changes"+query, ""), &page)
		walked = append(walked, page.Items...)
		if page.Next == nil {
			break
		}
	}
	if !slices.Equal(walked, all.Items) {
		t.Errorf("page by page %d, at once %d", len(walked), len(all.Items))
	}
	h.ask(400, base, admin, "GET", "/api/v1/changes?before=x", "")
}

// exercises provokes the answers about exercises.
func (h *held) exercises() {
	t, base := h.t, h.coreURL(1)
	const chief = identity.Supervisor
	until := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	id := newID()
	made := fmt.Sprintf(`{"id":%q,"name":"Diễn tập","until":%q}`, id, until)
	for _, c := range [][2]string{{"/api/v1/exercises", made}, {"/api/v1/exercises/" + id + "/end", "{}"}} {
		h.ask(401, base, "", "POST", c[0], c[1])
		h.ask(403, base, identity.Auditor, "POST", c[0], c[1])
		h.ask(404, h.stationURL(), chief, "POST", c[0], c[1])
	}
	h.ask(401, base, "", "GET", "/api/v1/exercises", "")
	h.ask(404, base, chief, "POST", "/api/v1/exercises/"+newID()+"/end", "{}")
	h.ask(400, base, chief, "POST", "/api/v1/exercises/x/end", "{}")
	for body, field := range map[string]string{`{"id":"` + id + `","name":"x"}`: "until", `{"id":"` + id + `","name":" ","until":"` + until + `"}`: "name"} {
		var p struct{ Field string }
		if h.into(h.ask(400, base, chief, "POST", "/api/v1/exercises", body), &p); p.Field != field {
			t.Errorf("%s: %s", body, p.Field)
		}
	}
	h.ask(200, base, chief, "POST", "/api/v1/exercises", made)
	h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/exercises", "")
	var a struct{ Incident string }
	h.into(h.device(201, base, fmt.Sprintf(`{"id":%q,"exercise":%q,%s}`, newID(), id, here)), &a)
	var in struct{ Exercise string }
	h.into(h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents/"+a.Incident, ""), &in)
	if in.Exercise != id {
		t.Errorf("not marked: %+v", in)
	}
	h.ask(200, base, identity.CommandOfficer, "POST", "/api/v1/incidents/"+a.Incident+"/actions", fmt.Sprintf(`{"id":%q,"action":"real"}`, newID()))
	h.ask(409, base, identity.CommandOfficer, "POST", "/api/v1/incidents/"+a.Incident+"/actions", fmt.Sprintf(`{"id":%q,"action":"real"}`, newID()))
	h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents/"+a.Incident, "")
	h.ask(200, base, chief, "POST", "/api/v1/exercises/"+id+"/end", "{}")
	h.ask(409, base, chief, "POST", "/api/v1/exercises", made)
}
