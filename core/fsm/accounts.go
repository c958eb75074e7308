package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// rowAccount = user -> index of the entry that states the account now, 1 for an
// administrator who may log in.
const rowAccount = 'u'

// maxAccounts bounds the accounts of a city, disabled ones included: of ten thousand
// police posts' officers those who sit at a desk.
const maxAccounts = 20_000

func accountKey(user string) []byte { return append([]byte{rowAccount}, user...) }

type accountRow struct {
	index uint64
	rules bool // an administrator who may log in
}

func (r accountRow) encode() []byte {
	b := u64(make([]byte, 0, 9), r.index)
	if r.rules {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeAccount(v []byte) (accountRow, error) {
	if len(v) != 9 || v[8] > 1 {
		return accountRow{}, errRow
	}
	return accountRow{binary.BigEndian.Uint64(v), v[8] == 1}, nil
}

func accountAt(tx *badger.Txn, user string) (r accountRow, known bool, err error) {
	v, err := get(tx, accountKey(user))
	if err != nil || v == nil {
		return r, false, err
	}
	r, err = decodeAccount(v)
	return r, err == nil, err
}

// account takes the entry of an account: compare-and-set by the entry that it
// replaces. The last administrator who may log in stays one.
func (b *batch) account(body *record.Body) (Result, error) {
	if n, err := b.known(body.ID); err != nil || n > 0 {
		return b.where(OK, n, err)
	}
	next, err := identity.AccountOf(body, b.meta.index+1)
	if err != nil {
		return Result{Status: Refused, Detail: err.Error()}, nil
	}
	old, known, err := accountAt(b.tx, next.User)
	if err != nil {
		return Result{}, err
	}
	if old.index != body.Payload.Index {
		return Result{Status: Refused, Detail: "the account of " + next.User + " was changed meanwhile; look at it again"}, nil
	}
	row := accountRow{b.meta.index + 1, next.Role == identity.Administrator && !next.Disabled}
	if detail, err := b.accountFits(next.User, known, old.rules && !row.rules); err != nil || detail != "" {
		return Result{Status: Refused, Detail: detail}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	if err := errors.Join(b.set(accountKey(next.User), row.encode()), b.announce(row.index)); err != nil {
		return Result{}, err
	}
	return b.where(OK, row.index, nil)
}

// accountFits says why an account cannot be made, or its administrator go.
func (b *batch) accountFits(user string, known, goes bool) (string, error) {
	if known && !goes {
		return "", nil
	}
	n, others := 0, false
	err := scan(b.tx, []byte{rowAccount}, nil, true, func(k, v []byte) error {
		r, err := decodeAccount(v)
		n++
		others = others || r.rules && string(k[1:]) != user
		return err
	})
	switch {
	case err != nil:
		return "", err
	case !known && n >= maxAccounts:
		return fmt.Sprintf("the city has %d accounts already", n), nil
	case goes && !others:
		return user + " is the last administrator; make another one first", nil
	}
	return "", nil
}

// Account gives the entry that states an officer's account now.
func (m *Machine) Account(user string) (out Row, known bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		var r accountRow
		if r, known, err = accountAt(tx, user); err != nil || !known {
			return err
		}
		e, err := entryAt(tx, r.index)
		if err != nil {
			return err
		}
		out, err = e.out()
		return err
	})
	return out, known, err
}

// Administered says whether any administrator may log in.
func (m *Machine) Administered() (some bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowAccount}, nil, true, func(_, v []byte) error {
			r, err := decodeAccount(v)
			if err == nil && r.rules {
				some = true
				return errStop
			}
			return err
		})
	})
	return some, err
}

// Accounts calls f with the entry of each account, in the order of the names.
func (m *Machine) Accounts(f func(Row) error) error {
	var at []uint64
	err := m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowAccount}, nil, true, func(_, v []byte) error {
			r, err := decodeAccount(v)
			at = append(at, r.index)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, n := range at {
		e, err := m.Entry(n)
		if err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
