package edge

import (
	"context"
	"fmt"
	"sync"

	"wardline/edge/ledger"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// accounts gives what the city said of its officers to the station's directory, so
// that a ward logs in while it is cut off.
type accounts struct{ s *Station }

var _ identity.Accounts = accounts{}

func (x accounts) Account(user string) (identity.Account, bool, error) {
	a, known := x.s.city.now.Load().accounts[user]
	return a, known, nil
}

func (x accounts) Verifier(a identity.Account) (string, error) {
	at := a.Index
	if pos, ok := x.s.city.now.Load().chosen[a.User]; ok {
		at = pos
	}
	v, err := backend{x.s}.Open(at, &a.Sealed)
	return string(v), err
}

func (x accounts) HasUnit(u record.UnitID) (bool, error) {
	for _, a := range x.s.city.now.Load().accounts {
		if a.Unit == u && !a.Disabled {
			return true, nil
		}
	}
	return false, nil
}

func (x accounts) OfUnit(u record.UnitID) (list []identity.Officer, err error) {
	for _, a := range x.s.city.now.Load().accounts {
		if a.Unit == u && !a.Disabled {
			list = append(list, a.Officer())
		}
	}
	return list, nil
}

func (x accounts) Begun() (bool, error) { return len(x.s.city.now.Load().accounts) > 0, nil }

// sessions keeps on the station's disk which sessions were ended here and which are in use.
type sessions struct {
	s  *Station
	mu sync.Mutex // held from reading a row to writing it
}

var _ identity.Store = (*sessions)(nil)

func endedKey(user string) []byte { return []byte("session/" + user) }
func inUseKey(user string) []byte { return []byte("sessions/" + user) }

func (x *sessions) Ended(user string) (identity.Ended, error) {
	v, err := x.s.ledger.Note(endedKey(user))
	if err != nil {
		return identity.Ended{}, err
	}
	return identity.DecodeEnded(v)
}

// End returns after the sync.
func (x *sessions) End(_ context.Context, user string, e identity.End) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	d, err := x.Ended(user)
	if err != nil {
		return err
	}
	d.Add(e)
	return x.s.ledger.Foreign(ledger.Foreign{Notes: []ledger.Note{{Key: endedKey(user), Value: d.Encode()}}})
}

func (x *sessions) InUse(user string) (identity.Uses, error) {
	v, err := x.s.ledger.Note(inUseKey(user))
	if err != nil {
		return nil, err
	}
	return identity.DecodeUses(v)
}

// Use takes in the uses of those who have an account at this station.
func (x *sessions) Use(_ context.Context, uses []identity.Use) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	rows := map[string]identity.Uses{}
	for i := range uses {
		user := uses[i].User
		if _, known := x.s.city.now.Load().accounts[user]; !known {
			continue
		}
		u, had := rows[user]
		if !had {
			var err error
			if u, err = x.InUse(user); err != nil {
				return err
			}
		}
		u.Note(uses[i].InUse)
		rows[user] = u
	}
	var notes []ledger.Note
	for user, u := range rows {
		notes = append(notes, ledger.Note{Key: inUseKey(user), Value: u.Encode()})
	}
	if len(notes) == 0 {
		return nil
	}
	return x.s.ledger.Foreign(ledger.Foreign{Notes: notes})
}

// takeAccount keeps an account's latest entry in the city's order.
func (s *Station) takeAccount(into map[string]identity.Account, r *ledger.Row) {
	a, err := identity.AccountOf(&r.Body, r.Index)
	if err != nil {
		s.alarm(fmt.Sprintf("an account of the city cannot be used by this station, city index %d: %v", r.Index, err))
		return
	}
	if a.Index >= into[a.User].Index {
		into[a.User] = a
	}
}
