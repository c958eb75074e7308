package core

import (
	"context"
	"strings"
	"testing"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/wire"
)

// stations is what a node tells a desk, by ward.
func (x *testNode) stations() map[string]api.Station {
	x.t.Helper()
	list, err := backend{x.n}.Stations(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	out := map[string]api.Station{}
	for _, s := range list {
		out[string(s.Ward)] = s
	}
	return out
}

// stationsOfAnyLine: a station has its line to one
// node and the desk asks another one; a ward that is heard must not look silent, nor
// a silent one be missing from the list.
func stationsOfAnyLine(t *testing.T, city []*testNode) {
	city[0].mustReport(1, "fire")
	// One that came before and is silent since the nodes began.
	if _, err := city[0].n.propose(context.Background(), cluster.Urgent, fsm.Station("26740")); err != nil {
		t.Fatal(err)
	}
	city[1].n.line.lives.up("ward-26704", 7)
	for _, x := range city {
		waitFor(t, "the stations at "+x.c.ID, func() bool {
			all := x.stations()
			on, known := all["26704"], all["26740"]
			return on.Connected && on.LastHeard != nil && known.ID != "" && !known.Connected && known.LastHeard == nil
		})
	}
	city[1].n.line.health("ward-26704", &wire.Health{WallMs: time.Now().UnixMilli() + 60_000, FreeBytes: 5, Room: "odd", Lag: 3, Incarnation: 9, Alarms: []string{strings.Repeat("đ", 500), "b", "c", "d"}})
	for _, x := range city {
		waitFor(t, "what the station says of itself, at "+x.c.ID, func() bool {
			s := x.stations()["26704"]
			h := s.Health
			return h != nil && h.ClockMS > 50_000 && h.Free == 5 && h.Room == "none" && h.Lag == 3 && h.Incarnation != "" && len(s.Alarms) == maxHealthAlarms && len([]rune(s.Alarms[0])) == maxHealthAlarm
		})
	}
	city[1].n.line.lives.gone("ward-26704", 7)
	for _, x := range city {
		waitFor(t, "a lost line at "+x.c.ID, func() bool { s := x.stations()["26704"]; return !s.Connected && s.LastHeard != nil })
	}
	city[1].stop() // what it heard passes with it; who came is known still
	if _, known := city[0].stations()["26740"]; !known {
		t.Error("a station that came before is not in the list")
	}
	city[1].start()
}
