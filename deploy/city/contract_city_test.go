package city

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"wardline/sync/identity"
)

// cityAlone asks for what only the core has.
func (h *held) cityAlone() {
	t, base := h.t, h.coreURL(1)
	type page struct {
		Items []entryJSON
		Next  *uint64
	}
	entries := func(query string) (p page) {
		t.Helper()
		a := h.ask(200, base, identity.Auditor, "GET", "/api/v1/entries"+query, "")
		h.into(a, &p)
		if got := members(t, a); !slices.Equal(got, []string{"items", "next"}) {
			t.Errorf("members %v", got)
		}
		return p
	}
	all := entries("")
	for all.Next != nil { // 100 are the default
		p := entries(fmt.Sprintf("?after=%d&limit=99999", *all.Next))
		all.Items, all.Next = append(all.Items, p.Items...), p.Next
	}
	reports := map[string]int{}
	for i, e := range all.Items {
		if e.Index != uint64(i+1) {
			t.Fatalf("entry %d has index %d", i, e.Index)
		}
		if e.Kind == "report" {
			reports[*e.Report]++
		}
	}
	for id, n := range reports {
		if n != 1 {
			t.Errorf("report %s is listed %d times", id, n)
		}
	}
	n := uint64(len(all.Items))
	if p := entries(fmt.Sprintf("?after=%d&limit=2", n-3)); len(p.Items) != 2 || p.Items[0].Index != n-2 || p.Next == nil || *p.Next != n-1 {
		t.Errorf("after %d: %+v", n-3, p)
	}
	if p := entries(fmt.Sprintf("?after=%d&limit=2", n-2)); len(p.Items) != 2 || p.Next != nil {
		t.Errorf("the last page: %+v", p)
	}
	if p := entries(fmt.Sprintf("?after=%d", n+99)); len(p.Items) != 0 || p.Next != nil {
		t.Errorf("beyond the end: %+v", p)
	}
	h.ask(400, base, identity.Auditor, "GET", "/api/v1/entries?after=-1", "")
	h.ask(400, base, identity.Auditor, "GET", "/api/v1/entries?limit=0", "")
	h.ask(200, base, identity.Administrator, "PUT", "/api/v1/devices/kiosk-7", `{"ward":"26704","kind":"kiosk"}`)
	h.ask(400, base, identity.Administrator, "PUT", "/api/v1/devices/kiosk-7", `{"ward":"26704","kind":"car"}`)
	h.ask(413, base, identity.Administrator, "PUT", "/api/v1/devices/kiosk-7", `{"kind":"`+strings.Repeat("x", 300_000)+`"}`)
	h.ask(204, base, identity.Administrator, "DELETE", "/api/v1/devices/kiosk-7", "")
	h.ask(400, base, identity.Administrator, "DELETE", "/api/v1/devices/a+b", "")
	h.ask(200, base, identity.Administrator, "GET", "/api/v1/devices", "")
	h.ask(200, base, identity.Administrator, "GET", "/api/v1/machines", "")
	machine := func(status int, body string) {
		h.ask(status, base, identity.Administrator, "POST", "/api/v1/machines", body)
	}
	machine(200, `{"op":"token","name":"station/27031","names":["10.0.0.5"],"for_s":60}`)
	machine(200, `{"op":"revoke","name":"node/core-9"}`)
	machine(200, `{"op":"token","name":"node/core-9"}`)
	machine(409, `{"op":"token","name":"node/core-9","for_s":99999999}`)
	machine(409, `{"op":"retire"}`)
	machine(400, `{"op":"token","name":"station/x"}`)
	machine(400, `{"op":"token","name":"station/27031","names":["a/b"]}`)
	machine(413, `{"op":"`+strings.Repeat("x", 300_000)+`"}`)
	var d [3]map[string]any
	h.wait("the same digest at all nodes", func() bool {
		for i := range d {
			a := h.ask(200, h.coreURL(i), identity.Auditor, "GET", "/api/v1/digest", "")
			if got := members(t, a); !slices.Equal(got, fields("node index log state")) {
				t.Errorf("members %v", got)
			}
			d[i] = nil
			h.into(a, &d[i])
			delete(d[i], "node")
		}
		return reflect.DeepEqual(d[0], d[1]) && reflect.DeepEqual(d[1], d[2])
	})
	ward := `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"ma_xa":"26704","ten_xa":"Phú Mỹ"},"geometry":{"type":"Polygon","coordinates":[[[106.7,10.7],[106.8,10.7],[106.8,10.8],[106.7,10.8],[106.7,10.7]]]}}]}`
	h.ask(200, base, identity.Administrator, "POST", "/api/v1/wards", ward)
	h.ask(400, base, identity.Administrator, "POST", "/api/v1/wards", `{"type":"Point"}`)
	h.ask(400, base, identity.Administrator, "POST", "/api/v1/rules", `{}`)
	h.ask(413, base, identity.Administrator, "POST", "/api/v1/rules", strings.Repeat(" ", 70_000))
	h.ask(413, base, identity.Administrator, "POST", "/api/v1/wards", strings.Repeat(" ", 64<<20+1))
	var rules map[string]any
	h.into(h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/rules", ""), &rules)
	rules["version"] = 7
	b, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	h.ask(200, base, identity.Administrator, "POST", "/api/v1/rules", string(b))
	rules["until"] = "2099-01-01T00:00:00.000Z"
	if b, err = json.Marshal(rules); err != nil {
		t.Fatal(err)
	}
	h.ask(409, base, identity.Administrator, "POST", "/api/v1/rules", string(b))
}

// withoutMajority asks a core node that is alone: nothing is committed and
// nothing shown that may be old.
func (h *held) withoutMajority() {
	base := h.coreURL(0)
	id, sent := h.routed(base), newID()
	h.device(201, base, `{"id":"`+sent+`",`+here+`}`)
	for _, role := range []identity.Role{identity.CommandOfficer, identity.Auditor, identity.Administrator, identity.WardOfficer} {
		h.who[base+string(role)] = h.login(base, role)
	}
	h.stop["core-2"]()
	h.stop["core-3"]()
	claim := `{"id":"` + newID() + `","action":"claim"}`
	var wg sync.WaitGroup
	for _, c := range []struct {
		role               identity.Role
		method, path, body string
	}{
		{"", "GET", "/readyz", ""}, {"", "POST", "/api/v1/reports", `{"id":"` + newID() + `",` + here + `}`}, {"", "GET", "/api/v1/reports/" + id, ""}, {"", "GET", "/api/v1/progress/" + id, ""},
		{"", "POST", "/api/v1/reports/" + sent + "/messages", `{"id":"` + newID() + `","text":"?"}`},
		{identity.CommandOfficer, "GET", "/api/v1/incidents", ""}, {identity.CommandOfficer, "GET", "/api/v1/incidents/" + id, ""},
		{identity.CommandOfficer, "POST", "/api/v1/incidents/" + id + "/actions", claim}, {identity.Auditor, "GET", "/api/v1/entries", ""},
		{identity.Auditor, "GET", "/api/v1/digest", ""}, {identity.WardOfficer, "GET", "/api/v1/rules", ""},
		{identity.Administrator, "GET", "/api/v1/devices", ""}, {identity.Administrator, "PUT", "/api/v1/devices/kiosk-8", `{"kind":"kiosk"}`},
		{identity.Administrator, "DELETE", "/api/v1/devices/kiosk-8", ""},
		{identity.Auditor, "GET", "/api/v1/changes", ""}, {identity.Auditor, "GET", "/api/v1/rules/versions", ""},
		{identity.Administrator, "GET", "/api/v1/machines", ""}, {identity.Administrator, "POST", "/api/v1/machines", `{"op":"revoke","name":"node/core-9"}`},
		{identity.Auditor, "GET", "/api/v1/log/export", ""}, {identity.Auditor, "GET", "/api/v1/log/inclusion?index=1&size=1", ""}, {identity.Auditor, "GET", "/api/v1/log/consistency?from=1&size=1", ""},
		{identity.Auditor, "GET", "/api/v1/incidents/" + id + "/evidence", ""},
	} {
		wg.Go(func() { // each takes until the node gives up looking for a majority
			client := h.who[base+string(c.role)]
			a := h.call(client, c.method, base+c.path, []byte(c.body), h.asDevice)
			if err := h.doc.Response(c.method, a.req.URL.Path, a.status, a.header, a.body); a.status != 503 || err != nil {
				h.t.Errorf("%s %s: %d %v", c.method, c.path, a.status, err)
			}
			if c.method == "POST" && a.header.Get("Retry-After") == "" {
				h.t.Errorf("%s: no Retry-After", c.path)
			}
		})
	}
	wg.Wait()
	h.ask(200, base, "", "GET", "/healthz", "")
	h.ask(200, h.stationURL(), "", "GET", "/readyz", "") // the ward works on
	h.device(201, h.stationURL(), `{"id":"`+newID()+`",`+here+`}`)
}
