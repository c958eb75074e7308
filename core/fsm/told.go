package fsm

import (
	"slices"

	"wardline/sync/record"
)

// Who was told of an incident stands in its subject row: folding the whole
// incident for every entry would make a flood on one incident (a panel that rings
// for hours) cost its square, on every node, within one apply.

// told is the wards that were told of an incident, sorted; not to be changed.
func (b *batch) told(id record.ID) ([]record.WardCode, error) {
	s, err := b.subject(id)
	return s.told, err
}

// grow notes whom an entry tells, after the entry has its place. An entry that
// can take another one back makes the fold say it anew.
func (b *batch) grow(id record.ID, s *subject, body *record.Body) error {
	units := body.Tells()
	shrinks := body.Kind == record.KindWithdraw || body.Kind == record.KindSplit || body.Kind == record.KindVoid
	if len(units) == 0 && !shrinks {
		return nil
	}
	var now []record.WardCode
	if shrinks {
		bodies, err := b.bodies(id)
		if err != nil {
			return err
		}
		units = nil
		for _, u := range record.Fold(id, bodies).Units {
			units = append(units, u.Unit)
		}
	} else {
		now = s.told
	}
	for _, u := range units {
		w, ok := u.Ward()
		if i, found := slices.BinarySearch(now, w); ok && !found && len(now) < maxTold {
			now = append(append(append(make([]record.WardCode, 0, len(now)+2), now[:i]...), w), now[i:]...)
			b.touch(id, s, 5)
		}
	}
	if shrinks {
		b.touch(id, s, 0)
	}
	s.told = now
	return nil
}

// toldBefore is an entry's incidents, and who was told of each before it.
type toldBefore struct {
	id   record.ID
	told []record.WardCode
}

// toldOf is who was told of an entry's incidents before it.
func (b *batch) toldOf(body *record.Body) ([]toldBefore, error) {
	ids := incidentsOf(body)
	out := make([]toldBefore, len(ids))
	for i, id := range ids {
		ws, err := b.told(id)
		if err != nil {
			return nil, err
		}
		out[i] = toldBefore{id, ws}
	}
	return out, nil
}

// incidentsOf are the incidents that an entry is about, each once.
func incidentsOf(body *record.Body) []record.ID {
	var out []record.ID
	if !body.Incident.Zero() {
		out = append(out, body.Incident)
	}
	for _, id := range body.Payload.Incidents {
		if !id.Zero() && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// maxTellRows bounds the outbox rows of one entry. A merge of as many incidents
// as fit into an entry (512), told to every ward of the city (168), stays far below; a
// station that invents wards does not.
const maxTellRows = 2048

// tell puts a committed entry into the outboxes of the wards concerned. A ward
// that is told only now gets the incident whole, before any newer entry of it.
func (b *batch) tell(body *record.Body, before []toldBefore, index uint64) error {
	var done []record.WardCode
	rows := 0
	for _, o := range before {
		s, err := b.subject(o.id)
		if err != nil {
			return err
		}
		for _, w := range s.told {
			// A station that wrote all there is of an incident has it whole: in a drain its
			// routings come before their reports, and none needs to come back.
			whole := !slices.Contains(o.told, w) && (len(s.at) > 1 || record.StationOrigin(w) != body.Origin)
			if !whole && (record.StationOrigin(w) == body.Origin || slices.Contains(done, w)) {
				continue
			}
			if rows++; rows > maxTellRows {
				b.m.o.Log.Error("an entry concerns more wards and incidents than are told of it", "index", index, "told", maxTellRows)
				return nil
			}
			if whole {
				err = b.outboxIncident(w, o.id, index)
			} else {
				err = b.outboxEntry(w, index)
				done = append(done, w)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
