package view

import (
	"fmt"
	"testing"
	"time"

	"wardline/sync/record"
)

var hcm = time.FixedZone("ICT", 7*3600)

// incident commits an incident with its routing and an officer's steps, seconds after it
// was received; 0: the step was not done.
func (m *memory) incident(n int, at int64, lead record.UnitID, category record.Category, verdict string, steps [4]int64) record.ID {
	id := record.DerivedID("t", fmt.Append(nil, n))
	m.add(record.Body{ID: record.DerivedID("report", id[:], []byte("core")), Incident: id, Kind: record.KindReport, Origin: "core", ReceivedAt: at, HLC: record.HLCAt(at),
		Payload: record.Payload{Report: id, Category: category}})
	m.add(record.Body{ID: record.DerivedID("routed", id[:]), Incident: id, Kind: record.KindRouted, Origin: "core", HLC: record.HLCAt(at), Deps: []record.ID{record.DerivedID("report", id[:], []byte("core"))},
		Payload: record.Payload{Report: id, Lead: lead, Told: []record.UnitID{lead, "PC07", record.Command}, Priority: 1,
			Deadlines: []record.Deadline{{Step: "claim", At: at + 60_000}, {Step: "resolve", At: at + 3600_000}}}})
	for i, k := range []record.Kind{record.KindClaim, record.KindVerify, record.KindDispatch, record.KindResolve} {
		if steps[i] == 0 {
			continue
		}
		b := record.Body{ID: record.DerivedID("s", id[:], []byte{byte(i)}), Incident: id, Kind: k, Origin: "core", HLC: record.HLCAt(at + steps[i]*1000),
			Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: lead}}
		if k == record.KindVerify {
			b.Payload.Reason = verdict
		}
		m.add(b)
	}
	return id
}

func tally(t *testing.T, v *View, m *memory, s Span) Tally {
	t.Helper()
	list(t, v, m, Query{Limit: 1})
	if s.Zone == nil {
		s.Zone = hcm
	}
	out, err := v.Tally(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTally_TimesLatenessAndFalseShare_AreThoseOfTheEntries, also after a restart.
func TestTally_TimesLatenessAndFalseShare_AreThoseOfTheEntries(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	dir := t.TempDir()
	v, stop := start(t, dir, m)
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, hcm).UnixMilli()
	for n := range 10 { // claimed after 10, 20, … 100 s: four too late
		verdict := "true:seen"
		if n < 3 {
			verdict = "false:prank"
		}
		m.incident(n, noon+int64(n)*1000, "ward/26704", record.Fire, verdict, [4]int64{int64(n+1) * 10, int64(n+1) * 100, 0, int64(n+1) * 500})
	}
	open := m.incident(10, noon+3600_000, "ward/26740", record.Medical, "", [4]int64{})
	list(t, v, m, Query{Limit: 1})
	stop()
	v, stop = start(t, dir, m)
	defer stop()
	got := tally(t, v, m, Span{Now: noon + 3600_000 + 30_000})
	want := TallyLine{Count: 11, Open: 11, Verdicts: 10, False: 3, Steps: [4]StepTally{{Done: 10, Due: 11, Late: 4, Median: 50, P90: 90}, {Done: 10, Median: 500, P90: 900}, {}, {Done: 10, Due: 11, Late: 3, Median: 2500, P90: 4500}}}
	if got.Total != want {
		t.Errorf("total\n%+v\nwant\n%+v", got.Total, want)
	}
	if got = tally(t, v, m, Span{Now: noon + 3600_000 + 61_000}); got.Total.Steps[0].Late != 5 {
		t.Errorf("nobody claimed it in time: %+v", got.Total.Steps[0])
	}
	if len(got.Wards) != 2 || got.Wards[0].Key != "ward/26704" || got.Wards[0].Count != 10 || len(got.Kinds) != 2 || len(got.Hours) != 2 || got.Hours[0].Key != "12" || got.Hours[1].Key != "13" {
		t.Errorf("groups %+v", got)
	}
	for _, c := range []struct {
		s    Span
		want int
	}{{Span{From: noon + 9000}, 2}, {Span{To: noon + 9000}, 9}, {Span{From: noon + 2000, To: noon + 4000}, 2}, {Span{Lead: "ward/26740"}, 1}, {Span{Category: record.Fire}, 10},
		{Span{Unit: "PC07"}, 11}, {Span{Unit: "ward/26704"}, 10}, {Span{Unit: "PC08"}, 0}} {
		if got := tally(t, v, m, c.s); got.Total.Count != c.want {
			t.Errorf("%+v: %d, want %d", c.s, got.Total.Count, c.want)
		}
	}
	m.add(record.Body{ID: record.ID{9}, Incident: open, Kind: record.KindClose, Origin: "core", HLC: record.HLCAt(noon + 3700_000), Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.Command}, Payload: record.Payload{Reason: "duplicate"}})
	if got = tally(t, v, m, Span{Now: noon + 9_000_000}); got.Total.Count != 11 || got.Total.Open != 10 || got.Total.Verdicts != 11 || got.Total.Steps[0].Late != 4 {
		t.Errorf("closed without a claim is not late any more: %+v", got.Total)
	}
}

