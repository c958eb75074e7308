package fsm

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/exercise"
	"wardline/sync/record"
)

// exerciseFits says why an exercise cannot take effect; empty when it can.
func (b *batch) exerciseFits(body *record.Body) (string, error) {
	x, err := exercise.Of(body, b.meta.index+1)
	if err != nil {
		return err.Error(), nil
	}
	if x.ID != body.Payload.Target {
		return "an exercise's entry names two", nil
	}
	n, known := 0, false
	err = scan(b.tx, []byte{rowActive, activeExercise}, nil, false, func(k, _ []byte) error {
		n++
		known = known || len(k) == 2+len(x.ID) && record.ID(k[2:]) == x.ID
		return nil
	})
	if err == nil && !known && n >= exercise.Max {
		return fmt.Sprintf("the city's log names %d exercises already", n), nil
	}
	return "", err
}

// Exercises are all that were made, as this node has applied them.
func (m *Machine) Exercises() (exercise.Set, error) {
	all := exercise.Set{}
	err := m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowActive, activeExercise}, nil, true, func(_, v []byte) error {
			e, err := entryAt(tx, beIndex(v))
			if err != nil {
				return err
			}
			r, err := e.out()
			if err != nil {
				return err
			}
			x, err := exercise.Of(&r.Body, r.Index)
			if err != nil {
				return fmt.Errorf("%w: %w", errRow, err)
			}
			all.Take(x)
			return nil
		})
	})
	return all, err
}

// practice makes a routing that of an exercise, if its report is one's: it has no
// deadlines, so that nothing of it is ever missed.
func practice(routed *record.Payload, of *record.Payload) bool {
	if of.Flags&record.FlagExercise == 0 {
		return false
	}
	routed.Flags, routed.Target, routed.Deadlines = routed.Flags|record.FlagExercise, of.Target, nil
	return true
}
