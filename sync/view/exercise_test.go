package view

import (
	"testing"
	"time"

	"wardline/sync/record"
)

// TestExercise_Practice_CountsNowhereUntilItIsReal: neither in the figures nor in its
// source's history; an officer's word that it is real brings it into both.
func TestExercise_Practice_CountsNowhereUntilItIsReal(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	v, stop := start(t, t.TempDir(), m)
	defer stop()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, hcm).UnixMilli()
	m.incident(1, noon, "ward/26704", record.Fire, "true:seen", [4]int64{10, 20, 0, 0})
	id, drill := record.ID{7}, record.ID{9}
	report := record.Body{ID: record.ID{8}, Incident: id, Kind: record.KindReport, Origin: "core", ReceivedAt: noon, HLC: record.HLCAt(noon), Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"},
		Payload: record.Payload{Report: id, Category: record.Fire, Flags: record.FlagExercise, Target: drill}}
	m.add(report)
	row := func() Row {
		t.Helper()
		for _, r := range list(t, v, m, Query{Limit: 10}).Rows {
			if r.ID == id {
				return r
			}
		}
		t.Fatal("it is in no list")
		return Row{}
	}
	if r := row(); r.Exercise != drill {
		t.Errorf("%+v", r)
	}
	if n := tally(t, v, m, Span{}).Total.Count; n != 1 {
		t.Errorf("%d are counted", n)
	}
	if h, err := v.Source("app-1"); err != nil || h.Reports != 0 {
		t.Errorf("%+v %v", h, err)
	}
	m.add(record.Body{ID: record.ID{10}, Incident: id, Kind: record.KindReal, Origin: "core", HLC: record.HLCAt(noon + 1), Deps: []record.ID{report.ID}, Actor: record.Actor{Kind: record.ByOfficer, Name: "lan", Unit: record.Command}})
	if r := row(); !r.Exercise.Zero() {
		t.Errorf("%+v", r)
	}
	if n := tally(t, v, m, Span{}).Total.Count; n != 2 {
		t.Errorf("%d are counted once it is real", n)
	}
	if h, err := v.Source("app-1"); err != nil || h.Reports != 1 {
		t.Errorf("%+v %v", h, err)
	}
}
