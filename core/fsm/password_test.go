package fsm

import (
	"strings"
	"testing"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// TestPassword_OfAStation_HoldsForItsOwnOfficersAlone_AndOnlyOnWhatTheCityHas: a stolen
// station takes over nobody's account but those of its ward.
func TestPassword_OfAStation_HoldsForItsOwnOfficersAlone_AndOnlyOnWhatTheCityHas(t *testing.T) {
	m := open(t)
	put(t, m, officer("root", identity.Administrator), 0)
	put(t, m, officer("lan", identity.WardOfficer), 0)
	entry := func(user string) record.ID {
		r, _, err := m.Account(user)
		if err != nil {
			t.Fatal(err)
		}
		return r.Body.ID
	}
	key := func(user string) record.KeyID {
		r, _, err := m.Account(user)
		if err != nil {
			t.Fatal(err)
		}
		return r.Body.Payload.Sealed.Key
	}
	chains := map[record.WardCode]*writer{}
	n := byte(0)
	choose := func(ward record.WardCode, user string, target record.ID) record.ID {
		t.Helper()
		n++
		o := record.StationOrigin(ward)
		if chains[ward] == nil {
			chains[ward] = &writer{inc: 7}
		}
		b := record.Body{ID: record.ID{7, n}, Kind: record.KindPassword, Origin: o, HLC: record.HLCAt(now), ReceivedAt: now, Actor: record.Actor{Kind: record.ByOfficer, Name: user},
			Payload: record.Payload{ToOfficer: user, Target: target, Sealed: &record.Sealed{Key: record.KeyID{n}, Ciphertext: []byte("sealed")}}}
		if r := do(t, m, batchOf(chains[ward].entry(&b))); r.Status != OK {
			t.Fatalf("%+v", r)
		}
		return identity.Chosen(b.ID)
	}
	was := entry("lan")
	choose("27031", "lan", was)
	choose("26704", "root", entry("root"))
	choose("26704", "nobody", was)
	if key("lan") != (record.KeyID{}) || key("root") != (record.KeyID{}) {
		t.Fatal("a station changed the account of somebody else's officer")
	}
	first := choose("26704", "lan", was)
	if entry("lan") != first || key("lan") != (record.KeyID{4}) {
		t.Fatal("the password does not hold")
	}
	second := choose("26704", "lan", first) // on top, before the station heard of the first
	if entry("lan") != second || key("lan") != (record.KeyID{5}) {
		t.Fatal("the second password does not hold")
	}
	choose("26704", "lan", was)
	if entry("lan") != second {
		t.Fatal("a password that builds on an old account holds")
	}
	lost := 0
	rows, err := m.After(0, 100)
	for _, r := range rows {
		if r.Body.Kind == record.KindAlarm && r.Body.Payload.Reason == record.AlarmPassword && strings.Contains(string(r.Body.Payload.Data), "does not hold") {
			lost++
		}
	}
	if err != nil || lost != 3 { // of nobody nothing is said
		t.Errorf("%d are named: %v", lost, err)
	}
}
