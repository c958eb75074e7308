package fsm

import (
	"slices"
	"testing"

	"wardline/sync/record"
)

// TestPoints_ANewSet_ReplacesTheOldOnceItIsWhole, and every station hears of it.
func TestPoints_ANewSet_ReplacesTheOldOnceItIsWhole(t *testing.T) {
	m := open(t)
	do(t, m, Station("26704"))
	send := func(id byte, version, part, parts uint32) Result {
		t.Helper()
		b := &record.Body{ID: record.ID{id}, Kind: record.KindPoints, Origin: record.CoreOrigin, HLC: record.HLCAt(now), ReceivedAt: now,
			Payload: record.Payload{Rules: version, Part: part, Parts: parts, Data: []byte(`[]`)}}
		return do(t, m, Body(encode(t, b), nil))
	}
	have := func() (list []byte) {
		t.Helper()
		if err := m.Points(func(r Row) error { list = append(list, r.Body.ID[0]); return nil }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	send(1, 10, 0, 1)
	send(2, 20, 0, 2)
	if got := have(); !slices.Equal(got, []byte{1, 2}) {
		t.Errorf("a set that is not whole took the old one's place: %v", got)
	}
	send(3, 20, 1, 2)
	if got := have(); !slices.Equal(got, []byte{2, 3}) {
		t.Errorf("%v", got)
	}
	if got := waiting(t, m, "26704"); !slices.Equal(got, []record.ID{{1}, {2}, {3}}) {
		t.Errorf("the station hears of %v", got)
	}
	if r := send(4, 30, 5, 2); r.Status != Refused {
		t.Errorf("part 6 of 2: %+v", r)
	}
}
