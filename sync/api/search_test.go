package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/search"
	"wardline/sync/view"
)

// found is a node with a log of entries whose sealed parts are plain, and a real index over it.
type found struct {
	desk
	index *search.Index
	gone  map[record.KeyID]bool // keys that were destroyed
	done  chan struct{}
}

func (f *found) Position() uint64         { return uint64(len(f.bodies)) }
func (f *found) Changed() <-chan struct{} { return f.done }
func (f *found) Index() *search.Index     { return f.index }
func (f *found) Log() view.Log            { return f.log() }

func (f *found) Here(id record.ID) (out []api.Stored, _ error) {
	for i, b := range f.bodies {
		if b.Incident == id {
			out = append(out, api.Stored{Position: uint64(i + 1), Body: b})
		}
	}
	return out, nil
}

func (f *found) Open(_ uint64, s *record.Sealed) ([]byte, error) {
	if f.gone[s.Key] {
		return nil, record.ErrSealed
	}
	return []byte(f.plain[s.Key]), nil
}

// foundLog is the log as an index and a stream see it.
type foundLog struct{ f *found }

func (f *found) log() foundLog { return foundLog{f} }

func (l foundLog) Position() uint64         { return l.f.Position() }
func (l foundLog) Changed() <-chan struct{} { return l.f.Changed() }
func (l foundLog) Open(at uint64, s *record.Sealed) ([]byte, error) {
	return l.f.Open(at, s)
}
func (l foundLog) Bodies(record.ID) ([]record.Body, error) { return nil, nil }

func (l foundLog) After(pos uint64, limit int) (out []view.Committed, _ error) {
	for i := int(pos); i < len(l.f.bodies) && len(out) < limit; i++ {
		out = append(out, view.Committed{Position: uint64(i + 1), Body: l.f.bodies[i]})
	}
	return out, nil
}

func (l foundLog) Entries(id record.ID) (out []search.Entry, _ error) {
	rows, err := l.f.Here(id)
	for _, r := range rows {
		out = append(out, search.Entry{Position: r.Position, Body: r.Body})
	}
	return out, err
}

// newFound has one incident for each list of told units; each says "cháy nhà".
func newFound(t *testing.T, told ...[]record.UnitID) *found {
	t.Helper()
	f := &found{desk: desk{plain: map[record.KeyID]string{}}, gone: map[record.KeyID]bool{}, done: make(chan struct{})}
	for i, units := range told {
		id := record.ID{byte(i + 1)}
		key := record.KeyID{byte(i + 1)}
		f.plain[key] = `{"text":"cháy nhà","place_text":"đường Lê Lợi","reporter":{"name":"Quỳnh","phone":"0909"}}`
		f.bodies = append(f.bodies, record.Body{ID: record.ID{byte(i + 1), 1}, Incident: id, Kind: record.KindReport, Origin: record.CoreOrigin, ReceivedAt: int64(i+1) * 1000,
			Payload: record.Payload{Report: id, Category: record.Fire, Sealed: &record.Sealed{Key: key}}},
			record.Body{ID: record.ID{byte(i + 1), 2}, Incident: id, Kind: record.KindRouted, Origin: record.CoreOrigin, HLC: 1, Payload: record.Payload{Lead: units[0], Told: units, Priority: 1}})
	}
	f.index = search.New(search.Options{Dir: t.TempDir(), Log: f.log(), Key: func() ([32]byte, error) { return [32]byte{1}, nil }, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.index.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	until, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	f.index.CatchUp(until, f.Position())
	return f
}

// ask is what an officer finds.
func (f *found) ask(t *testing.T, o identity.Officer, query string) (status int, ids []string, body string) {
	t.Helper()
	dir := identity.NewDirectory()
	if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
		t.Fatal(err)
	}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
	s := api.New(api.Config{Backend: f, Directory: dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest("GET", "/api/v1/search?"+query, nil)
	r.Header.Set("Cookie", "wardline_session="+sessions.Start(o))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	var page struct {
		Items []struct {
			Row struct {
				ID string `json:"id"`
			} `json:"row"`
		} `json:"items"`
	}
	if w.Code == 200 {
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range page.Items {
		ids = append(ids, x.Row.ID)
	}
	return w.Code, ids, w.Body.String()
}

// TestSearch_Officers_FindWhatTheirUnitWasToldOf_AndNobodyFindsWhoReported.
func TestSearch_Officers_FindWhatTheirUnitWasToldOf_AndNobodyFindsWhoReported(t *testing.T) {
	f := newFound(t, []record.UnitID{"ward/26704", record.Command}, []record.UnitID{"ward/26740", "PC07", record.Command}, []record.UnitID{"ward/26704", "PC07", record.Command})
	one, two, three := record.ID{1}.String(), record.ID{2}.String(), record.ID{3}.String()
	for _, c := range []struct {
		role identity.Role
		unit record.UnitID
		want []string
	}{
		{identity.WardOfficer, "ward/26704", []string{three, one}}, {identity.WardOfficer, "ward/26740", []string{two}}, {identity.WardOfficer, "ward/27031", nil},
		{identity.DepartmentOfficer, "PC07", []string{three, two}}, {identity.Supervisor, "ward/26740", []string{two}},
		{identity.CommandOfficer, record.Command, []string{three, two, one}}, {identity.Auditor, record.Command, []string{three, two, one}},
	} {
		o := identity.Officer{User: "lan", Role: c.role, Unit: c.unit}
		if _, got, body := f.ask(t, o, "q=chay+nha"); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s finds %v: %s", c.role, c.unit, got, body)
		}
		if _, got, body := f.ask(t, o, "q=quynh"); len(got) > 0 || strings.Contains(body, "Quỳnh") {
			t.Errorf("%s finds who reported: %s", c.role, body)
		}
		if _, got, _ := f.ask(t, o, "q="+two); (len(got) == 1) != slices.Contains(c.want, two) {
			t.Errorf("%s of %s by id: %v", c.role, c.unit, got)
		}
	}
}

// TestSearch_KeyThatIsGone_NothingOfItIsFoundOrShown, before the index knows of it.
func TestSearch_KeyThatIsGone_NothingOfItIsFoundOrShown(t *testing.T) {
	f := newFound(t, []record.UnitID{"ward/26704"}, []record.UnitID{"ward/26704"})
	o := identity.Officer{User: "lan", Role: identity.CommandOfficer, Unit: record.Command}
	f.gone[record.KeyID{2}] = true
	_, got, body := f.ask(t, o, "q=le+loi")
	if !slices.Equal(got, []string{record.ID{1}.String()}) {
		t.Errorf("found %v: %s", got, body)
	}
	if _, got, _ = f.ask(t, o, "q="+record.ID{2}.String()); len(got) != 1 {
		t.Errorf("by its id: %v", got)
	}
	if code, _, body := f.ask(t, o, "q=%2C"); code != 400 || !strings.Contains(body, "no-words") {
		t.Errorf("no word: %d %s", code, body)
	}
}
