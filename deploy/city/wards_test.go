package city

import (
	"net/http"
	"os"
	"testing"
)

// TestCity_WardsImported_RouteByBoundary draws one ward around a place whose
// nearest centre is another's; WARDS_FILE names a real file to import as well.
func TestCity_WardsImported_RouteByBoundary(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
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
