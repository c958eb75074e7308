package fsm

import (
	"testing"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// held is a city in which an officer of the ward has just claimed a report of it.
type held struct {
	t     *testing.T
	m     *Machine
	w     *writer
	first *record.Body
	n     int
}

func claimed(t *testing.T, at record.Origin, clock int64) *held {
	t.Helper()
	h := &held{t: t, m: open(t), w: &writer{inc: 7}, first: report(station, 1, 1)}
	h.first.Payload.Place = nil // the device's ward leads
	do(t, h.m, Tick(now))
	do(t, h.m, batchOf(h.w.entry(h.first)))
	h.act(at, record.KindClaim, clock, record.Payload{})
	return h
}

// act has an officer of the ward do something, at a time on the clock where it is written.
func (h *held) act(at record.Origin, k record.Kind, ms int64, p record.Payload) record.ID {
	h.t.Helper()
	h.n++
	b := &record.Body{ID: record.DerivedID("act", []byte{byte(h.n)}), Incident: h.first.Incident, Kind: k, Origin: at, HLC: record.HLCAt(ms), Deps: h.fold().Heads,
		Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.WardUnit("26704")}, Payload: p}
	item := Body(encode(h.t, b), nil)
	if at == station {
		item = batchOf(h.w.entry(b))
	}
	if r := do(h.t, h.m, item); r.Status != OK {
		h.t.Fatalf("%+v", r)
	}
	return b.ID
}

func (h *held) fold() *record.Incident { return foldOf(h.t, h.m, h.first.Incident) }

// foldOf is an incident as the city's entries tell it.
func foldOf(t *testing.T, m *Machine, id record.ID) *record.Incident {
	t.Helper()
	rows, err := m.Incident(id)
	if err != nil {
		t.Fatal(err)
	}
	var list []record.Body
	for _, r := range rows {
		list = append(list, r.Body)
	}
	return record.Fold(id, list)
}

// until lets the city's time pass from one second to another, and gives the one in which
// nobody has the incident any more, or -1.
func (h *held) until(from, to int64) int64 {
	h.t.Helper()
	for s := from; s <= to; s += 4 {
		do(h.t, h.m, Tick(now+s*1000))
		if u, _ := h.fold().Unit(record.WardUnit("26704")); u.Holder == nil {
			return s
		}
	}
	return -1
}

// classifyBy is the second in which the report is to be classified.
func (h *held) classifyBy() (s int64) {
	for _, d := range h.fold().Deadlines {
		if d.Step == string(routing.StepClassify) {
			s = (d.At - now) / 1000
		}
	}
	return s
}

// TestMachine_ClaimThatGoesNowhere_IsReleasedOnce: whoever claimed it and did nothing does not keep
// it from the others; the ward hears of it, and it can be claimed again.
func TestMachine_ClaimThatGoesNowhere_IsReleasedOnce(t *testing.T) {
	for _, at := range []record.Origin{record.CoreOrigin, station} {
		h := claimed(t, at, now+30_000)
		due := max(h.classifyBy(), 330)
		if s := h.until(0, due-5); s >= 0 {
			t.Fatalf("%s: released after %d s, before its time at %d s", at, s, due)
		}
		if s := h.until(due-4, due+20); s < due {
			t.Fatalf("%s: released after %d s, want %d s or a little later", at, s, due)
		}
		h.until(due, due+900)
		if n := kinds(t, h.m)["release"]; n != 1 {
			t.Fatalf("%s: %d releases", at, n)
		}
		h.act(at, record.KindClaim, now+(due+901)*1000, record.Payload{})
		if u, _ := h.fold().Unit(record.WardUnit("26704")); u.Holder == nil {
			t.Fatalf("%s: it cannot be claimed again", at)
		}
	}
}

// TestMachine_ClaimWithWork_IsKept: a call that was noted, a pause with a reason and a step all show
// that somebody is at it.
func TestMachine_ClaimWithWork_IsKept(t *testing.T) {
	h := claimed(t, station, now+30_000)
	due := max(h.classifyBy(), 330)
	h.until(0, due-20)
	h.act(station, record.KindContact, now+(due-20)*1000, record.Payload{Reason: "call:answered"})
	if s := h.until(due-16, due+270); s >= 0 {
		t.Fatalf("released after %d s although its holder called somebody at %d s", s, due-20)
	}
	h.act(station, record.KindPark, now+(due+270)*1000, record.Payload{Reason: "wait", Until: now + (due+900)*1000})
	if s := h.until(due+274, due+1190); s >= 0 {
		t.Fatalf("released after %d s although it was parked until %d s", s, due+900)
	}
	h.act(station, record.KindClassify, now+(due+1190)*1000, record.Payload{Category: record.Fire})
	if s := h.until(due+1194, due+2400); s >= 0 {
		t.Fatalf("released after %d s although it was classified", s)
	}
}

// TestMachine_ClaimOfAnotherDayByItsClock_IsReleasedAllTheSame: neither a clock that is ahead nor one that
// is behind keeps an incident for good, or takes it away at once.
func TestMachine_ClaimOfAnotherDayByItsClock_IsReleasedAllTheSame(t *testing.T) {
	for _, clock := range []int64{now - 9*3_600_000, now + 9*3_600_000} {
		h := claimed(t, station, clock)
		if s := h.until(0, 1200); s < 300 {
			t.Fatalf("by a clock %d h off: released after %d s", (clock-now)/3_600_000, s)
		}
	}
}

// TestMachine_ClaimsThatGoNowhere_HoweverApplied_AreTheSame: in one transaction, in many, and by a
// node that was started again.
func TestMachine_ClaimsThatGoNowhere_HoweverApplied_AreTheSame(t *testing.T) {
	var l log
	w := &writer{inc: 7}
	l.add(Tick(now))
	for n := range 40 {
		r := report(station, n, 1)
		r.Payload.Place = nil
		l.add(batchOf(w.entry(r), w.entry(&record.Body{ID: record.DerivedID("act", []byte{byte(n)}), Incident: r.Incident, Kind: record.KindClaim, Origin: station,
			HLC: record.HLCAt(now + int64(n)*7000), Deps: []record.ID{r.ID}, Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.WardUnit("26704")}})))
	}
	for i := range int64(160) {
		l.add(Tick(now + 4500*i))
	}
	whole, single := bothWays(t, &l, func(i int) bool { return i%31 == 7 })
	if a, b := kinds(t, whole)["release"], kinds(t, single)["release"]; a != 40 || b != 40 {
		t.Fatalf("%d and %d of 40 claims were released", a, b)
	}
	sameDigest(t, whole, single)
}
