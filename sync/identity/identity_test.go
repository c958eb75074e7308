package identity

import (
	"errors"
	"testing"
	"time"

	"wardline/sync/record"
)

func TestSessions_HoldAtAnotherNode_EndWithTime_AndCannotBeForged(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	dir := NewDirectory()
	secret := NewSecret()
	if err := dir.AddOfficer(Officer{User: "an", Role: WardOfficer, Unit: record.WardUnit("26704")}, secret); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	one, two := NewSessions(clock, [32]byte{1}, dir), NewSessions(clock, [32]byte{1}, dir)
	other := NewSessions(clock, [32]byte{2}, dir)
	o, err := dir.LogIn(t.Context(), "an", secret, false)
	if err != nil {
		t.Fatal("the right password was refused")
	}
	token := one.Start(o)
	if got, ok := two.Officer(token); !ok || got != o {
		t.Fatal("the session does not hold at another node of the city")
	}
	if _, ok := other.Officer(token); ok {
		t.Fatal("a token under another key was believed")
	}
	for i := range token {
		b := []byte(token)
		b[i] ^= 1
		if _, ok := one.Officer(string(b)); ok && string(b) != token {
			t.Fatalf("a token changed at %d was believed", i)
		}
	}
	if err := one.End(t.Context(), token, false); err != nil {
		t.Fatal(err)
	}
	if _, ok := one.Officer(token); ok {
		t.Fatal("an ended session goes on")
	}
	token = one.Start(o)
	now = now.Add(SessionLife + time.Second)
	if _, ok := one.Officer(token); ok {
		t.Fatal("a session outlived its time")
	}
}

func TestDirectory_ShortPassword_IsRefused(t *testing.T) {
	d := NewDirectory()
	if d.AddOfficer(Officer{User: "an", Role: Auditor, Unit: record.Command}, "admin") == nil {
		t.Fatal("a guessable password was taken")
	}
	if _, err := d.LogIn(t.Context(), "nobody", "", false); !errors.Is(err, ErrWrong) {
		t.Fatal("an unknown user with an empty password was let in")
	}
	if _, ok := d.Device("nothing", ""); ok {
		t.Fatal("an unknown device with an empty password was let in")
	}
}

func TestPolicy_EveryRightOfEveryRole(t *testing.T) {
	want := map[Role][]Right{
		WardOfficer:       {ReadIncidents, ActOnIncident, OpenReporter, ReadStations, EnterReport, Own, Broadcast},
		DepartmentOfficer: {ReadIncidents, ActOnIncident, OpenReporter, ReadStations, EnterReport, Own},
		CommandOfficer:    {ReadIncidents, ActOnIncident, OpenReporter, ReadStations, EnterReport, Own, Broadcast, ManageExercises},
		Supervisor:        {ReadIncidents, ActOnIncident, OpenReporter, ReadStations, EnterReport, Own, Broadcast, ManageExercises},
		Administrator:     {ReadEntries, ReadStations, ManageRules, ReadAccounts, ManageAccounts, Own, ManageMachines, ManageDevices, ReadAdministration, Erase, ReadErasures},
		Auditor:           {ReadIncidents, ReadEntries, Export, ReadStations, ReadAccounts, Own, ReadAdministration, ReadErasures},
	}
	for _, role := range Roles {
		for right := range policy {
			may := false
			for _, w := range want[role] {
				may = may || w == right
			}
			if (Officer{Role: role}).May(right) != may {
				t.Errorf("%s, %s: must be %v", role, right, may)
			}
		}
	}
	if (Officer{Role: "intruder"}).May(ReadIncidents) {
		t.Error("an unknown role may read")
	}
}
