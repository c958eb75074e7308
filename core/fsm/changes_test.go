package fsm

import (
	"encoding/json"
	"slices"
	"testing"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// TestChanges_OfficersEntries_NewestFirstAndPageByPage: what a machine does by itself,
// the parts of an import and reports do not stand in the list.
func TestChanges_OfficersEntries_NewestFirstAndPageByPage(t *testing.T) {
	m := open(t)
	var want []uint64
	say := func(i byte, kind record.Kind, by record.ActorKind) {
		t.Helper()
		data, err := json.Marshal(identity.Credential{ID: "kiosk-" + string('a'+rune(i)), Ward: "26704", Kind: "kiosk", Revoked: true})
		if err != nil {
			t.Fatal(err)
		}
		b := &record.Body{ID: record.ID{7, i}, Kind: kind, Origin: record.CoreOrigin, HLC: record.HLCAt(now), ReceivedAt: now, Actor: record.Actor{Kind: by, Name: "lan"}, Payload: record.Payload{Data: data}}
		r := do(t, m, Body(encode(t, b), nil))
		if r.Status != OK {
			t.Fatalf("%+v", r)
		}
		if kind == record.KindDevice && by == record.ByOfficer {
			want = append([]uint64{r.Index}, want...)
		}
	}
	for i := range byte(5) {
		say(i, record.KindDevice, record.ByOfficer)
		say(10+i, record.KindDevice, record.BySystem)
		say(20+i, record.KindWards, record.ByOfficer)
	}
	var got []uint64
	for before := uint64(0); ; {
		page, err := m.Changes(before, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			got = append(got, r.Index)
		}
		if len(page) < 2 {
			break
		}
		before = page[1].Index
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
