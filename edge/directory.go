package edge

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"wardline/sync/exercise"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// directory is what the city said about itself: the rules, wards and accounts with
// which the station works while the city is away. It is read from the ledger, where the
// downlink put it.
type directory struct {
	now atomic.Pointer[cityNow]
}

type cityNow struct {
	rules []*routing.Rules
	wards *routing.Wards // nil: the built-in centres
	// accounts by their names; each as its latest entry has it.
	accounts map[string]identity.Account
	// exercises by their ids, as the latest entry of each has them.
	exercises exercise.Set
	// chosen is where in the ledger stands the entry of a password that was chosen here and
	// that the city has not answered yet, by user.
	chosen map[string]uint64
}

// rulesAt are the rules in effect at a time, milliseconds since the Unix epoch, UTC.
func (d *directory) rulesAt(at int64) *routing.Rules { return routing.Pick(d.now.Load().rules, at) }

func (d *directory) wards() *routing.Wards { return d.now.Load().wards }

// readDirectory takes in what the ledger holds. What cannot be used is said and left
// out: the station goes on with what it knew before.
func (s *Station) readDirectory() error {
	s.telling.Lock()
	defer s.telling.Unlock()
	rows, err := s.ledger.Incident(record.DirectoryID)
	if err != nil {
		return err
	}
	next := cityNow{accounts: map[string]identity.Account{}, chosen: map[string]uint64{}, exercises: exercise.Set{}}
	var wards *record.Body
	var newest uint64
	byVersion := map[uint32]uint64{} // version -> city index of the rules taken
	parts := map[string][][]byte{}
	var machines machinesNow
	for i := range rows {
		b := &rows[i].Body
		switch b.Kind {
		case record.KindRules:
			r, err := routing.UnmarshalRules(b.Payload.Data)
			if err != nil {
				s.alarm(fmt.Sprintf("rules of the city cannot be used by this station, version %d: %v", b.Payload.Rules, err))
				continue
			}
			if at, had := byVersion[r.Version]; had {
				if rows[i].Index < at {
					continue
				}
				next.rules = slices.DeleteFunc(next.rules, func(o *routing.Rules) bool { return o.Version == r.Version })
			}
			byVersion[r.Version] = rows[i].Index
			next.rules = append(next.rules, r)
		case record.KindAccount:
			s.takeAccount(next.accounts, &rows[i])
		case record.KindExercise:
			if x, err := exercise.Of(b, rows[i].Index); err == nil { // of a newer program: its reports are taken as real
				next.exercises.Take(x)
			}
		case record.KindWards:
			if id, _, _, err := routing.PartInfo(b.Payload.Data); err == nil {
				parts[string(id[:])] = append(parts[string(id[:])], b.Payload.Data)
			}
		case record.KindMachine:
			if err := machines.add(rows[i].Index, b); err != nil {
				s.alarm(err.Error())
			}
		case record.KindActivate:
			if rows[i].Index >= newest { // the last in the city's order is in effect
				newest, wards = rows[i].Index, b
			}
		}
	}
	next.choose(s.c.Ward, rows)
	old := s.city.now.Load()
	if wards != nil {
		w, err := routing.Assemble(parts[string(wards.Payload.Data)])
		if err == nil {
			next.wards, err = w.Over(routing.Centres())
		}
		if err != nil {
			if !errors.Is(err, routing.ErrPartsMissing) { // their entries follow
				s.alarm(fmt.Sprintf("wards of the city cannot be used by this station, version %d: %v", wards.Payload.Rules, err))
			}
			if old != nil {
				next.wards = old.wards
			}
		}
	}
	s.city.now.Store(&next)
	s.heardOfMachines(machines)
	return nil
}
