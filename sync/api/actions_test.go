package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// desk is a node that holds one incident and takes every action.
type desk struct {
	api.Backend
	bodies []record.Body
	plain  map[record.KeyID]string // of sealed parts
	acted  []record.Body
}

func (d *desk) Bodies(context.Context, record.ID) (out []api.Stored, _ error) {
	for i, b := range d.bodies {
		out = append(out, api.Stored{Position: uint64(i + 1), Body: b})
	}
	return out, nil
}

func (d *desk) Source(string) (view.History, error) { return view.History{}, nil }

func (d *desk) Act(_ context.Context, b record.Body, _ *api.SealedKey) (api.Done, error) {
	d.acted = append(d.acted, b)
	return api.Done{Position: 1}, nil
}

func (d *desk) Open(_ uint64, s *record.Sealed) ([]byte, error) { return []byte(d.plain[s.Key]), nil }

// ask sends one request as an officer of the ward, who has a colleague, and
// with an officer of PC99, a department that no list names.
func (d *desk) ask(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	me := identity.Officer{User: "lan", Role: identity.WardOfficer, Unit: "ward/26704"}
	dir := identity.NewDirectory()
	for _, o := range []identity.Officer{me, {User: "minh", Role: identity.WardOfficer, Unit: "ward/26704"}, {User: "reader", Role: identity.Auditor, Unit: "ward/26704"},
		{User: "far", Role: identity.DepartmentOfficer, Unit: "PC99"}} {
		if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
			t.Fatal(err)
		}
	}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
	s := api.New(api.Config{Backend: d, Directory: dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Cookie", "wardline_session="+sessions.Start(me))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

var fire = record.Body{ID: record.ID{2}, Incident: record.ID{1}, Kind: record.KindReport, Origin: record.StationOrigin("26704"),
	Payload: record.Payload{Report: record.ID{1}, Category: record.Fire}}

// TestAction_NamingWhoIsNot_IsRefused: an incident with a unit or an officer
// that does not exist could be accepted and released by nobody.
func TestAction_NamingWhoIsNot_IsRefused(t *testing.T) {
	for _, c := range []struct {
		fields, field string // field is empty when it is taken
	}{
		{`"action":"forward","to_unit":"NOPE"`, "to_unit"},
		{`"action":"forward","to_unit":"ward/12"`, "to_unit"},
		{`"action":"forward","to_unit":"PC07"`, ""},
		{`"action":"forward","to_unit":"PC99"`, ""}, // has an officer
		{`"action":"forward","to_unit":"command"`, ""},
		{`"action":"forward","to_unit":"ward/26740"`, ""},
		{`"action":"handover","to_officer":"zzz"`, "to_officer"},
		{`"action":"handover","to_officer":"far"`, "to_officer"},    // of another unit
		{`"action":"handover","to_officer":"reader"`, "to_officer"}, // may not act
		{`"action":"handover","to_officer":"minh"`, ""},
	} {
		d := &desk{bodies: []record.Body{fire}}
		id := record.ID{1}
		w := d.ask(t, "POST", "/api/v1/incidents/"+id.String()+"/actions", `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f",`+c.fields+`}`)
		var p struct{ Field, Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		want := 200
		if c.field != "" {
			want = 400
		}
		if w.Code != want || p.Field != c.field || (len(d.acted) == 1) != (c.field == "") {
			t.Errorf("%s: %d %s", c.fields, w.Code, w.Body)
		}
	}
}

// TestDetail_TwoSummaries_ShowTheirWords: who settles them must read both.
func TestDetail_TwoSummaries_ShowTheirWords(t *testing.T) {
	d := &desk{bodies: []record.Body{fire}, plain: map[record.KeyID]string{}}
	for i, text := range []string{"tầng 3", "tầng 5"} {
		key := record.KeyID{byte(i + 1)}
		d.plain[key] = fmt.Sprintf(`{"summary":%q}`, text)
		b := record.Body{ID: record.ID{byte(i + 3)}, Incident: record.ID{1}, Kind: record.KindClassify, Origin: record.CoreOrigin, Deps: []record.ID{fire.ID},
			Actor:   record.Actor{Kind: record.ByOfficer, Name: "command", Unit: record.Command},
			Payload: record.Payload{Flags: record.FlagSummary, Sealed: &record.Sealed{Key: key}}}
		d.bodies = append(d.bodies, b)
	}
	id := record.ID{1}
	w := d.ask(t, "GET", "/api/v1/incidents/"+id.String(), "")
	var in struct {
		Summary   string
		Conflicts []struct {
			Field  string
			Shown  struct{ Value string }
			Others []struct{ Value string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &in); err != nil || len(in.Conflicts) != 1 || len(in.Conflicts[0].Others) != 1 {
		t.Fatal(err, w.Body)
	}
	c := in.Conflicts[0]
	if c.Shown.Value != in.Summary || c.Shown.Value == c.Others[0].Value || !strings.HasPrefix(c.Shown.Value, "tầng") || !strings.HasPrefix(c.Others[0].Value, "tầng") {
		t.Errorf("%+v", in)
	}
}

// TestAction_FieldThatIsNone_IsNamed: a typing error is neither taken nor
// called a fault of the JSON.
func TestAction_FieldThatIsNone_IsNamed(t *testing.T) {
	d := &desk{bodies: []record.Body{fire}}
	id := record.ID{1}
	w := d.ask(t, "POST", "/api/v1/incidents/"+id.String()+"/actions", `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","action":"note","texxt":"smoke"}`)
	var p struct{ Type, Field string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || p.Type != "/problems/unknown-field" || p.Field != "texxt" {
		t.Errorf("%d %s (%v), want 400 unknown-field texxt", w.Code, w.Body, err)
	}
}
