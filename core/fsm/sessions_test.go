package fsm

import (
	"testing"

	"wardline/sync/identity"
)

func TestSessionEnd_OfAnAccount_IsKept_OfNobody_TakesNoRow(t *testing.T) {
	m := open(t)
	e := identity.End{ID: [16]byte{1}, Began: 5, At: 6}
	if r := do(t, m, SessionEnd("lan", e)); r.Status != Refused {
		t.Errorf("of nobody: %+v", r)
	}
	put(t, m, officer("lan", identity.WardOfficer), 0)
	if r := do(t, m, SessionEnd("lan", e)); r.Status != OK {
		t.Errorf("%+v", r)
	}
	d, err := m.EndedSessions("lan")
	if err != nil || !d.Has(e.ID, e.Began) || d.Has([16]byte{2}, 5) {
		t.Errorf("%+v %v", d, err)
	}
	use := []identity.Use{{User: "minh", InUse: identity.InUse{ID: e.ID, Began: 5, Seen: 6}}, {User: "lan", InUse: identity.InUse{ID: e.ID, Began: 5, Seen: 6, From: "10.0.0.9", With: "curl"}}}
	if r := do(t, m, SessionUse(use)); r.Status != OK {
		t.Errorf("%+v", r)
	}
	if u, err := m.SessionsInUse("minh"); err != nil || len(u) != 0 {
		t.Errorf("nobody has a row: %v %v", u, err)
	}
	if u, err := m.SessionsInUse("lan"); err != nil || len(u) != 1 || u[0] != use[1].InUse {
		t.Errorf("%+v %v", u, err)
	}
	if r := do(t, m, SessionUse(use)[:20]); r.Status != Refused {
		t.Errorf("cut short: %+v", r)
	}
	if r := do(t, m, header(cmdSessionEnd, nil)); r.Status != Refused {
		t.Errorf("cut short: %+v", r)
	}
}
