package drill

import (
	"slices"
	"time"

	"wardline/core/fsm"
	"wardline/edge/ledger"
	"wardline/sync/record"
)

// patience is the virtual time in which a healed city must come to its end.
const patience = 5 * time.Minute

// heal is the second phase: everything works again, and must come to its end.
func (s *sim) heal() {
	s.note("everything heals")
	s.city.mu.Lock()
	s.city.leaderless, s.city.full, s.city.unkind = false, false, 0
	s.city.mu.Unlock()
	s.net.mu.Lock()
	s.net.slow = 0
	s.net.mu.Unlock()
	for i := range nodes {
		s.net.set(i, false, false, false)
	}
	for _, st := range s.fleet {
		st.lost.Store(0)
		st.disarm()
		if st.ended.Load() {
			st.kill()
		}
		if !st.up() {
			st.start()
		}
	}
	for _, st := range s.fleet {
		s.prove(st)
	}
	s.urgentPasses(s.fleet[0])
	s.again()
	s.settle(false)
	// A clone is one when both go on after each has been heard.
	for _, st := range s.fleet {
		s.prove(st)
	}
	s.settle(false)
	// What another machine under the same name wrote since comes with the next
	// stream; so does what the last faults left half sent.
	s.net.breakAll(-1)
	time.Sleep(time.Second)
	s.settle(true)
}

// again offers what phones still keep: everything without a city receipt.
func (s *sim) again() {
	s.mu.Lock()
	var ids []record.ID
	for id, r := range s.reports {
		if r.phone && (!r.acked || r.gone) {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	for _, id := range ids {
		if !s.offer(s.fleet[0], id) {
			s.fail("a report that was offered again was not taken")
		}
	}
}

// urgentPasses sends routine reports and then an urgent one, which must not
// wait for them.
func (s *sim) urgentPasses(st *station) {
	for range 150 {
		s.send(st, s.newReport(record.Routine, false), func(bool) {})
	}
	id := s.newReport(record.Urgent, true)
	if !s.offer(st, id) {
		s.fail("an urgent report was not taken")
	}
	s.wait("the urgent report is at the city", time.Minute, func() bool {
		rows, err := s.city.machine.Incident(id)
		s.must(err)
		return len(rows) > 0
	})
}

func (s *sim) wait(what string, limit time.Duration, ok func() bool) bool {
	s.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			s.fail("not within %v: %s", limit, what)
			return false
		}
	}
	return true
}

// settle waits until every chain has its city receipt and every cursor is at
// the end of the outbox.
func (s *sim) settle(last bool) {
	s.t.Helper()
	if !s.wait("every chain is receipted, every cursor at the end", patience, func() bool {
		_, box, err := s.city.machine.Outbox(ward, 0, 0)
		s.must(err)
		if box.Acked != box.Head {
			return false
		}
		for _, st := range s.fleet {
			for _, c := range st.ledger.Chains() {
				if c.Held != c.Head.Seq || (c.Order > 0 && c.City != c.Head.Seq) {
					return false
				}
			}
			held, err := s.city.machine.Heads(origin)
			s.must(err)
			cur := st.at()
			if cur.Seq != box.Head || cur.Hash != box.Hash || (last && st.behind(held)) {
				return false
			}
		}
		return true
	}) {
		s.explain()
	}
}

// explain says how far everything is.
func (s *sim) explain() {
	_, box, err := s.city.machine.Outbox(ward, 0, 0)
	s.must(err)
	s.t.Logf("outbox: head %d, acknowledged %d", box.Head, box.Acked)
	held, err := s.city.machine.Heads(origin)
	s.must(err)
	for _, h := range held {
		s.t.Logf("city: %v %v %d", h.Incarnation, h.Lane, h.Seq)
	}
	for _, st := range s.fleet {
		st.tell.Lock()
		s.t.Logf("%s: cursor %d, alarms %v", st.name, st.cursor.Seq, st.alarms)
		st.tell.Unlock()
		for _, c := range st.ledger.Chains() {
			s.t.Logf("%s: %v %v %d, receipt %d, order %d", st.name, c.Chain.Incarnation, c.Chain.Lane, c.Head.Seq, c.City, c.Order)
		}
	}
}

