package city

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"wardline/sync/api/contract"
	"wardline/sync/cap"
	"wardline/sync/identity"
)

// draftOf is a warning as a desk fills it in.
func draftOf(id, more string) string {
	return fmt.Sprintf(`{"id":%q,"msg_type":"Alert","status":"Actual","wards":[%q],"category":"Met","response":"Avoid","urgency":"Immediate","severity":"Severe","certainty":"Observed",
		"expires":%q,"texts":[{"language":"vi","event":"Ngập nước","headline":"Nước lên cao","description":"40 cm","instruction":"Tránh xa"},{"language":"en","event":"Flood","headline":"Deep water"}]%s}`,
		id, Ward, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), more)
}

func asCAP(r *http.Request) { r.Header.Set("Content-Type", "application/cap+xml") }

func asJSON(r *http.Request) { r.Header.Set("Content-Type", "application/json") }

type warningJSON struct {
	ID, State, Target string
	Wards             []string
	Index             uint64
	Reached           []struct {
		Ward               string
		Devices, Listening int
	}
}

// broadcasts are the warnings as a desk sees them, by id.
func (h *held) broadcasts(base string) map[string]warningJSON {
	h.t.Helper()
	var l struct{ Items []warningJSON }
	h.into(h.ask(200, base, identity.WardOfficer, "GET", "/api/v1/broadcasts", ""), &l)
	out := map[string]warningJSON{}
	for _, x := range l.Items {
		out[x.ID] = x
	}
	return out
}

