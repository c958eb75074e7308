package fsm

import (
	"errors"
	"fmt"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// password takes the entry of a password that an officer chose at the ward's station:
// compare-and-set by the account's entry that the station had. What loses stays in the
// log, and the station hears of it.
func (b *batch) password(body *record.Body) error {
	if body.Kind != record.KindPassword {
		return nil
	}
	ward, _ := body.Origin.Ward()
	user := body.Payload.ToOfficer
	row, known, err := accountAt(b.tx, user)
	if err != nil || !known {
		return err // a station that names nobody: nothing follows
	}
	e, err := b.entryAt(row.index)
	if err != nil {
		return err
	}
	was, err := record.DecodeBody(e.entry.Body)
	if err != nil {
		return errRow
	}
	old, err := identity.AccountOf(&was, row.index)
	if err != nil {
		return errRow
	}
	next, holds := old.Choose(body, ward)
	if !holds {
		return b.passwordLost(body, &old)
	}
	p, err := next.Payload(row.index)
	if err != nil {
		return err
	}
	derived := record.Body{ID: next.Entry, Kind: record.KindAccount, Origin: record.CoreOrigin, Actor: body.Actor, HLC: record.HLCAt(b.meta.time), ReceivedAt: b.meta.time, Payload: p}
	if _, _, err := b.putCore(&derived, 0, record.KindAccount, 0); err != nil {
		return err
	}
	row.index = b.meta.index
	return errors.Join(b.set(accountKey(user), row.encode()), b.announce(row.index))
}

// passwordLost says once that a password does not hold.
func (b *batch) passwordLost(body *record.Body, now *identity.Account) error {
	detail := fmt.Sprintf("the password that %s chose at the ward does not hold: %s changed the account at the city meanwhile; log in with what the city has", now.User, now.By)
	derived := record.Body{ID: identity.Chosen(body.ID), Kind: record.KindAlarm, Origin: record.CoreOrigin, HLC: record.HLCAt(b.meta.time), ReceivedAt: b.meta.time,
		Payload: record.Payload{Reason: record.AlarmPassword, Data: []byte(detail), Patrol: string(body.Origin)}}
	if _, _, err := b.putCore(&derived, 0, record.KindAlarm, 0); err != nil {
		return err
	}
	b.m.o.Log.Warn("a password that was chosen at a station does not hold", "user", now.User, "origin", body.Origin)
	return b.tellStation(body.Origin, b.meta.index)
}
