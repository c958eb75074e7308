package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"wardline/sync/record"
)

// named is an incident whose report names its reporter.
func named() *desk {
	b := fire
	b.Payload.Sealed = &record.Sealed{Key: record.KeyID{7}}
	return &desk{bodies: []record.Body{b}, plain: map[record.KeyID]string{{7}: `{"text":"cháy nhà","reporter":{"name":"Trần Thị Kín","phone":"0909123457"}}`}}
}

const ask = `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","report":"01000000-0000-0000-0000-000000000000","reason":"call_back"}`

func TestReporter_IsOnlyShownWhenOpened_AndTheEntryComesFirst(t *testing.T) {
	d := named()
	id := record.ID{1}
	path := "/api/v1/incidents/" + id.String()
	for _, p := range []string{path, "/api/v1/reports/" + id.String()} {
		w := d.ask(t, "GET", p, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), "Kín") || strings.Contains(w.Body.String(), "0909123457") {
			t.Fatalf("%s: %d %s", p, w.Code, w.Body)
		}
		if p == path && (!strings.Contains(w.Body.String(), `"identified":true`) || !strings.Contains(w.Body.String(), "cháy nhà")) {
			t.Errorf("the desk cannot see what happened, or that somebody is known: %s", w.Body)
		}
	}
	if len(d.acted) != 0 {
		t.Fatal("reading wrote something")
	}
	w := d.ask(t, "POST", path+"/reporter", ask)
	var out struct{ Reporter struct{ Name, Phone string } }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || out.Reporter.Name != "Trần Thị Kín" || out.Reporter.Phone != "0909123457" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if len(d.acted) != 1 || d.acted[0].Kind != record.KindOpened || d.acted[0].Actor.Name != "lan" || d.acted[0].Payload.Reason != "call_back" || d.acted[0].Payload.Target != fire.ID || d.acted[0].Payload.Sealed != nil {
		t.Errorf("%+v", d.acted)
	}
	for _, body := range []string{strings.Replace(ask, "call_back", "curious about Trần", 1), strings.Replace(ask, `"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f",`, "", 1)} {
		if w := d.ask(t, "POST", path+"/reporter", body); w.Code != 400 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
	// Redacted, or without a name: nobody to open, and nothing written.
	for _, change := range []func(*desk){
		func(d *desk) { d.plain[record.KeyID{7}] = `{"text":"cháy nhà","reporter":{"anonymous":true}}` },
		func(d *desk) {
			d.bodies = append(d.bodies, record.Body{ID: record.ID{9}, Incident: record.ID{1}, Kind: record.KindRedact, Origin: record.CoreOrigin, Payload: record.Payload{Target: fire.ID}})
		},
	} {
		d := named()
		change(d)
		if w := d.ask(t, "POST", path+"/reporter", ask); w.Code != 404 || len(d.acted) != 0 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// TestReporter_SameIDForAnotherReportOrOfficer_IsAnotherOpening: an id that was used
// before must not open without an entry.
func TestReporter_SameIDForAnotherReport_IsAnotherOpening(t *testing.T) {
	d := named()
	second := d.bodies[0]
	second.ID, second.Payload.Report = record.ID{12}, record.ID{11}
	d.bodies = append(d.bodies, second)
	id := record.ID{1}
	path := "/api/v1/incidents/" + id.String() + "/reporter"
	for _, r := range []record.ID{{1}, {11}} {
		if w := d.ask(t, "POST", path, strings.Replace(ask, "01000000-0000-0000-0000-000000000000", r.String(), 1)); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if len(d.acted) != 2 || d.acted[0].ID == d.acted[1].ID {
		t.Errorf("two openings are one entry: %v", d.acted)
	}
}
