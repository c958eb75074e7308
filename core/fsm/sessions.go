package fsm

import (
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/identity"
)

// rowSessions = user -> which sessions of the account were ended.
const rowSessions = 'p'

// cmdSessionEnd ends sessions.
const cmdSessionEnd = 20

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