// TestReached_StepOfAUnitThatNeverLed_OrWithdrawn_DoesNotCount.
func TestReached_StepOfAUnitThatNeverLed_OrWithdrawn_DoesNotCount(t *testing.T) {
	m := &memory{changed: make(chan struct{})}
	at := int64(1_000_000)
	id := m.incident(1, at, "ward/26704", record.Fire, "", [4]int64{50, 0, 0, 0})
	by := func(n byte, kind record.Kind, unit record.UnitID, seconds int64, target record.ID) {
		m.add(record.Body{ID: record.ID{n}, Incident: id, Kind: kind, Origin: "core", HLC: record.HLCAt(at + seconds*1000), Actor: record.Actor{Kind: record.ByOfficer, Name: "x", Unit: unit}, Payload: record.Payload{Target: target}})
	}
	by(1, record.KindClaim, "PC07", 5, record.ID{})
	by(2, record.KindDispatch, "ward/26704", 70, record.ID{})
	by(3, record.KindWithdraw, "ward/26704", 75, record.ID{2})
	by(4, record.KindVerify, record.Command, 80, record.ID{})
	bodies, err := m.Bodies(id)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := record.Fold(id, bodies).Reached(), (record.Reached{Claim: at + 50_000, Verify: at + 80_000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// BenchmarkTally counts a month of 100,000 incidents.
func BenchmarkTally(b *testing.B) {
	m := &memory{changed: make(chan struct{})}
	dir := b.TempDir()
	const n = 100_000
	for i := range n {
		id := record.DerivedID("t", fmt.Append(nil, i))
		m.rows = append(m.rows, Committed{uint64(2*i + 1), record.Body{ID: record.DerivedID("report", id[:], []byte("core")), Incident: id, Kind: record.KindReport, Origin: "core", ReceivedAt: int64(i+1) * 25_000,
			Payload: record.Payload{Report: id, Category: record.Categories[i%8]}}},
			Committed{uint64(2*i + 2), record.Body{ID: record.DerivedID("routed", id[:]), Incident: id, Kind: record.KindRouted, Origin: "core", Deps: []record.ID{record.DerivedID("report", id[:], []byte("core"))},
				Payload: record.Payload{Report: id, Lead: record.UnitID(fmt.Sprintf("ward/%05d", 26700+i%168)), Deadlines: []record.Deadline{{Step: "claim", At: int64(i+1)*25_000 + 60_000}}}}})
	}
	v, stop := start(b, dir, m)
	defer stop()
	list(b, v, m, Query{Limit: 1})
	b.Run(fmt.Sprintf("incidents=%d", n), func(b *testing.B) {
		for b.Loop() {
			if t, err := v.Tally(Span{Zone: hcm, Now: 1 << 40}); err != nil || t.Total.Count != n {
				b.Fatal(t.Total, err)
			}
		}
	})
}
