package fsm

import (
	"errors"
	"testing"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// change proposes a change of machines and gives what it means.
func change(t *testing.T, m *Machine, c trust.Change) error {
	t.Helper()
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b := record.Body{ID: record.DerivedID("machine", data), Kind: record.KindMachine, Origin: record.CoreOrigin, ReceivedAt: now,
		Payload: record.Payload{Step: string(c.Op), Data: data}}
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	r := do(t, m, Body(raw, nil))
	switch {
	case r.Status == OK:
		return nil
	case r.Word == "" || errors.Is(trust.Meaning(r.Word), trust.ErrLater):
		return errors.New(r.Detail)
	}
	return trust.Meaning(r.Word)
}

var ward = trust.StationName("26704")

func sum(s string) record.Hash { return trust.Sum(s) }

// allowed says what a certificate of an epoch is worth.
func allowed(m *Machine, epoch uint32) error {
	return m.Machines().Check(trust.Peer{Name: ward, Epoch: epoch})
}

func expect(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func token(secret string) trust.Change {
	return trust.Change{Op: trust.OpToken, Name: ward, Secret: sum(secret), ForMS: 60_000}
}

func enrol(secret, next, key string) trust.Change {
	return trust.Change{Op: trust.OpEnrol, Name: ward, Secret: sum(secret), Next: sum(next), Key: sum(key)}
}

func renew(secret, next, key string) trust.Change {
	return trust.Change{Op: trust.OpRenew, Name: ward, Secret: sum(secret), Next: sum(next), Key: sum(key)}
}

func TestMachines_Token_IsGoodOnceForOneMachine(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	expect(t, "without a token", change(t, m, enrol("t1", "r1", "k1")), trust.ErrToken)
	expect(t, "the token", change(t, m, token("t1")), nil)
	expect(t, "not enrolled yet", allowed(m, 1), trust.ErrRevoked)
	other := enrol("t1", "r1", "k1")
	other.Name = trust.StationName("27031")
	expect(t, "another ward's token", change(t, m, other), trust.ErrToken)
	expect(t, "a guessed token", change(t, m, enrol("t0", "r1", "k1")), trust.ErrToken)
	expect(t, "enrolled", change(t, m, enrol("t1", "r1", "k1")), nil)
	expect(t, "may speak", allowed(m, 1), nil)
	index := m.CityIndex()
	expect(t, "the same again, its answer was lost", change(t, m, enrol("t1", "r1", "k1")), nil)
	if m.CityIndex() != index {
		t.Error("the same again is a second entry")
	}
	expect(t, "a replayed token", change(t, m, enrol("t1", "r2", "thief")), trust.ErrToken)
	expect(t, "still may speak", allowed(m, 1), nil)

	expect(t, "a second token", change(t, m, token("t2")), nil)
	for s := int64(4000); s <= 64_000; s += 4000 { // the city's time makes no leaps
		do(t, m, Tick(now+s))
	}
	expect(t, "an ended token", change(t, m, enrol("t2", "r1", "k1")), trust.ErrToken)
	expect(t, "a third token", change(t, m, trust.Change{Op: trust.OpToken, Name: ward, Secret: sum("t3"), ForMS: 120_000}), nil)
	expect(t, "enrolled anew", change(t, m, enrol("t3", "r1", "k3")), nil)
	expect(t, "the certificate of before", allowed(m, 1), trust.ErrRevoked)
	expect(t, "the new one", allowed(m, 2), nil)
}

func TestMachines_TwoClaimants_AreBothHeldOff_AndAStrangerHoldsNobodyOff(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	expect(t, "token", change(t, m, token("t1")), nil)
	expect(t, "enrolled", change(t, m, enrol("t1", "r1", "k1")), nil)
	expect(t, "renewed", change(t, m, renew("r1", "r2", "k2")), nil)
	expect(t, "a lost answer", change(t, m, renew("r1", "r2", "k2")), nil)
	expect(t, "renewed again", change(t, m, renew("r2", "r3", "k3")), nil)
	expect(t, "a stranger's guess", change(t, m, renew("r9", "x", "x")), trust.ErrToken)
	expect(t, "may speak", allowed(m, 1), nil)
	before := m.CityIndex()
	expect(t, "a copy of the disk", change(t, m, renew("r1", "other", "copy")), trust.ErrHeld)
	expect(t, "held off", allowed(m, 1), trust.ErrHeld)
	expect(t, "the other one too", change(t, m, renew("r3", "r4", "k4")), trust.ErrHeld)
	e, err := m.Entry(before + 1)
	if err != nil || e.Body.Kind != record.KindAlarm || e.Body.Payload.Reason != "two-claimants" || e.Body.Payload.Patrol != "ward-26704" {
		t.Errorf("the two are not named: %+v %v", e.Body, err)
	}
	expect(t, "a new token", change(t, m, token("t2")), nil)
	expect(t, "one is enrolled anew", change(t, m, enrol("t2", "r1", "k5")), nil)
	expect(t, "it may speak", allowed(m, 2), nil)
	expect(t, "the other may not", allowed(m, 1), trust.ErrRevoked)
}

func TestMachines_Revoked_HoldsUntilANewToken_AndSurvivesAReopening(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir)
	do(t, m, Tick(now))
	expect(t, "token", change(t, m, token("t1")), nil)
	expect(t, "enrolled", change(t, m, enrol("t1", "r1", "k1")), nil)
	expect(t, "revoked", change(t, m, trust.Change{Op: trust.OpRevoke, Name: ward}), nil)
	expect(t, "renewing", change(t, m, renew("r1", "r2", "k2")), trust.ErrRevoked)
	node := trust.NodeName("core-3")
	if err := m.Machines().Check(trust.Peer{Name: node}); err != nil {
		t.Fatal(err)
	}
	expect(t, "a node revoked", change(t, m, trust.Change{Op: trust.OpRevoke, Name: node}), nil)
	expect(t, "rotated", change(t, m, trust.Change{Op: trust.OpRotate, Oldest: 1, Current: 2}), nil)
	if change(t, m, trust.Change{Op: trust.OpRotate, Oldest: 1, Current: 2, ForMS: 1}) == nil {
		t.Error("a rotation was taken twice")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = mustOpen(t, dir)
	defer func() { _ = m.Close() }()
	expect(t, "after reopening", allowed(m, 1), trust.ErrRevoked)
	expect(t, "the node", m.Machines().Check(trust.Peer{Name: node}), trust.ErrRevoked)
	if got := m.Machines(); got.Oldest != 1 || got.Current != 2 {
		t.Errorf("generations %d to %d", got.Oldest, got.Current)
	}
	var kinds []record.Kind
	if err := m.Active(func(r Row) error { kinds = append(kinds, r.Body.Kind); return nil }); err != nil || len(kinds) != 2 {
		t.Errorf("a station that comes is told %v %v, want the revocation and the rotation", kinds, err)
	}
}
