package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wardline/sync/record"
)

// Accounts are the officers' accounts as a node knows them.
type Accounts interface {
	// Account is the account of a name; false when nobody has it.
	Account(user string) (Account, bool, error)
	// Verifier opens an account's seal; record.ErrSealed where this node has no key.
	Verifier(a Account) (string, error)
	// HasUnit says whether an enabled account belongs to the unit.
	HasUnit(u record.UnitID) (bool, error)
	// OfUnit are the officers with an enabled account of the unit.
	OfUnit(u record.UnitID) ([]Officer, error)
	// Begun says whether the city has an administrator's account, at a station whether
	// any account has come: from then on configured officers are nobody.
	Begun() (bool, error)
}

// Errors of a log-in.
var (
	// ErrWrong: no such account, or not this password, or disabled. They are told
	// apart nowhere: that would tell who has an account.
	ErrWrong = errors.New("identity: user or password is wrong")
	// ErrBusy: too many log-ins wait for a turn.
	ErrBusy = errors.New("identity: too many log-ins wait")
)

// hashing gives turns to argon2: one password at a time for browsers that logged in
// before and one for all others, so that a flood of guesses takes one core and 32 MiB,
// and never the turn of a desk on duty.
type hashing struct {
	turns   [2]chan struct{}
	waiting *[2]atomic.Int32
}

// Of the wait for a turn: with maxWaiting before it the last one has been here longer
// than people wait.
const (
	maxWaiting = 32
	waitLimit  = 10 * time.Second
)

func newHashing() hashing {
	return hashing{[2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, new([2]atomic.Int32)}
}

// turn runs f when its turn comes.
func (h hashing) turn(ctx context.Context, known bool, f func()) error {
	i := 0
	if known {
		i = 1
	}
	if h.waiting[i].Add(1) > maxWaiting {
		h.waiting[i].Add(-1)
		return ErrBusy
	}
	defer h.waiting[i].Add(-1)
	t := time.NewTimer(waitLimit)
	defer t.Stop()
	select {
	case h.turns[i] <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ErrBusy
	}
	defer func() { <-h.turns[i] }()
	f()
	return nil
}

// nobody is the verifier that a password for no account is held to, so that the
// answer takes as long.
const nobody = "$argon2id$v=19$m=32768,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// UseAccounts gives the directory its accounts; they stand over configured officers.
func (d *Directory) UseAccounts(a Accounts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts = a
}

// account finds an account; a configured officer has no Index and no seal, and is
// there only until the city's accounts are begun.
func (d *Directory) account(user string) (a Account, sum [32]byte, known bool, err error) {
	user = strings.ToLower(user)
	d.mu.RLock()
	from, row := d.accounts, d.officers[user]
	d.mu.RUnlock()
	if from != nil {
		if a, known, err = from.Account(user); err != nil || known {
			return a, sum, known && !a.Disabled, err
		}
		if begun, err := from.Begun(); err != nil || begun {
			return Account{}, sum, false, err
		}
	}
	return Account{User: row.User, Role: row.Role, Unit: row.Unit}, row.sum, row.User != "", nil
}

// LogIn checks a password; known says that the browser logged in as this account
// before. Errors: ErrWrong, ErrBusy, or that of the store.
func (d *Directory) LogIn(ctx context.Context, user, password string, known bool) (Officer, error) {
	a, sum, found, err := d.account(user)
	if err != nil {
		return Officer{}, err
	}
	if found && a.Index == 0 {
		got := sha256.Sum256([]byte(password))
		if subtle.ConstantTimeCompare(got[:], sum[:]) == 1 {
			return a.Officer(), nil
		}
		return Officer{}, ErrWrong
	}
	verifier, readable := nobody, false
	if found {
		d.mu.RLock()
		from := d.accounts
		d.mu.RUnlock()
		switch v, err := from.Verifier(a); {
		case err == nil:
			verifier, readable = v, true
		case !errors.Is(err, record.ErrSealed): // else an account that is not for this station
			return Officer{}, err
		}
	}
	fits := false
	if werr := d.hashing.turn(ctx, known, func() { fits, err = CheckVerifier(verifier, password) }); werr != nil {
		return Officer{}, werr
	}
	if err != nil {
		return Officer{}, err
	}
	if !fits || !readable {
		return Officer{}, ErrWrong
	}
	return a.Officer(), nil
}

// Begun says whether anybody at all may log in.
func (d *Directory) Begun() (bool, error) {
	d.mu.RLock()
	from, n := d.accounts, len(d.officers)
	d.mu.RUnlock()
	if n > 0 || from == nil {
		return n > 0, nil
	}
	return from.Begun()
}

// NewVerifier hashes a new password when its turn comes.
func (d *Directory) NewVerifier(ctx context.Context, password string) (v string, err error) {
	err = d.hashing.turn(ctx, true, func() { v = NewVerifier(password) })
	return v, err
}

// AccountHolder is the officer of an account of the city's log, for who was proved by
// somebody else; false when there is none, or it is disabled. One that stands in a
// configuration alone logs in by its password.
func (d *Directory) AccountHolder(user string) (Officer, bool) {
	a, _, ok, err := d.account(user)
	return a.Officer(), ok && err == nil && a.Index > 0
}

// OfficerByUser is an account without its password, for a session that proved it;
// false when it is disabled.
func (d *Directory) OfficerByUser(user string) (Officer, bool) {
	a, _, ok, err := d.account(user)
	return a.Officer(), ok && err == nil
}

// HasUnit says whether an officer belongs to the unit.
func (d *Directory) HasUnit(u record.UnitID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, r := range d.officers {
		if r.Unit == u {
			return true
		}
	}
	if d.accounts == nil {
		return false
	}
	has, err := d.accounts.HasUnit(u)
	return has && err == nil
}

// Colleagues are the users of an officer's unit who may act on incidents, by name,
// without the officer.
func (d *Directory) Colleagues(o Officer) ([]string, error) {
	var all []Officer
	d.mu.RLock()
	for _, r := range d.officers {
		all = append(all, r.Officer)
	}
	d.mu.RUnlock()
	if d.accounts != nil {
		more, err := d.accounts.OfUnit(o.Unit)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	out := []string{}
	for _, x := range all {
		if x.Unit == o.Unit && x.User != o.User && x.May(ActOnIncident) {
			out = append(out, x.User)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
