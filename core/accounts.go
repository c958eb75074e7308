package core

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/core/signon"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// accounts gives the city's accounts, as this node has applied them, to its directory.
type accounts struct{ n *Node }

var _ identity.Accounts = accounts{}

func (x accounts) Account(user string) (identity.Account, bool, error) {
	r, known, err := x.n.machine.Account(user)
	if err != nil || !known {
		return identity.Account{}, false, err
	}
	a, err := identity.AccountOf(&r.Body, r.Index)
	return a, err == nil, err
}

func (x accounts) Verifier(a identity.Account) (string, error) {
	v, err := backend{x.n}.Open(a.Index, &a.Sealed)
	return string(v), err
}

func (x accounts) Begun() (bool, error) { return x.n.machine.Administered() }

var errFound = errors.New("found")

func (x accounts) HasUnit(u record.UnitID) (bool, error) {
	err := x.n.machine.Accounts(func(r fsm.Row) error {
		a, err := identity.AccountOf(&r.Body, r.Index)
		if err == nil && a.Unit == u && !a.Disabled {
			return errFound
		}
		return err
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

func (x accounts) OfUnit(u record.UnitID) (list []identity.Officer, err error) {
	err = x.n.machine.Accounts(func(r fsm.Row) error {
		a, err := identity.AccountOf(&r.Body, r.Index)
		if err == nil && a.Unit == u && !a.Disabled {
			list = append(list, a.Officer())
		}
		return err
	})
	return list, err
}

// sessions keeps in the city's state which sessions were ended and which are in use.
type sessions struct{ n *Node }

var _ identity.Store = sessions{}

func (x sessions) Ended(user string) (identity.Ended, error) {
	return x.n.machine.EndedSessions(user)
}

// End commits it. An account that stands in a file alone has no row: its session
// is over at this node.
func (x sessions) End(ctx context.Context, user string, e identity.End) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if _, err := x.n.propose(ctx, cluster.Routine, fsm.SessionEnd(user, e)); err != nil {
		return unavailable(err)
	}
	return nil
}

func (x sessions) InUse(user string) (identity.Uses, error) { return x.n.machine.SessionsInUse(user) }

// Use commits it; nothing waits for it.
func (x sessions) Use(ctx context.Context, uses []identity.Use) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	_, err := x.n.propose(ctx, cluster.Routine, fsm.SessionUse(uses))
	return err
}

// EndEverywhere ends every session of an account, at the core and at the stations, by
// its password's seal: the same password under another key is another seal, and what was
// begun under the old one is over wherever that is heard.
func (b backend) EndEverywhere(ctx context.Context, by identity.Officer, user string) error {
	old, known, err := accounts{b.n}.Account(user)
	if err != nil || !known {
		return err
	}
	v, err := accounts{b.n}.Verifier(old)
	if err != nil {
		return err
	}
	_, err = b.ChangeAccount(ctx, by, identity.Change{User: user, Verifier: &v, MustChange: old.MustChange, Reason: "sessions ended"})
	return err
}

// verifierGoes says whether the key of an entry's sealed part may go to a ward: an
// account's only to the stations where its officer logs in.
func verifierGoes(r *fsm.Row, w record.WardCode) bool {
	if r.Body.Kind != record.KindAccount {
		return true
	}
	a, err := identity.AccountOf(&r.Body, r.Index)
	return err == nil && a.LogsInAt(w)
}

// Accounts lists every account, in the order of the names.
func (b backend) Accounts(ctx context.Context) (list []identity.Account, err error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	err = b.n.machine.Accounts(func(r fsm.Row) error {
		a, err := identity.AccountOf(&r.Body, r.Index)
		list = append(list, a)
		return err
	})
	return list, err
}

// ChangeAccount commits an account as it stands after a change.
func (b backend) ChangeAccount(ctx context.Context, by identity.Officer, c identity.Change) (identity.Account, error) {
	if err := b.read(ctx); err != nil {
		return identity.Account{}, err
	}
	old, known, err := accounts{b.n}.Account(c.User)
	switch {
	case err != nil:
		return old, err
	case known && c.New:
		return old, api.Problem(409, "exists", "user", "there is an account %s already", c.User)
	case !known && !c.New:
		return old, api.Problem(404, "not-found", "user", "there is no account %s", c.User)
	}
	next, err := c.Apply(old)
	if err != nil {
		return next, fieldProblem(err)
	}
	var sealedKey *api.SealedKey
	if c.Verifier != nil {
		sealed, key, err := record.Seal([]byte(*c.Verifier))
		if err != nil {
			return next, err
		}
		next.Sealed = sealed
		sealedKey = &api.SealedKey{ID: sealed.Key, Key: key}
	}
	p, err := next.Payload(old.Index)
	if err != nil {
		return next, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := b.commit(ctx, by, record.Body{ID: record.NewID(b.n.wall()), Kind: record.KindAccount, Payload: p}, sealedKey); err != nil {
		return next, err
	}
	next, _, err = accounts{b.n}.Account(c.User)
	return next, err
}

// fieldProblem is an error that names fields as the first of them.
func fieldProblem(err error) error {
	var f interface {
		Fault() (field, wrong, do string)
	}
	if !errors.As(err, &f) {
		return err
	}
	field, wrong, do := f.Fault()
	return api.Problem(400, "invalid-"+field, field, "%s: %s (%s)", field, wrong, do)
}

// signOn gives the city's provider to the interface.
func (n *Node) signOn() api.SignOn {
	if n.oidc == nil {
		return nil
	}
	return signOn{n.oidc}
}

type signOn struct{ *signon.Provider }

// Finish says a refusal as the interface does.
func (x signOn) Finish(ctx context.Context, held string, answer url.Values) (string, error) {
	user, err := x.Provider.Finish(ctx, held, answer)
	if errors.Is(err, signon.ErrRefused) {
		return "", fmt.Errorf("%w: %w", api.ErrSignOnRefused, err)
	}
	return user, err
}
