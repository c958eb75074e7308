package fsm

import (
	"testing"

	"wardline/sync/record"
	"wardline/sync/routing"
)

func TestMachine_AnotherCategory_TellsItsDepartments(t *testing.T) {
	for _, at := range []record.Origin{record.CoreOrigin, station} {
		m := open(t)
		w := &writer{inc: 7}
		first := report(station, 1, 1) // a fire
		do(t, m, batchOf(w.entry(first)))
		b := &record.Body{ID: record.DerivedID("c"), Incident: first.Incident, Kind: record.KindClassify, Origin: at, HLC: first.HLC + 10, Deps: []record.ID{first.ID},
			Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.WardUnit("26704")}, Payload: record.Payload{Category: record.TrafficAccident}}
		apply := func(b *record.Body) {
			t.Helper()
			item := Body(encode(t, b), nil)
			if at == station {
				item = batchOf(w.entry(b))
			}
			if r := do(t, m, item); r.Status != OK {
				t.Fatalf("%+v", r)
			}
		}
		apply(b)
		fold := func() *record.Incident { return foldOf(t, m, first.Incident) }
		in := fold()
		rule := routing.DefaultRules().For(record.TrafficAccident, false)
		if _, ok := in.Unit("PC08"); !ok || in.Priority != rule.Priority || in.Deadlines[0].At != now+rule.Limits[0].Within.Milliseconds() {
			t.Fatalf("%s: %+v", at, in)
		}
		if _, ok := in.Unit("PC07"); !ok || in.Lead == "" {
			t.Fatalf("%s: who was told before is gone: %+v", at, in)
		}
		routed := kinds(t, m)["routed"]
		again := *b
		again.ID, again.Deps = record.DerivedID("d"), in.Heads
		again.HLC += 10
		apply(&again) // the same category once more
		if n := kinds(t, m)["routed"]; n != 2 || routed != 2 {
			t.Fatalf("%s: routed %d times, then %d", at, routed, n)
		}
		// A fire is verified within 3 minutes, an accident within 10.
		for ms := int64(0); ms <= 620_000; ms += 5000 {
			do(t, m, Tick(now+ms))
			if said := kinds(t, m)["missed"] > 0; said != (ms >= 600_000) {
				t.Fatalf("%s: missed is %v after %d s", at, said, ms/1000)
			}
		}
	}
}