// alerts are the answers about public warnings.
func (h *held) alerts(base string) {
	const path = "/api/v1/alerts"
	core := h.coreURL(0)
	id := newID()
	if base != core {
		h.ask(409, base, identity.WardOfficer, "POST", path, draftOf(id, ""), asJSON) // the line stands
	}
	first := draftOf(id, "")
	h.ask(201, core, identity.CommandOfficer, "POST", path, first, asJSON)
	h.ask(200, core, identity.CommandOfficer, "POST", path, first, asJSON)
	h.wait("it is known here, and the station said how far it is", func() bool {
		x := h.broadcasts(base)[id]
		return x.State == "holds" && len(x.Reached) == 1 && x.Reached[0].Ward == string(Ward)
	})
	holds := func(query string) bool {
		return strings.Contains(string(h.ask(200, base, "", "GET", path+query, "").body), id)
	}
	if !holds("") || !holds("?ward="+string(Ward)) || holds("?ward=27487") {
		h.t.Error("the public does not see what holds in its ward, or sees another's")
	}
	if a := h.ask(200, base, "", "GET", path+"/feed", ""); !strings.Contains(string(a.body), id+".cap") {
		h.t.Errorf("the feed lacks it: %s", a.body)
	}
	a := h.ask(200, base, "", "GET", path+"/"+id+".cap", "")
	if read, err := cap.Parse(a.body); err != nil || read.Identifier != id || len(read.Infos) != 2 || read.Infos[0].Areas[0].Geocodes[0].Value != string(Ward) {
		h.t.Errorf("%v: %s", err, a.body)
	}
	h.ask(200, base, "", "GET", path+"/"+id, "")
	h.ask(404, base, "", "GET", path+"/"+newID(), "")
	h.ask(400, base, "", "GET", path+"/7", "")
	h.ask(400, base, "", "GET", path+"?ward=x", "")
	h.ask(401, base, "", "GET", "/api/v1/broadcasts", "")
	h.ask(401, base, "", "POST", path, first, asJSON)
	h.ask(403, core, identity.DepartmentOfficer, "POST", path, first, asJSON)
	h.ask(415, base, identity.CommandOfficer, "POST", path, first, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	h.ask(404, base, identity.CommandOfficer, "POST", path, draftOf(newID(), `,"target":"`+newID()+`"`), asJSON)
	h.ask(413, base, identity.CommandOfficer, "POST", path, strings.Repeat(" ", cap.MaxXML+1), asCAP)
	for body, field := range map[string]string{
		strings.Replace(draftOf(newID(), ""), "Immediate", "Now", 1):                                               "alert.info[0].urgency",
		strings.Replace(draftOf(newID(), ""), string(Ward), "99999", 1):                                            "wards",
		strings.Replace(draftOf(newID(), ""), `"Ngập nước"`, `""`, 1):                                              "alert.info[0].event",
		strings.Replace(draftOf(newID(), ""), time.Now().UTC().Format("2006-"), "2001-", 1):                        "alert.info[0].expires",
		strings.Replace(draftOf(newID(), ""), `"msg_type":"Alert"`, `"msg_type":"Update"`, 1):                      "alert.references",
		strings.Replace(draftOf(newID(), ""), `["`+string(Ward)+`"]`, `[],"polygon":[[0,0],[1,0],[1,1],[0,0]]`, 1): "wards",
	} {
		var p struct{ Field, Detail string }
		h.into(h.ask(400, base, identity.CommandOfficer, "POST", path, body, asJSON), &p)
		if p.Field != field || p.Detail == "" {
			h.t.Errorf("%+v, want field %q\n%s", p, field, body)
		}
	}
	// An exercise is for desks, not for the public.
	drill := newID()
	h.ask(201, core, identity.CommandOfficer, "POST", path, strings.Replace(draftOf(drill, ""), "Actual", "Exercise", 1), asJSON)
	h.wait("the exercise at the desk", func() bool { return h.broadcasts(base)[drill].State == "holds" })
	// Practice is not about what is real, and the other way round.
	h.ask(400, core, identity.CommandOfficer, "POST", path, strings.Replace(draftOf(newID(), `,"target":"`+drill+`"`), `"Alert"`, `"Cancel"`, 1), asJSON)
	h.ask(400, core, identity.CommandOfficer, "POST", path, draftOf(newID(), `,"exercise":"`+newID()+`"`), asJSON) // real, and of an exercise
	h.ask(409, core, identity.CommandOfficer, "POST", path, strings.Replace(draftOf(newID(), `,"exercise":"`+newID()+`"`), "Actual", "Exercise", 1), asJSON)
	if a := h.ask(200, core, identity.CommandOfficer, "GET", path+"/"+drill+".cap", ""); !strings.Contains(string(a.body), "<status>Exercise</status>") || !strings.Contains(string(a.body), "<headline>DIỄN TẬP – ") || !strings.Contains(string(a.body), "<headline>EXERCISE – ") {
		h.t.Errorf("%s", a.body)
	}
	h.ask(404, base, "", "GET", path+"/"+drill, "")
	// Taken back.
	h.ask(201, core, identity.CommandOfficer, "POST", path, strings.Replace(draftOf(newID(), `,"target":"`+id+`"`), `"msg_type":"Alert"`, `"msg_type":"Cancel"`, 1), asJSON)
	h.wait("it is taken back here", func() bool { return h.broadcasts(base)[id].State == "cancelled" })
	if holds("") {
		h.t.Error("the public still sees what was taken back")
	}
}

// points are the answers about places of help; a station has what the core imported.
func (h *held) points(base string) {
	const path = "/api/v1/points"
	core := h.coreURL(0)
	file := `{"type":"FeatureCollection","features":[{"type":"Feature","id":"H-1","properties":{"kind":"hydrant","name":"Trụ 12"},"geometry":{"type":"Point","coordinates":[106.7301,10.72]}},
		{"type":"Feature","properties":{"amenity":"hospital"},"geometry":{"type":"Point","coordinates":[106.74,10.72]}}]}`
	h.ask(200, core, identity.Administrator, "POST", path, file)
	h.wait("the nearest hydrant is known here, with its distance", func() bool {
		var l struct {
			Count int
			Items []struct {
				ID, Kind string
				Distance int `json:"distance_m"`
			}
		}
		h.into(h.ask(200, base, identity.WardOfficer, "GET", path+"?lat=10.72&lon=106.73&limit=3&within=2000&kind=hydrant", ""), &l)
		return l.Count == 2 && len(l.Items) == 1 && l.Items[0].ID == "H-1" && l.Items[0].Distance > 9 && l.Items[0].Distance < 13
	})
	for query, field := range map[string]string{"": "lat", "?lat=10": "lon", "?lat=10&lon=106&within=99999": "within", "?lat=10&lon=106&limit=0": "limit", "?lat=10&lon=106&kind=x": "kind"} {
		var p struct{ Field string }
		if h.into(h.ask(400, base, identity.WardOfficer, "GET", path+query, ""), &p); p.Field != field {
			h.t.Errorf("%s: field %q", query, p.Field)
		}
	}
	h.ask(401, base, "", "GET", path+"?lat=10&lon=106", "")
	h.ask(401, base, "", "POST", path, file)
	h.ask(403, base, identity.CommandOfficer, "POST", path, file)
	var p struct{ Field string }
	if h.into(h.ask(400, core, identity.Administrator, "POST", path, strings.Replace(file, "hospital", "moon", 1)), &p); p.Field != "features[1].properties.kind" {
		h.t.Errorf("field %q", p.Field)
	}
	if base != core {
		h.ask(404, base, identity.Administrator, "POST", path, file)
	}
}

// capFromOutside: another system's message with a polygon, latitude first, finds the ward; what
// is wrong names its element.
func (h *held) capFromOutside() {
	t, core := h.t, h.coreURL(0)
	message := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><alert xmlns=%q><identifier>KTTV-17</identifier><sender>kttv.gov.vn</sender><sent>2026-11-30T08:00:00+07:00</sent>
		<status>Actual</status><msgType>Alert</msgType><scope>Public</scope><info><category>Met</category><event>Triều cường</event><urgency>Expected</urgency><severity>Moderate</severity><certainty>Likely</certainty>
		<expires>%s</expires><headline>Triều cường</headline><area><areaDesc>Ven sông</areaDesc><polygon>10.719,106.729 10.721,106.729 10.721,106.731 10.719,106.729</polygon></area></info></alert>`,
		cap.Namespace, time.Now().Add(time.Hour).Format("2006-01-02T15:04:05-07:00"))
	send := func(want int, body string) reply {
		t.Helper()
		return h.ask(want, core, identity.CommandOfficer, "POST", "/api/v1/alerts", body, asCAP)
	}
	var x warningJSON
	h.into(send(201, message), &x)
	if len(x.Wards) == 0 || !strings.Contains(strings.Join(x.Wards, " "), "27487") {
		t.Errorf("a polygon around 10.72 N, 106.73 E finds %v", x.Wards)
	}
	send(200, message)
	out := h.ask(200, core, "", "GET", "/api/v1/alerts/"+x.ID+".cap", "")
	if read, err := cap.Parse(out.body); err != nil || read.Identifier != "KTTV-17" || read.Sender != "kttv.gov.vn" {
		t.Errorf("%v\n%s", err, out.body)
	}
	for from, to := range map[string][2]string{
		"10.719,106.729 10.721": {"106.729,10.719 10.721", "alert.info[0].area[0].polygon[0]"},
		"<urgency>Expected":     {"<urgency>Soon", "alert.info[0].urgency"},
		"<scope>Public":         {"<scope>Private", "alert.addresses"},
		"<status>Actual":        {"<status>Draft", "alert.status"},
		"<alert ":               {`<!DOCTYPE alert SYSTEM "file:///etc/passwd"><alert `, "alert"},
	} {
		var p struct{ Field string }
		h.into(send(400, strings.Replace(message, from, to[0], 1)), &p)
		if p.Field != to[1] {
			t.Errorf("%s: field %q, want %q", to[0], p.Field, to[1])
		}
	}
}

// wardWarnsItself: a kiosk gets what holds when
// it connects and when it changes, its acknowledgement is counted at the city, a ward
// that is cut off warns its own people, and the city knows that after healing.
func wardWarnsItself(w *town) {
	t := w.t
	st, cmd := w.file.Stations[0].URL, w.file.Command.URL
	ward, command := w.login(st, "ward_officer"), w.login(cmd, "command_officer")
	described, err := contract.NewAsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	p := w.phone(0)
	heard := make(chan string, 100)
	listen := func() bool {
		tok := p.client.Subscribe("wardline/v1/"+p.device.Ward+"/alert", 1, func(_ mqtt.Client, m mqtt.Message) {
			if _, err := described.Message(m.Topic(), m.Payload()); err != nil {
				t.Error(err)
			}
			heard <- string(m.Payload())
		})
		return tok.WaitTimeout(5*time.Second) && tok.Error() == nil
	}
	w.wait("the kiosk reads its ward's warnings", listen)
	hears := func(what string, ok func(string) bool) {
		t.Helper()
		for end := time.After(30 * time.Second); ; {
			select {
			case m := <-heard:
				if ok(m) {
					return
				}
			case <-end:
				t.Fatalf("the kiosk does not hear of %s", what)
			}
		}
	}
	first := newID()
	if status := w.do(command, "POST", cmd+"/api/v1/alerts", []byte(draftOf(first, "")), nil); status != 201 {
		t.Fatal(status)
	}
	hears("the warning", func(m string) bool { return strings.Contains(m, first) })
	list := func(c *http.Client, base string) map[string]warningJSON {
		var l struct{ Items []warningJSON }
		if w.do(c, "GET", base+"/api/v1/broadcasts", nil, &l) != 200 {
			return nil
		}
		out := map[string]warningJSON{}
		for _, x := range l.Items {
			out[x.ID] = x
		}
		return out
	}
	w.wait("the city knows that the kiosk has it", func() bool {
		r := list(command, cmd)[first].Reached
		return len(r) == 1 && r[0].Devices >= 1
	})

	w.control("cut", map[string][]string{"mode": {"refuse"}})
	own := newID()
	w.wait("the ward warns itself once the line is down", func() bool {
		return w.do(ward, "POST", st+"/api/v1/alerts", []byte(draftOf(own, "")), nil) == 201
	})
	hears("the ward's own", func(m string) bool { return strings.Contains(m, own) && strings.Contains(m, first) })
	if status := w.do(ward, "POST", st+"/api/v1/alerts", []byte(strings.Replace(draftOf(newID(), `,"target":"`+first+`"`), `"msg_type":"Alert"`, `"msg_type":"Cancel"`, 1)), nil); status != 403 {
		t.Errorf("a ward takes the city's warning back: %d", status)
	}
	if status := w.do(ward, "POST", st+"/api/v1/alerts", []byte(strings.Replace(draftOf(newID(), ""), string(Ward), "27487", 1)), nil); status != 403 {
		t.Errorf("a ward warns another: %d", status)
	}
	w.control("cut", map[string][]string{"mode": {""}})
	w.wait("the city has the ward's own", func() bool { return list(command, cmd)[own].State == "holds" })
	w.wait("the ward knows that", func() bool { return list(ward, st)[own].Index > 0 })
	takeBack := strings.Replace(draftOf(newID(), `,"target":"`+own+`"`), `"msg_type":"Alert"`, `"msg_type":"Cancel"`, 1)
	if status := w.do(command, "POST", cmd+"/api/v1/alerts", []byte(takeBack), nil); status != 201 {
		t.Fatalf("%d", status)
	}
	hears("its end", func(m string) bool { return !strings.Contains(m, own) && strings.Contains(m, first) })
	// A station that was started again still has what holds, and who connects then gets it.
	w.stop(w.file.Stations[0].ID)
	w.startAgain(w.file.Stations[0].ID)
	w.wait("the kiosk is there again", func() bool { return p.client.IsConnected() && listen() })
	hears("what holds, from a station that was started again", func(m string) bool { return strings.Contains(m, first) })
}
