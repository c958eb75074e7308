package cap

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wardline/sync/record"
	"wardline/sync/routing"
)

func sample() *Alert {
	info := func(lang, event, headline string) Info {
		return Info{Language: lang, Categories: []string{"Met", "Safety"}, Event: event, ResponseTypes: []string{"Avoid"}, Urgency: "Immediate", Severity: "Severe", Certainty: "Observed",
			Effective: 1_764_460_800_000, Expires: 1_764_468_000_000, SenderName: "Trung tâm chỉ huy", Headline: headline, Description: "Nước lên cao < 40 cm & còn lên", Instruction: "Tránh xa",
			Web: "https://example.vn/a?b=1&c=2", Contact: "113", Parameters: []Value{{"depth_cm", "40"}}, EventCodes: []Value{{"SAME", "FFW"}},
			Resources: []Resource{{Desc: "bản đồ", Type: "image/png", Bytes: 900, URI: "https://example.vn/map.png", Digest: "da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
			Areas: []Area{{Desc: "Phường Tân Thuận", Altitude: "0", Ceiling: "100", Geocodes: []Value{{WardCode, "27484"}}, Circles: []Circle{{routing.Point{LatE7: 107_200_000, LonE7: 1_067_300_000}, "1.5"}},
				Polygons: []Polygon{{{LatE7: 107_200_000, LonE7: 1_067_300_000}, {LatE7: 107_300_000, LonE7: 1_067_300_000}, {LatE7: 107_300_000, LonE7: 1_067_400_001}, {LatE7: 107_200_000, LonE7: 1_067_300_000}}}}}}
	}
	return &Alert{Identifier: "018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f", Sender: "wardline-command", Sent: 1_764_460_800_000, Status: Actual, MsgType: MsgUpdate, Source: "trực ban",
		Scope: Public, Codes: []string{"x"}, Note: "ghi chú", Incidents: "a b", References: []Reference{{"wardline-command", "018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0e", 1_764_457_200_000}},
		Infos: []Info{info("vi-VN", "Ngập nước", "Ngập sâu ở cầu Phú Mỹ"), info("en", "Flood", "Deep water at Phú Mỹ bridge")}}
}

// TestPolygon_CAPAndGeoJSON_EachInItsOwnOrder: CAP has latitude first, GeoJSON
// longitude; in Vietnam (10°, 106°) a mistake is a place in the ice.
func TestPolygon_CAPAndGeoJSON_EachInItsOwnOrder(t *testing.T) {
	a := sample()
	if x := string(a.XML()); !strings.Contains(x, "<polygon>10.72,106.73 10.73,106.73 10.73,106.7400001 10.72,106.73</polygon>") || !strings.Contains(x, "<circle>10.72,106.73 1.5</circle>") {
		t.Errorf("CAP must have the latitude first:\n%s", x)
	}
	j, err := json.Marshal(a.Infos[0].Areas[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(j), `"polygons":[[[106.73,10.72],[106.73,10.73],[106.7400001,10.73],[106.73,10.72]]]`) || !strings.Contains(string(j), `"centre":[[106.73,10.72]]`) {
		t.Errorf("GeoJSON must have the longitude first:\n%s", j)
	}
	// Longitude first in CAP is 106.73° of latitude: refused, and the element is named.
	swapped := bytes.Replace(a.XML(), []byte("10.72,106.73 10.73"), []byte("106.73,10.72 10.73"), 1)
	var f *Fault
	if _, err := Parse(swapped); !errors.As(err, &f) || f.Element != "alert.info[0].area[0].polygon[0]" || !strings.Contains(f.Do, "latitude first") {
		t.Errorf("%v", err)
	}
	if _, err := point(106.73, 10.72); err {
		t.Error("106.73 is no latitude")
	}
	// The other way round in GeoJSON is refused as well.
	if err := new(Polygon).UnmarshalJSON([]byte(`[[10.72,106.73]]`)); err == nil {
		t.Error("a latitude of 106.73 was taken")
	}
}

func TestAlert_ThereAndBack_IsTheSame(t *testing.T) {
	a := sample()
	b, err := Parse(a.XML())
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Fatalf("%v\n%+v\n%+v", err, a, b)
	}
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var c Alert
	if err := json.Unmarshal(raw, &c); err != nil || !reflect.DeepEqual(*a, c) {
		t.Fatalf("%v\n%+v\n%+v", err, *a, c)
	}
	if a.Expires() != 1_764_468_000_000 || a.In("en").Event != "Flood" || a.In("km").Event != "Ngập nước" || a.ID().String() != a.Identifier {
		t.Error("expires, language or id")
	}
	if o := (Reference{"w-nws.webmaster@noaa.gov", "KSTO1055887203", 7000}).ID(); o.Zero() || o == (Reference{"other", "KSTO1055887203", 7000}).ID() {
		t.Error("two senders' messages have one id")
	}
}

func TestParse_WrongMessages_NameTheElement(t *testing.T) {
	good := string(sample().XML())
	for _, c := range []struct{ from, to, element string }{
		{"<urgency>Immediate</urgency>", "<urgency>Now</urgency>", "alert.info[0].urgency"},
		{"<status>Actual</status>", "", "alert.status"},
		{"<sent>2025-11-30T00:00:00-00:00</sent>", "<sent>2025-11-30T00:00:00Z</sent>", "alert.sent"},
		{"<areaDesc>Phường Tân Thuận</areaDesc>", "", "alert.info[0].area[0].areaDesc"},
		{"10.73,106.7400001 10.72,106.73", "10.73,106.74", "alert.info[0].area[0].polygon[0]"},
		{"<scope>Public</scope>", "<scope>Public</scope><scope>Public</scope>", "alert.scope"},
		{"<note>", "<memo>x</memo><note>", "alert.memo"},
		{"<identifier>", "<identifier>a b", "alert.identifier"},
		{"<references>", "<references>x ", "alert.references"},
		{"<headline>", "<headline>" + strings.Repeat("a", 700), "alert.info[0].headline"},
		{"<digest>", "<derefUri>AAAA</derefUri><digest>", "alert.info[0].resource[0].derefUri"},
		{Namespace, "urn:oasis:names:tc:emergency:cap:1.1", "alert"},
		{"<alert", "<!DOCTYPE alert [<!ENTITY e \"x\">]><alert", "alert"},
		{"<note>ghi", "<note>&e;ghi", "alert.note"},
		{"<note>", "<?php ?><note>", "alert"},
		{"</alert>", "</alert><alert/>", "alert"},
		{"<alert", "<warning><alert", "warning"},
	} {
		bad := strings.Replace(good, c.from, c.to, 1)
		if bad == good {
			t.Fatalf("%q is not in the sample", c.from)
		}
		var f *Fault
		if _, err := Parse([]byte(bad)); !errors.As(err, &f) || f.Element != c.element || f.Do == "" {
			t.Errorf("%q for %q: %v, want a fault of %s", c.to, c.from, err, c.element)
		}
	}
	if _, err := Parse([]byte(good + strings.Repeat(" ", MaxXML))); err == nil {
		t.Error("a message of any size was read")
	}
	if _, err := Parse(nil); err == nil {
		t.Error("nothing is an alert")
	}
}

// TestXML_SchemaOfOASIS_IsKept asks xmllint; the schema is not part of the project.
func TestXML_SchemaOfOASIS_IsKept(t *testing.T) {
	xsd := os.Getenv("CAP_XSD")
	if xsd == "" {
		t.Skip("CAP_XSD does not name the OASIS schema of CAP 1.2: what we write is not checked against it")
	}
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (make setup)")
	}
	valid := func(name string, raw []byte) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "alert.xml")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lint, "--noout", "--nonet", "--schema", xsd, file).CombinedOutput(); err != nil {
			t.Errorf("%s: %s\n%s", name, out, raw)
		}
	}
	valid("an update with everything", sample().XML())
	small := &Alert{Identifier: "a", Sender: "b", Sent: 1000, Status: Test, MsgType: MsgAlert, Scope: Public}
	valid("the smallest", small.XML())
	// The samples beside the schema: read, written again, and still valid.
	samples, err := filepath.Glob(filepath.Join(filepath.Dir(xsd), "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range samples {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
			continue
		}
		valid(filepath.Base(f), a.XML())
		b, err := Parse(a.XML())
		if err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s is another one after it was written: %v", filepath.Base(f), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().XML())
	f.Add([]byte(`<alert xmlns="` + Namespace + `"><info><area><polygon>1,2 3,4 5,6 1,2</polygon></area></info></alert>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := Parse(raw)
		if err != nil {
			var x *Fault
			if !errors.As(err, &x) || x.Element == "" {
				t.Fatalf("an error without an element: %v", err)
			}
			return
		}
		b, err := Parse(a.XML())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, a.XML())
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("changed by writing:\n%+v\n%+v", a, b)
		}
	})
}

func TestPresent_UpdatesAndCancels_StandOverWhatTheyName(t *testing.T) {
	make := func(id, target byte, msg string, until int64, status string) Held {
		h := Held{ID: record.ID{id}, Until: until, Wards: []record.WardCode{"26704"}, Alert: Alert{MsgType: msg, Status: status, Scope: Public}}
		if target > 0 {
			h.Target = record.ID{target}
		}
		return h
	}
	list := []Held{
		make(1, 0, MsgAlert, 100, Actual), make(2, 1, MsgUpdate, 200, Actual), // replaced once
		make(3, 0, MsgAlert, 100, Actual), make(4, 3, MsgUpdate, 200, Actual), make(5, 4, MsgCancel, 200, Actual), // and taken back
		make(6, 0, MsgAlert, 9, Actual), make(7, 0, MsgAlert, 100, Exercise), make(8, 9, MsgUpdate, 100, Actual),
	}
	want := map[byte]string{1: Updated, 2: Holds, 3: Cancelled, 4: Cancelled, 5: Cancels, 6: Expired, 7: Holds, 8: Holds}
	for range 2 {
		for id, s := range States(list, 10) {
			if want[id[0]] != s {
				t.Errorf("%d is %s, want %s", id[0], s, want[id[0]])
			}
		}
		slices.Reverse(list) // the order makes no difference
	}
	if p := Present(list, "26704", 10, true); len(p) != 2 {
		t.Errorf("the public sees %d", len(p))
	}
	if p := Present(list, "26704", 10, false); len(p) != 3 {
		t.Errorf("desks see %d, the exercise with them", len(p))
	}
	if p := Present(list, "26705", 10, false); len(p) != 0 {
		t.Error("another ward's")
	}
}

// TestStates_ExerciseAboutRealWarning_LeavesItStanding: a cancel that is practice, whoever
// sent it and in whichever order it comes, takes no real warning down.
func TestStates_ExerciseAboutRealWarning_LeavesItStanding(t *testing.T) {
	id := func(n byte) record.ID { return record.ID{n} }
	list := []Held{{ID: id(2), Target: id(1), Until: 100, Alert: Alert{Status: Exercise, MsgType: MsgCancel}}, {ID: id(1), Until: 100, Alert: Alert{Status: Actual, MsgType: MsgAlert}},
		{ID: id(4), Target: id(3), Until: 100, Alert: Alert{Status: Exercise, MsgType: MsgCancel}}, {ID: id(3), Until: 100, Alert: Alert{Status: Exercise, MsgType: MsgAlert}}}
	if s := States(list, 50); s[id(1)] != Holds || s[id(3)] != Cancelled {
		t.Errorf("%v", s)
	}
}
