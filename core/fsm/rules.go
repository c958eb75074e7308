package fsm

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// Rows of rowActive: rules by version, the wards, and what stations are to know of machines.
const (
	activeRules     = 'r'
	activeWards     = 'w'
	activeAuthority = 'a' // the latest change of the authority
	activeExercise  = 'e' // by id: the latest entry of an exercise
	activeRevoked   = 'n' // by name: the revocation of a core node
)

var errParts = errors.New("fsm: the parts of the wards are not all committed, or do not fit together; import the file again")

// WardsPartID is the id of the entry with one part of a set of wards.
func WardsPartID(set []byte, part uint32) record.ID {
	return record.DerivedID("wards-part", set, u64(nil, uint64(part)))
}

// reader reads rows and entries: of a transaction, or of one in the making.
type reader interface {
	get(key []byte) ([]byte, error)
	entryAt(index uint64) (row, error)
}

type committed struct{ tx *badger.Txn }

func (c committed) get(key []byte) ([]byte, error)    { return get(c.tx, key) }
func (c committed) entryAt(index uint64) (row, error) { return entryAt(c.tx, index) }
func (b *batch) get(key []byte) ([]byte, error)       { return get(b.tx, key) }

// loadRules finds the rules and wards in effect.
func (m *Machine) loadRules(tx *badger.Txn, x reader) error {
	m.rules, m.wards = nil, nil
	defer func() { rules := m.rules; m.active.Store(&rules); m.activeWards.Store(m.wards) }()
	return scan(tx, []byte{rowActive}, nil, true, func(k, v []byte) error {
		if k[1] != activeWards && k[1] != activeRules {
			return nil // machines
		}
		r, err := x.entryAt(beIndex(v))
		if err != nil {
			return err
		}
		body, err := record.DecodeBody(r.entry.Body)
		if err != nil {
			return err
		}
		if k[1] == activeWards {
			m.wards, err = assemble(x, &body)
			return err
		}
		rules, err := routing.UnmarshalRules(body.Payload.Data)
		m.rules = append(m.rules, rules)
		return err
	})
}

// assemble puts the parts together that an activation names: Data is the set's
// name, Parts how many there are. What the set lacks stays as it was built in.
func assemble(x reader, body *record.Body) (*routing.Wards, error) {
	if body.Payload.Parts == 0 || body.Payload.Parts > routing.MaxParts {
		return nil, fmt.Errorf("%w (%d parts)", errParts, body.Payload.Parts)
	}
	var parts [][]byte
	for i := range body.Payload.Parts {
		id := WardsPartID(body.Payload.Data, i)
		v, err := x.get(idKey(rowBody, id[:]))
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, fmt.Errorf("%w (part %d of %d is missing)", errParts, i+1, body.Payload.Parts)
		}
		r, err := x.entryAt(beIndex(v))
		if err != nil {
			return nil, err
		}
		part, err := record.DecodeBody(r.entry.Body)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part.Payload.Data)
	}
	w, err := routing.Assemble(parts)
	if err == nil {
		w, err = w.Over(routing.Centres())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errParts, err)
	}
	return w, nil
}
