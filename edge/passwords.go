package edge

import (
	"context"

	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// choose lays the passwords that were chosen here, in the order of the ledger, over the
// accounts as the city has them, where they build on what it has. What the city has taken
// over came back as its own entry; what it has not is gone with that.
func (n *cityNow) choose(w record.WardCode, rows []ledger.Row) {
	for i := range rows {
		b := &rows[i].Body
		if b.Kind != record.KindPassword {
			continue
		}
		a, known := n.accounts[b.Payload.ToOfficer]
		if next, holds := a.Choose(b, w); known && holds {
			n.accounts[a.User], n.chosen[a.User] = next, rows[i].Position
		}
	}
}

// ChoosePassword takes the verifier of the password that an officer of this ward chose,
// also while the city is away: it holds here after the sync, and at the city when the
// entry comes there, unless somebody changed the account there meanwhile. That change
// stands then, and the station says so.
func (b backend) ChoosePassword(ctx context.Context, o identity.Officer, verifier string) error {
	b.s.choosing.Lock()
	defer b.s.choosing.Unlock()
	a, known := b.s.city.now.Load().accounts[o.User]
	switch {
	case !known || a.Disabled:
		return api.Problem(403, "not-here", "", "this account came with the station's configuration; the city makes one that has a password of its own")
	case a.Unit != record.WardUnit(b.s.c.Ward):
		return api.Problem(403, "not-here", "", "an officer of %s chooses a password at the city; a ward's station keeps those of its own officers alone", a.Unit)
	case o.Cred != a.Officer().Cred:
		return api.Problem(409, "changed", "", "the account was changed at this moment; log in again")
	}
	sealed, key, err := record.Seal([]byte(verifier))
	if err != nil {
		return err
	}
	now := b.s.wall()
	body := record.Body{ID: record.NewID(now), Kind: record.KindPassword, Origin: b.s.origin, Actor: record.Actor{Kind: record.ByOfficer, Name: o.User, Unit: o.Unit},
		HLC: b.s.ledger.Clock().Now(), Clock: doorLedger{b.s}.ClockState(), ReceivedAt: now.UnixMilli(), Payload: record.Payload{ToOfficer: a.User, Target: a.Entry, Sealed: &sealed}}
	if !b.s.up.Status().Connected {
		body.Payload.Flags |= record.FlagOffline
	}
	done := make(chan error, 1)
	b.s.ledger.Submit(ledger.Append{Lane: record.Urgent, Body: body, Keys: []record.WrappedKey{b.s.keys.Wrap(sealed.Key, key)}}, func(_ ledger.Result, err error) { done <- err })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-done:
		if err != nil {
			return problemOf(err)
		}
	}
	return b.s.readDirectory()
}
