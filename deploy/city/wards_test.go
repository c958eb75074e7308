package city

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// wardsImported draws one ward around a place whose
// nearest centre is another's; WARDS_FILE names a real file to import as well.
func wardsImported(w *town) {
	t := w.t
	cmd := w.file.Command.URL
	admin, officer := w.login(cmd, "administrator"), w.login(cmd, "command_officer")
	square := []byte(`{"type":"Feature","properties":{"code":"26704","name":"Phú Mỹ"},"geometry":{"type":"Polygon","coordinates":[[[106.70,10.70],[106.70,10.74],[106.75,10.74],[106.75,10.70],[106.70,10.70]]]}}`)
	var bad struct{ Detail string }
	if s := w.do(admin, "POST", cmd+"/api/v1/wards", []byte(`{"type":"Feature"}`), &bad); s != 400 || bad.Detail == "" {
		t.Fatalf("nonsense: %d %+v", s, bad)
	}
	if s := w.do(officer, "POST", cmd+"/api/v1/wards", square, nil); s != 403 {
		t.Fatalf("an officer who is no administrator: %d", s)
	}
	for range 2 { // the same file twice changes nothing
		if s := w.do(admin, "POST", cmd+"/api/v1/wards", square, nil); s != 200 {
			t.Fatalf("import: %d", s)
		}
	}
	id := newID()
	if s := w.do(http.DefaultClient, "POST", cmd+"/api/v1/reports", reportOf(id), nil); s != 201 {
		t.Fatalf("report: %d", s)
	}
	var in incidentJSON
	if s := w.do(officer, "GET", cmd+"/api/v1/incidents/"+id, nil, &in); s != 200 || in.Lead != "ward/26704" {
		t.Fatalf("led by %q: the boundary was not used (%d)", in.Lead, s)
	}
	if name := os.Getenv("WARDS_FILE"); name != "" {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ Read struct{ Wards int } }
		if s := w.do(admin, "POST", cmd+"/api/v1/wards", raw, &out); s != 200 || out.Read.Wards != 168 {
			t.Fatalf("%s: %d %+v", name, s, out)
		}
	}
}

// rulesReachTheStation imports a ward's
// boundary and rules at the core, cuts the line, and looks at what the station makes
// of a report alone, after a restart as well.
func rulesReachTheStation(w *town) {
	t := w.t
	cmd, st := w.file.Command.URL, w.file.Stations[0].URL
	admin, officer := w.login(cmd, "administrator"), w.login(st, "ward_officer")
	square := []byte(`{"type":"Feature","properties":{"code":"26704","name":"Phú Mỹ"},"geometry":{"type":"Polygon","coordinates":[[[106.70,10.70],[106.70,10.74],[106.75,10.74],[106.75,10.70],[106.70,10.70]]]}}`)
	if s := w.do(admin, "POST", cmd+"/api/v1/wards", square, nil); s != 200 {
		t.Fatalf("import of wards: %d", s)
	}
	rules := routing.DefaultRules()
	rules.Version = 7
	fire := rules.Categories[record.Fire]
	fire.Departments = []record.UnitID{"PC07", "PK02"}
	rules.Categories[record.Fire] = fire
	raw, err := routing.MarshalRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	var bad struct{ Field string }
	if s := w.do(admin, "POST", cmd+"/api/v1/rules", []byte(`{"version":1,"from":"x","categories":{}}`), &bad); s != 400 || bad.Field != "from" {
		t.Fatalf("rules with a wrong date: %d %+v", s, bad)
	}
	if s := w.do(admin, "POST", cmd+"/api/v1/rules", raw, nil); s != 200 {
		t.Fatalf("import of rules: %d", s)
	}
	fire.Departments = []record.UnitID{"PC08"}
	rules.Categories[record.Fire] = fire
	if other, err := routing.MarshalRules(rules); err != nil || w.do(admin, "POST", cmd+"/api/v1/rules", other, nil) != 409 {
		t.Fatalf("other rules under the same version were taken (%v)", err)
	}
	var now struct{ Version int }
	w.wait("the rules are at the station", func() bool {
		return w.do(officer, "GET", st+"/api/v1/rules", nil, &now) == 200 && now.Version == 7
	})
	w.control("cut", map[string][]string{"mode": {"refuse"}})
	for _, restarted := range []bool{false, true} {
		if restarted {
			w.control("stop", map[string][]string{"name": {"ward-26704"}})
			w.control("start", map[string][]string{"name": {"ward-26704"}})
		}
		id := newID()
		w.wait("a report is taken", func() bool {
			s := w.do(http.DefaultClient, "POST", st+"/api/v1/reports", reportOf(id), nil)
			return s == 201 || s == 200
		})
		var in struct {
			Lead  string
			Units []struct{ Unit string }
		}
		w.wait("the station routes alone", func() bool {
			return w.do(officer, "GET", st+"/api/v1/incidents/"+id, nil, &in) == 200 && in.Lead != ""
		})
		if told := fmt.Sprint(in.Units); in.Lead != "ward/26704" || !strings.Contains(told, "PK02") {
			t.Fatalf("restarted %v: led by %s, told %s: the city's boundary and rules were not used", restarted, in.Lead, told)
		}
	}
}