// check proves what was promised.
func (s *sim) check() {
	n := s.listed()
	s.mu.Lock()
	for id, r := range s.reports {
		switch {
		case n[id] > 1:
			s.t.Errorf("report %v is in the city %d times", id, n[id])
		case r.acked && !r.gone && n[id] != 1:
			s.t.Errorf("report %v was acknowledged by %s and is not in the city: %+v", id, r.at, *r)
		}
	}
	s.mu.Unlock()
	s.chains()
	alarms := s.alarms()
	disturbed := s.rolledBack || s.cloned || s.forked
	switch {
	case s.rolledBack && alarms["rollback"] == 0:
		s.fail("a rolled-back disk was not named: %v", alarms)
	case s.cloned && alarms["clone"] == 0:
		s.fail("a clone was not named: %v", alarms)
	case !disturbed && alarms["rollback"]+alarms["clone"] > 0:
		s.fail("named without a cause: %v", alarms)
	case !s.cloned && !s.forked && alarms["clone"] > 0:
		s.fail("a clone was named without one: %v", alarms)
	}
	for _, st := range s.fleet {
		s.lists(st)
	}
	if s.t.Failed() && !s.failed {
		s.fail("see above")
	}
	if s.failed {
		s.lives()
	}
}

// lives logs what the city knows of the station's lives: where each chain
// began, and after what.
func (s *sim) lives() {
	for after := uint64(0); ; {
		rows, err := s.city.machine.After(after, 1000)
		s.must(err)
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			after = r.Index
			l := r.Entry.Link
			if l.Origin == origin && l.Seq == 1 {
				s.t.Logf("at %d: life %v %v begins after %v %v %d", r.Index, l.Incarnation, l.Lane, l.Pred.Incarnation, l.Pred.Lane, l.Pred.Seq)
			}
			if r.Listed == record.KindAlarm {
				s.t.Logf("at %d: ALARM %s %s", r.Index, r.Body.Payload.Reason, r.Body.Payload.Data)
			}
		}
	}
	s.explain()
}

// chains proves that the city holds every chain whole.
func (s *sim) chains() {
	heads := map[record.ChainID]record.Head{}
	for after := uint64(0); ; {
		rows, err := s.city.machine.After(after, 1000)
		s.must(err)
		if len(rows) == 0 {
			return
		}
		for _, r := range rows {
			c, l := r.Entry.Link.Chain(), r.Entry.Link
			if l.Seq != heads[c].Seq+1 || l.Prev != heads[c].Hash {
				s.fail("chain %v is broken at %d", c, l.Seq)
			}
			heads[c] = r.Entry.Head()
			if r.Index != after+1 {
				s.fail("the city's order has a hole at %d", after+1)
			}
			after = r.Index
		}
	}
}

func (s *sim) alarms() map[string]int {
	n := map[string]int{}
	for after := uint64(0); ; {
		rows, err := s.city.machine.After(after, 1000)
		s.must(err)
		if len(rows) == 0 {
			return n
		}
		for _, r := range rows {
			if r.Listed == record.KindAlarm {
				n[r.Body.Payload.Reason]++
			}
		}
		after = rows[len(rows)-1].Index
	}
}

// lists proves that a station holds everything that the city holds about the
// incidents of its ward, and can open what is sealed.
func (s *sim) lists(st *station) {
	for after := uint64(0); ; {
		rows, err := s.city.machine.After(after, 1000)
		s.must(err)
		if len(rows) == 0 {
			return
		}
		for _, r := range rows {
			after = r.Index
			if r.Body.Incident.Zero() {
				continue
			}
			s.holds(st, r)
		}
	}
}

func (s *sim) holds(st *station, r fsm.Row) {
	list, err := st.ledger.Incident(r.Body.Incident)
	s.must(err)
	at := slices.IndexFunc(list, func(have ledger.Row) bool { return have.Body.ID == r.Body.ID })
	if at < 0 {
		s.fail("%s lacks entry %d of the city (%v, %v of %s %v %v %d)", st.name, r.Index, r.Body.Kind, r.Listed, r.Entry.Link.Origin, r.Entry.Link.Incarnation, r.Entry.Link.Lane, r.Entry.Link.Seq)
		return
	}
	if p := r.Body.Payload.Sealed; p != nil {
		k, err := st.ledger.Key(list[at].Position, p.Key)
		s.must(err)
		if k == nil {
			s.fail("%s lacks the key of entry %d", st.name, r.Index)
			return
		}
		if _, err := st.keys.Unwrap(*k); err != nil {
			s.fail("%s cannot open entry %d: %v", st.name, r.Index, err)
		}
	}
}
