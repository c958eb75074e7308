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
	if r := do(t, m, header(cmdSessionEnd, nil)); r.Status != Refused {
		t.Errorf("cut short: %+v", r)
	}
}
