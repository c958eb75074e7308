package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wardline/sync/api"
	"wardline/sync/api/contract"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// longLog is a log that has entries of one incident at its last two positions
// and is otherwise too long for a test to have.
type longLog struct {
	last uint64
	also []record.ID // incidents that its entries are about too
}

// node is a node with such a log; nothing else is asked of it here.
type node struct {
	api.Backend
	log  *longLog
	line string
	// logout is when the officer logs out; 0 is never.
	logout time.Duration
}

func (n *node) Log() view.Log { return n.log }
func (n *node) Here(record.ID) ([]api.Stored, error) {
	return []api.Stored{{Position: n.log.last, Body: n.log.body()}}, nil
}
func (n *node) CityIndex() uint64 { return n.log.last }
func (n *node) Line() api.Line    { return api.Line{State: n.line} }

func (l *longLog) Position() uint64         { return l.last }
func (l *longLog) Changed() <-chan struct{} { return make(chan struct{}) }

func (l *longLog) body() record.Body {
	return record.Body{ID: record.ID{2}, Incident: record.ID{1}, Kind: record.KindReport, Origin: record.CoreOrigin, Payload: record.Payload{Report: record.ID{1}, Category: record.Fire, Incidents: l.also}}
}

func (l *longLog) After(pos uint64, limit int) (out []view.Committed, _ error) {
	for p := max(pos+1, l.last-1); p <= l.last && len(out) < limit; p++ {
		out = append(out, view.Committed{Position: p, Body: l.body()})
	}
	return out, nil
}

func (l *longLog) Bodies(record.ID) ([]record.Body, error) { return []record.Body{l.body()}, nil }

// live gives what a stream says until the given time has passed.
func live(t *testing.T, n *node, lastID string, d time.Duration) string {
	t.Helper()
	o := identity.Officer{User: "command", Role: identity.CommandOfficer, Unit: record.Command}
	dir := identity.NewDirectory()
	if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
		t.Fatal(err)
	}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
	s := api.New(api.Config{Backend: n, Directory: dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	r := httptest.NewRequest("GET", "/api/v1/live", nil).WithContext(ctx)
	token := sessions.Start(o)
	r.Header.Set("Cookie", "wardline_session="+token)
	if n.logout > 0 {
		defer time.AfterFunc(n.logout, func() { _ = sessions.End(context.Background(), token, false) }).Stop()
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
	s.Handler().ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err, string(raw))
	}
	return string(raw)
}

// deadlineWriter takes the write deadline that a stream sets.
type deadlineWriter struct{ *httptest.ResponseRecorder }

func (*deadlineWriter) SetWriteDeadline(time.Time) error { return nil }

func TestLive_PositionTooFarBackOrNotOurs_Resets(t *testing.T) {
	for id, reset := range map[string]bool{"0": true, "99999": true, "100000": false, "199998": false, "200000": false, "200001": true, "": false} {
		synctest.Test(t, func(t *testing.T) {
			said := live(t, &node{log: &longLog{last: 200_000}, line: "local"}, id, time.Second)
			if strings.HasPrefix(said, "event: reset\nid: 200000\ndata: {\"index\":200000}\n\n") != reset {
				t.Errorf("from %q: %s", id, said)
			}
			if strings.Contains(said, "event: incident") != (id == "100000" || id == "199998") {
				t.Errorf("from %q: %s", id, said)
			}
		})
	}
}

func TestLive_EachHeartbeat_CarriesTheLine(t *testing.T) {
	o, err := contract.NewOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := &node{log: &longLog{last: 10}, line: "connected"}
		said := live(t, n, "8", 4*api.Heartbeat+time.Second)
		beats := 0
		for _, e := range strings.Split(strings.TrimSuffix(said, "\n\n"), "\n\n") {
			name, rest, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\n")
			_, data, _ := strings.Cut(rest, "data: ")
			schema := map[string]string{"heartbeat": "LiveHeartbeat", "incident": "LiveIncident", "reset": "LiveReset"}[name]
			if err := o.Schema(schema, []byte(data)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name == "heartbeat" && strings.Contains(data, `"state":"connected"`) {
				beats++
			}
		}
		if beats != 5 { // at once, then each 5 s
			t.Errorf("%d heartbeats in 21 s:\n%s", beats, said)
		}
	})
}

// An entry about two incidents gives two events with one id; the connection can
// break between them.
func TestLive_ResumedAtAnEntryAboutTwoIncidents_GivesTheOtherAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{log: &longLog{last: 10, also: []record.ID{{7}}}, line: "local"}
		said := live(t, n, "9", time.Second)
		if strings.Count(said, "id: 10\n") != 2 || strings.Count(said, "id: 9\n") != 1 || strings.Count(said, record.ID{7}.String()+`","reports"`) != 2 {
			t.Errorf("%s", said)
		}
		if said := live(t, n, "10", time.Second); strings.Count(said, "event: incident\nid: 10\n") != 1 || !strings.Contains(said, record.ID{7}.String()+`","reports"`) {
			t.Errorf("%s", said)
		}
		n.log.also = nil
		if said := live(t, n, "10", time.Second); strings.Contains(said, "event: incident") {
			t.Errorf("%s", said)
		}
	})
}

func TestLive_OfficerLogsOut_StreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := &node{log: &longLog{last: 10}, line: "local", logout: 11 * time.Second}
		if said := live(t, n, "", time.Hour); time.Since(began) != 15*time.Second || strings.Count(said, "event: heartbeat") != 3 {
			t.Errorf("ended after %v: %s", time.Since(began), said)
		}
	})
}
