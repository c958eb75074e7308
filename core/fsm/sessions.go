package fsm

import (
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/identity"
)

// rowSessions = user -> which sessions of the account were ended; rowInUse = user ->
// those that are in use.
const (
	rowSessions = 'p'
	rowInUse    = 'j'
)

// cmdSessionEnd ends sessions, cmdSessionUse says which are in use.
const (
	cmdSessionEnd = 20
	cmdSessionUse = 21
)

// SessionEnd says that an account's session was ended.
func SessionEnd(user string, e identity.End) []byte {
	b := append(header(cmdSessionEnd, nil), e.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Began))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At))
	if e.All {
		return append(append(b, 1), user...)
	}
	return append(append(b, 0), user...)
}

func sessionsKey(user string) []byte { return append([]byte{rowSessions}, user...) }

// sessionEnd notes an end. Only accounts have a row, so that there are no more than
// accounts.
func (b *batch) sessionEnd(p []byte) (Result, error) {
	const head = 16 + 8 + 8 + 1
	if len(p) <= head {
		return Result{Status: Refused, Detail: ErrCommand.Error()}, nil
	}
	user := string(p[head:])
	if _, known, err := accountAt(b.tx, user); err != nil || !known {
		return Result{Status: Refused, Detail: "no such account"}, err
	}
	v, err := get(b.tx, sessionsKey(user))
	if err != nil {
		return Result{}, err
	}
	d, err := identity.DecodeEnded(v)
	if err != nil {
		return Result{}, errRow
	}
	d.Add(identity.End{ID: [16]byte(p), Began: int64(binary.BigEndian.Uint64(p[16:])), At: int64(binary.BigEndian.Uint64(p[24:])), All: p[32] == 1})
	return Result{Status: OK, Index: b.meta.index}, b.set(sessionsKey(user), d.Encode())
}

// EndedSessions are an account's ended sessions.
func (m *Machine) EndedSessions(user string) (d identity.Ended, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, sessionsKey(user))
		if err != nil {
			return err
		}
		d, err = identity.DecodeEnded(v)
		return err
	})
	return d, err
}

// SessionUse says which sessions are in use.
func SessionUse(uses []identity.Use) []byte {
	b := header(cmdSessionUse, nil)
	for i := range uses {
		b = append(append(b, byte(len(uses[i].User))), uses[i].User...)
		b = uses[i].Append(b)
	}
	return b
}

func inUseKey(user string) []byte { return append([]byte{rowInUse}, user...) }

// sessionUse notes uses of sessions. Who has no account has no row.
func (b *batch) sessionUse(p []byte) (Result, error) {
	for len(p) > 0 {
		n := 1 + int(p[0])
		if n == 1 || len(p) < n {
			return Result{Status: Refused, Detail: ErrCommand.Error()}, nil
		}
		user := string(p[1:n])
		x, rest, err := identity.DecodeInUse(p[n:])
		if err != nil {
			return Result{Status: Refused, Detail: ErrCommand.Error()}, nil
		}
		p = rest
		if _, known, err := accountAt(b.tx, user); err != nil {
			return Result{}, err
		} else if !known {
			continue
		}
		v, err := get(b.tx, inUseKey(user))
		if err != nil {
			return Result{}, err
		}
		u, err := identity.DecodeUses(v)
		if err != nil {
			return Result{}, errRow
		}
		u.Note(x)
		if err := b.set(inUseKey(user), u.Encode()); err != nil {
			return Result{}, err
		}
	}
	return Result{Status: OK, Index: b.meta.index}, nil
}

// SessionsInUse are an account's sessions in use.
func (m *Machine) SessionsInUse(user string) (u identity.Uses, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, inUseKey(user))
		if err != nil {
			return err
		}
		u, err = identity.DecodeUses(v)
		return err
	})
	return u, err
}
