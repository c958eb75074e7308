package view

import (
	"bytes"
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/tables"
)

// step is one transaction of the view in the making.
type step struct {
	v      *View
	tx     writes
	rows   []Committed
	fresh  []Row // that began in it without a fold
	number uint64
	open   map[tail][]byte // bundles that it read
}

// about says which entries of a step are about an incident.
type about struct {
	id    record.ID
	which []int
}

// step takes in the next entries; a log that is shorter than the view (a
// restored image) makes the view start over.
func (v *View) step() (int, error) {
	at := v.at.Load()
	switch short := at > v.log.Position(); {
	case short && v.late:
		return 0, nil // what is missing comes again
	case v.late && at > 0 && v.held != nil:
		same, err := v.holds(at)
		if err != nil {
			return 0, err
		}
		if !same {
			v.l.Warn("view is of another log and is built again", "view", at)
			if err := v.drop(); err != nil {
				return 0, err
			}
			at = 0
		}
		v.held = nil
	case short:
		v.l.Warn("view is ahead of its log and is built again", "view", at, "log", v.log.Position())
		at = 0
	}
	rows, err := v.log.After(at, batch)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var list []about
	rows, list = group(rows)
	last := &rows[len(rows)-1]
	s := &step{v: v, tx: writes{Txn: v.db.NewTransaction(true)}, rows: rows, number: at + 1, open: map[tail][]byte{}}
	defer s.tx.Discard()
	for _, a := range list {
		if err := s.take(a.id, a.which); err != nil {
			return 0, err
		}
	}
	if err := s.bundle(); err != nil {
		return 0, err
	}
	mark := append(binary.BigEndian.AppendUint64(make([]byte, 0, markSize), last.Position), last.Body.ID[:]...)
	if err := s.tx.Set(keyMark, mark); err != nil {
		return 0, err
	}
	if err := v.commit(s.tx.Txn, s.tx.cost); err != nil {
		return 0, err
	}
	v.at.Store(last.Position)
	ch := make(chan struct{})
	close(*v.moved.Swap(&ch))
	return len(rows), nil
}

// holds says whether the log has at a position what the view took in there.
func (v *View) holds(at uint64) (bool, error) {
	rows, err := v.log.After(at-1, 1)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return rows[0].Position == at && rows[0].Body.ID == *v.held, nil
}

// markSize is the length of the view's mark: the position of the last entry taken in, and its id.
const markSize = 8 + 16

// writes is a transaction whose cost is counted.
type writes struct {
	*badger.Txn
	cost int64
}

func (w *writes) Set(k, v []byte) error {
	w.cost += tables.Cost(k, v)
	return w.Txn.Set(k, v)
}

func (w *writes) Delete(k []byte) error {
	w.cost += tables.Cost(k, nil)
	return w.Txn.Delete(k)
}

// group sorts entries by incident, as many of them as one transaction may be about.
func group(rows []Committed) ([]Committed, []about) {
	const usual = 2 // a report and its routing
	here, pool := make(map[record.ID]int, len(rows)/usual), make([]int, usual*len(rows))
	var list []about
	touch := func(id record.ID, i int) {
		if id.Zero() {
			return
		}
		n, ok := here[id]
		if !ok {
			n = len(list)
			here[id] = n
			var which []int
			if len(pool) >= usual {
				which, pool = pool[:0:usual], pool[usual:]
			}
			list = append(list, about{id, which})
		}
		list[n].which = append(list[n].which, i)
	}
	for i := range rows {
		if len(list) >= batchIncidents {
			return rows[:i], list
		}
		touch(rows[i].Body.Incident, i)
		for _, o := range rows[i].Body.Payload.Incidents {
			touch(o, i)
		}
	}
	return rows, list
}

// take takes in the step's entries that are about an incident.
func (s *step) take(id record.ID, which []int) error {
	old, err := s.find(id)
	if err != nil {
		return err
	}
	next := Row{ID: id}
	if old != nil {
		next = *old
	}
	if !next.begins(s.rows, which, old == nil) {
		var bodies []record.Body
		if old != nil {
			bodies, err = s.v.log.Bodies(id)
		} else { // it began here: all of it is at hand
			for _, i := range which {
				bodies = append(bodies, s.rows[i].Body)
			}
		}
		if err != nil {
			return err
		}
		next = RowOf(record.Fold(id, bodies), 0)
	}
	next.Position = s.rows[which[len(which)-1]].Position
	if old != nil {
		next.bundle = old.bundle
	} else if next.begun != 0 && next.ReceivedAt > 0 {
		s.fresh = append(s.fresh, next)
		return nil
	}
	return s.put(old, next)
}

func idKey(id record.ID) []byte { return append(append(make([]byte, 0, 18), rowKey...), id[:]...) }

// put writes the row of an incident; old is what stands there, or nil.
func (s *step) put(old *Row, r Row) error {
	was, is := old.listKey(), r.listKey()
	sources := old == nil || old.Device != r.Device || old.ReceivedAt != r.ReceivedAt || old.Verdict != r.Verdict || old.Exercise != r.Exercise
	if r.bundle != (tail{}) && (sources || !bytes.Equal(was, is)) {
		if err := s.leave(old); err != nil {
			return err
		}
		r.bundle, was, sources = tail{}, nil, true
	}
	if r.bundle == (tail{}) {
		moved, brief := !bytes.Equal(was, is), r.brief()
		if moved && was != nil {
			if err := s.tx.Delete(was); err != nil {
				return err
			}
		}
		if moved || !bytes.Equal(brief, old.brief()) {
			if err := s.tx.Set(is, brief); err != nil {
				return err
			}
		}
	}
	if sources {
		if err := s.source(&r); err != nil {
			return err
		}
	}
	return s.tx.Set(idKey(r.ID), r.append(make([]byte, 0, 256)))
}
