package contract

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"wardline/sync/record"
	"wardline/sync/report"
)

func mustOpenAPI(t *testing.T) *OpenAPI {
	t.Helper()
	o, err := NewOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustAsyncAPI(t *testing.T) *AsyncAPI {
	t.Helper()
	a, err := NewAsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenAPI_ClosedLists_AreThoseOfTheRecord(t *testing.T) {
	o := mustOpenAPI(t)
	var kinds, categories []string
	for k := range 256 {
		if record.Kind(k).Valid() {
			kinds = append(kinds, record.Kind(k).String())
		}
	}
	for _, c := range record.Categories {
		categories = append(categories, string(c))
	}
	for name, want := range map[string][]string{"Kind": kinds, "Category": categories, "Status": record.Statuses} {
		got := o.Enum(name)
		slices.Sort(got)
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("%s: described %v, in use %v", name, got, want)
		}
	}
}

// A description that lets everything pass would hold nobody to anything.
func TestOpenAPI_WrongAnswers_AreRefused(t *testing.T) {
	o := mustOpenAPI(t)
	j := http.Header{"Content-Type": {"application/json"}}
	p := http.Header{"Content-Type": {"application/problem+json"}}
	good := `{"node":"core-1","index":1,"log":"` + strings.Repeat("a", 64) + `","state":"` + strings.Repeat("b", 64) + `"}`
	if err := o.Response("GET", "/api/v1/digest", 200, j, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		status       int
		h            http.Header
		body         string
	}{
		{"GET", "/api/v1/digest", 200, j, strings.Replace(good, `"node"`, `"nodes"`, 1)},
		{"GET", "/api/v1/digest", 200, j, strings.Replace(good, `1`, `"1"`, 2)},
		{"GET", "/api/v1/digest", 200, j, good[:9]},
		{"GET", "/api/v1/digest", 200, p, good},
		{"GET", "/api/v1/digest", 418, p, `{"type":"/problems/x","title":"x","status":418}`},
		{"GET", "/api/v1/nothing", 404, p, `{"type":"/problems/x","title":"x","status":404}`},
		{"PUT", "/api/v1/digest", 200, j, good},
		{"DELETE", "/api/v1/session", 204, j, `{}`},
		{"GET", "/api/v1/incidents", 400, p, `{"type":"/problems/x","status":400}`},
		{"POST", "/api/v1/incidents/018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f/actions", 409, p, `{"type":"/problems/held","title":"x","status":409,"code":"held"}`},
	} {
		if o.Response(c.method, c.path, c.status, c.h, []byte(c.body)) == nil {
			t.Errorf("%s %s %d: taken: %s", c.method, c.path, c.status, c.body)
		}
	}
}

func TestAsyncAPI_TopicsAndExamples_AreWhole(t *testing.T) {
	a := mustAsyncAPI(t)
	want := []string{"wardline/v1/{ward}/alert", "wardline/v1/{ward}/{device}/command", "wardline/v1/{ward}/{device}/receipt",
		"wardline/v1/{ward}/{device}/report", "wardline/v1/{ward}/{device}/status"}
	if got := a.Channels(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if broken := a.References(); len(broken) > 0 {
		t.Errorf("references to nothing: %v", broken)
	}
	topics := map[string]string{"refusal": "wardline/v1/26704/app-1/receipt", "alert": "wardline/v1/26704/alert"}
	all, err := a.Examples()
	if err != nil || len(all) != 6 {
		t.Fatal(len(all), err)
	}
	for name, list := range all {
		topic := topics[name]
		if topic == "" {
			topic = "wardline/v1/26704/app-1/" + name
		}
		for _, x := range list {
			if got, err := a.Message(topic, x); err != nil || got != name {
				t.Errorf("example of %s: taken as %q: %v", name, got, err)
			}
		}
		if len(list) == 0 {
			t.Errorf("%s has no example", name)
		}
	}
}

func TestAsyncAPI_WrongMessages_AreRefused(t *testing.T) {
	a := mustAsyncAPI(t)
	id := "018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"
	for _, c := range [][2]string{
		{"wardline/v1/26704/app-1/receipt", `{"id":"` + id + `","step":"ward","at":"2026-11-24T08:00:00Z","incarnation":"00c0ffee00c0ffee"}`},
		{"wardline/v1/26704/app-1/receipt", `{"id":"` + id + `","step":"home","at":"2026-11-24T08:00:00.000Z","incarnation":"00c0ffee00c0ffee"}`},
		{"wardline/v1/26704/app-1/receipt", `{"error":{"type":"/problems/x","title":"x","status":400,"detail":"x"}}`},
		{"wardline/v1/26704/app-1/receipt", `{}`},
		{"wardline/v1/26704/app-1/report", `{"id":"` + id + `"}`},
		{"wardline/v1/26704/app-1/status", `{"online":"yes"}`},
		{"wardline/v1/26704/app-1/other", `{}`},
		{"wardline/v1/26704/alert", `[]`},
	} {
		if name, err := a.Message(c[0], []byte(c[1])); err == nil {
			t.Errorf("%s: taken as %s: %s", c[0], name, c[1])
		}
	}
}

// Every problem of the door stands in a refusal on the receipt topic and in an
// answer over HTTP.
func TestRefusals_EveryProblem_FitsBothDescriptions(t *testing.T) {
	a, o := mustAsyncAPI(t), mustOpenAPI(t)
	for _, k := range report.ProblemTypes {
		p := report.Problem{Type: k, Field: "media[2].sha256", Detail: "do it", ID: record.ID{1}}
		d, err := json.Marshal(p.Details())
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Schema("Problem", d); err != nil {
			t.Error(err)
		}
		m := `{"error":` + string(d) + `,"payload_sha256":"` + strings.Repeat("0", 64) + `"}`
		if name, err := a.Message("wardline/v1/26704/app-1/receipt", []byte(m)); err != nil || name != "refusal" {
			t.Error(name, err)
		}
	}
}

// What the descriptions say a report is, the door takes; and what the door
// refuses for a field, they refuse.
func TestReport_DescriptionsAndDoor_Agree(t *testing.T) {
	a, o := mustAsyncAPI(t), mustOpenAPI(t)
	id := `"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	sum := strings.Repeat("a", 64)
	for _, raw := range []string{
		`{` + id + `,"category":"fire"}`, `{` + id + `}`, `{"category":"fire"}`, `{` + id + `,"category":"war"}`, `[]`,
		`{` + id + `,"category":"fire","text":null,"captured_at":7,"sent_at":"never","other":[{}]}`,
		`{` + id + `,"category":"fire","text":5}`, `{` + id + `,"category":"fire","text":"` + strings.Repeat("ệ", 8000) + `"}`,
		`{` + id + `,"category":"fire","text":"` + strings.Repeat("ệ", 8001) + `"}`, `{` + id + `,"category":"fire","place_text":"` + strings.Repeat("x", 501) + `"}`,
		`{` + id + `,"category":"fire","location":{"lat":10.5,"lon":106,"accuracy_m":null}}`, `{` + id + `,"category":"fire","location":{"lat":91,"lon":106}}`,
		`{` + id + `,"category":"fire","location":{"lat":10.5}}`, `{` + id + `,"category":"fire","location":{"lat":"10","lon":106}}`,
		`{` + id + `,"category":"fire","location":{"lat":10,"lon":106,"accuracy_m":-1}}`, `{` + id + `,"category":"fire","location":7}`,
		`{` + id + `,"category":"fire","reporter":{"name":"An","anonymous":true}}`, `{` + id + `,"category":"fire","reporter":{"name":7}}`,
		`{` + id + `,"category":"fire","media":[{"sha256":"` + sum + `","bytes":1}]}`, `{` + id + `,"category":"fire","media":[{"sha256":"` + sum + `"}]}`,
		`{` + id + `,"category":"fire","media":[{"sha256":"x","bytes":1}]}`, `{` + id + `,"category":"fire","media":[{"sha256":"` + sum + `","bytes":0}]}`,
		`{` + id + `,"category":"fire","media":[{"sha256":"` + sum + `","bytes":4294967297}]}`, `{` + id + `,"category":"fire","media":{}}`,
		`{` + id + `,"category":"fire","media":[` + strings.Repeat(`{"sha256":"`+sum+`","bytes":1},`, 16) + `{"sha256":"` + sum + `","bytes":1}]}`,
	} {
		_, _, p := report.Parse([]byte(raw))
		_, viaMQTT := a.Message("wardline/v1/26704/app-1/report", []byte(raw))
		viaHTTP := o.Schema("Report", []byte(raw))
		if (p == nil) != (viaMQTT == nil) || (p == nil) != (viaHTTP == nil) {
			t.Errorf("%.120s: the door says %v, /asyncapi.yaml %v, /openapi.yaml %v", raw, p, viaMQTT, viaHTTP)
		}
	}
}
