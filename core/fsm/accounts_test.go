package fsm

import (
	"bytes"
	"strings"
	"testing"

	"wardline/sync/identity"
	"wardline/sync/record"
)

var accounts int

// put proposes an account that replaces the entry at base.
func put(t testing.TB, m *Machine, a identity.Account, base uint64) Result {
	t.Helper()
	accounts++
	a.Reason = "test"
	p, err := a.Payload(base)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Body{ID: record.DerivedID("account-test", []byte{byte(accounts >> 8), byte(accounts)}), Kind: record.KindAccount, Origin: record.CoreOrigin,
		HLC: record.HLCAt(now), ReceivedAt: now, Actor: record.Actor{Kind: record.ByOfficer, Name: "root", Unit: record.Command}, Payload: p}
	return do(t, m, Body(encode(t, b), nil))
}

func officer(user string, role identity.Role) identity.Account {
	a := identity.Account{User: user, Role: role, Unit: record.Command, Sealed: record.Sealed{Ciphertext: []byte("sealed")}}
	if role == identity.WardOfficer {
		a.Unit = "ward/26704"
	}
	return a
}

func TestAccount_OfTwoChangesOfOneState_OneStands(t *testing.T) {
	m := open(t)
	first := put(t, m, officer("lan", identity.WardOfficer), 0)
	if first.Status != OK {
		t.Fatalf("%+v", first)
	}
	if r := put(t, m, officer("lan", identity.WardOfficer), 0); r.Status != Refused || !strings.Contains(r.Detail, "meanwhile") {
		t.Errorf("a second account of one name: %+v", r)
	}
	gone := officer("lan", identity.WardOfficer)
	gone.Disabled = true
	second := put(t, m, gone, first.Index)
	if second.Status != OK {
		t.Fatalf("%+v", second)
	}
	if r := put(t, m, officer("lan", identity.WardOfficer), first.Index); r.Status != Refused {
		t.Errorf("a change of what was changed meanwhile: %+v", r)
	}
	r, known, err := m.Account("lan")
	if err != nil || !known || r.Index != second.Index {
		t.Fatalf("%+v %v %v", r, known, err)
	}
	if a, err := identity.AccountOf(&r.Body, r.Index); err != nil || !a.Disabled || a.By != "root" || a.At != now {
		t.Errorf("%+v %v", a, err)
	}
}

func TestAccount_LastAdministrator_Stays(t *testing.T) {
	m := open(t)
	if some, err := m.Administered(); err != nil || some {
		t.Fatal("an administrator of nowhere", err)
	}
	one := put(t, m, officer("root", identity.Administrator), 0)
	if some, err := m.Administered(); err != nil || !some {
		t.Fatal("no administrator", err)
	}
	gone := officer("root", identity.Administrator)
	gone.Disabled = true
	if r := put(t, m, gone, one.Index); r.Status != Refused || !strings.Contains(r.Detail, "last administrator") {
		t.Errorf("disabled: %+v", r)
	}
	if r := put(t, m, officer("root", identity.Auditor), one.Index); r.Status != Refused {
		t.Errorf("made an auditor: %+v", r)
	}
	if r := put(t, m, officer("other", identity.Administrator), 0); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	if r := put(t, m, gone, one.Index); r.Status != OK {
		t.Errorf("with another one there: %+v", r)
	}
}

func TestAccount_Malformed_IsRefusedAndChangesNothing(t *testing.T) {
	m := open(t)
	noSeal := &record.Body{ID: record.ID{9}, Kind: record.KindAccount, Origin: record.CoreOrigin, HLC: record.HLCAt(now), Payload: record.Payload{ToOfficer: "x"}}
	if r := do(t, m, Body(encode(t, noSeal), nil)); r.Status != Refused {
		t.Errorf("without a seal: %+v", r)
	}
	for _, a := range []identity.Account{officer("X", identity.Auditor), officer("lan", "king"), {User: "lan", Role: identity.WardOfficer, Unit: record.Command}, {User: "lan", Role: identity.Administrator, Unit: "ward/26704"}} {
		if r := put(t, m, a, 0); r.Status != Refused {
			t.Errorf("%+v: %+v", a, r)
		}
	}
	if m.CityIndex() != 0 {
		t.Error("a refused account left an entry")
	}
}

// TestAccount_Stations_HearOfEachAndOfAllWhenTheyCome: by one row for each change, and
// one for all that were there before.
func TestAccount_Stations_HearOfEachAndOfAllWhenTheyCome(t *testing.T) {
	m := open(t)
	put(t, m, officer("root", identity.Administrator), 0)
	if r := do(t, m, Station("26704")); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	made := put(t, m, officer("lan", identity.WardOfficer), 0)
	rows, _, err := m.Outbox("26704", 0, 10)
	if err != nil || len(rows) != 2 || !rows[0].Refs[0].Accounts || rows[1].Refs[0].Accounts || rows[1].Refs[0].Index != made.Index {
		t.Fatalf("%+v %v", rows, err)
	}
	var users []string
	if err := m.Active(func(r Row) error { users = append(users, r.Body.Payload.ToOfficer); return nil }); err != nil || strings.Join(users, " ") != "lan root" {
		t.Errorf("a resync gives %v, %v", users, err)
	}
	before, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, snapshot, err := m.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if _, err := state.ReadFrom(snapshot); err != nil {
		t.Fatal(err)
	}
	other := open(t)
	if err := other.Install(&state); err != nil {
		t.Fatal(err)
	}
	after, err := other.Digest()
	if _, known, kerr := other.Account("lan"); err != nil || kerr != nil || !known || after != before {
		t.Errorf("another node by snapshot: %v %v %v", known, err, kerr)
	}
}
