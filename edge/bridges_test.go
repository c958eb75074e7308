package edge

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"wardline/edge/bridge"
	"wardline/edge/bridge/mosquittotest"
	"wardline/edge/intake"
	"wardline/sync/identity"
	"wardline/sync/record"
)

const reportTopic = "wardline/v1/26704/app-1/report"

func newReport(category string) (id string, raw []byte) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	id = record.ID(b).String()
	return id, fmt.Appendf(nil, `{"id":%q,"category":%q,"text":"cháy nhà","location":{"lat":10.72,"lon":106.73,"accuracy_m":20}}`, id, category)
}

func bridgedConfig(t *testing.T, m *mosquittotest.Broker) Config {
	c := testConfig(t.TempDir())
	c.Bridges = []bridge.Config{{Name: "hall", URL: m.URL()}}
	return c
}

func mustBeBridged(t *testing.T, s *station) *desk {
	t.Helper()
	d := newDesk(t, "http://"+s.HTTPAddr())
	waitFor(t, "log-in", d.login)
	waitFor(t, "the bridge is up at the desk", func() bool { return d.bridged().Online })
	return d
}

func TestStation_PublishedWhileDown_ArrivesExactlyOnce(t *testing.T) {
	m := mosquittotest.Start(t, "")
	c := bridgedConfig(t, m)
	s := startStation(t, c)
	mustBeBridged(t, s)
	s.stop()
	p := m.Client("app-1")
	var ids []string
	for range 300 {
		id, raw := newReport("fire")
		ids = append(ids, id)
		m.Publish(p, reportTopic, 1, false, raw)
	}
	for range 2 { // the second start finds nothing new
		s = startStation(t, c)
		mustBeBridged(t, s)
		waitFor(t, "all have come", func() bool { return len(s.reports(t)) == len(ids) })
		s.stop()
	}
	s = startStation(t, c)
	n := s.reports(t)
	for _, id := range ids {
		if n[id] != 1 {
			t.Errorf("report %s stands there %d times", id, n[id])
		}
	}
	if got := s.door.Counts().Reports.Load(); got != 0 {
		t.Errorf("%d reports came again as new", got)
	}
}

func TestStation_MalformedOverABridge_IsShownAndDoesNotJam(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 1")
	c := bridgedConfig(t, m)
	c.Bridges[0].Filters = []string{"#"}
	s := startStation(t, c)
	mustBeBridged(t, s)
	p := m.Client("app-1")
	id, good := newReport("panic")
	for _, x := range []struct {
		topic string
		raw   []byte
	}{
		{"elsewhere/report", good},
		{"wardline/v1/26704/app-1/status", good},
		{reportTopic, nil},
		{reportTopic, []byte("{")},
		{reportTopic, []byte(`{"id":"x","category":"fire"}`)},
		{reportTopic, []byte("{\"id\":\"\xff\"}")},
		{reportTopic, append(bytes.Repeat([]byte(" "), 1<<20), good...)},
		{reportTopic, good},
	} {
		m.Publish(p, x.topic, 1, false, x.raw)
	}
	waitFor(t, "the good one is there", func() bool { return s.reports(t)[id] == 1 })
	rows, err := s.ledger.Quarantined(100)
	if err != nil || len(rows) != 7 {
		t.Fatalf("%d kept as malformed, %v", len(rows), err)
	}
	fields := map[string]int{}
	for _, raw := range rows {
		var x intake.Malformed
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatal(err)
		}
		if x.Via != "bridge" || !strings.HasPrefix(x.Device, "hall") {
			t.Errorf("%+v", x)
		}
		fields[x.Field]++
	}
	if fields["topic"] != 2 || fields["id"] < 1 {
		t.Errorf("%v", fields)
	}
}

// A device behind a bridge that calls itself as a device of the station does
// neither speak for it nor read what it sent.
func TestStation_BridgedDevice_DoesNotPassForOneOfTheStation(t *testing.T) {
	m := mosquittotest.Start(t, "")
	s := startStation(t, bridgedConfig(t, m))
	mustBeBridged(t, s)
	id, raw := newReport("fire")
	m.Publish(m.Client("stranger"), reportTopic, 1, false, raw)
	waitFor(t, "it has come", func() bool { return s.reports(t)[id] == 1 })
	rid, err := record.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.ledger.Incident(rid)
	if err != nil || len(rows) == 0 || rows[0].Body.Actor.Name != "hall/app-1" {
		t.Fatalf("%+v %v", rows, err)
	}
	r, err := http.NewRequest("GET", "http://"+s.HTTPAddr()+"/api/v1/reports/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("app-1", testPassword)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if a.StatusCode == 200 {
		t.Error("the station's own app-1 may read it")
	}
	c := s.c
	c.Devices = append(c.Devices, identity.DeviceAccount{ID: "hall/app-1", Password: testPassword, Ward: "26704", Kind: "app"})
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "bridges[0].name") {
		t.Errorf("a device named as one behind the bridge: %v", err)
	}
	c.Bridges = append(c.Bridges, bridge.Config{Name: "hall", URL: "tcp://h"}, bridge.Config{Name: "x", URL: "nonsense"})
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "bridges[1].name") || !strings.Contains(err.Error(), "bridges[2].url") {
		t.Errorf("%v", err)
	}
}

func TestStation_RetainedReport_IsOneReportHoweverOftenItConnects(t *testing.T) {
	m := mosquittotest.Start(t, "")
	c := bridgedConfig(t, m)
	id, raw := newReport("fire")
	m.Publish(m.Client("app-1"), reportTopic, 1, true, raw)
	for i := range 3 {
		s := startStation(t, c)
		mustBeBridged(t, s)
		waitFor(t, "it has come", func() bool { return s.bridges[0].Status().Kept == 1 })
		if n := s.reports(t)[id]; n != 1 {
			t.Fatalf("start %d: %d reports", i, n)
		}
		s.stop()
	}
}

// A full disk takes urgent reports only; the routine ones wait at the broker
// and come once there is room.
func TestStation_NoRoomForRoutine_UrgentPassesAndRoutineComesLater(t *testing.T) {
	m := mosquittotest.Start(t, "max_inflight_messages 0")
	c := bridgedConfig(t, m)
	c.ReserveMB = 1 << 40
	s := startStation(t, c)
	d := mustBeBridged(t, s)
	p := m.Client("app-1")
	var routine []string
	for range 50 {
		id, raw := newReport("feedback")
		routine = append(routine, id)
		m.Publish(p, reportTopic, 1, false, raw)
	}
	urgent, raw := newReport("panic")
	m.Publish(p, reportTopic, 1, false, raw)
	waitFor(t, "the urgent one gets through", func() bool { return s.reports(t)[urgent] == 1 })
	waitFor(t, "the desk says that the others wait", func() bool { return strings.Contains(d.bridged().Detail, "wait at the broker") })
	if n := len(s.reports(t)); n != 1 {
		t.Fatalf("%d reports", n)
	}
	s.stop()
	c.ReserveMB = 0
	s = startStation(t, c)
	waitFor(t, "the routine ones come", func() bool { return len(s.reports(t)) == 51 })
	for _, id := range append(routine, urgent) {
		if n := s.reports(t)[id]; n != 1 {
			t.Errorf("%s: %d", id, n)
		}
	}
}
