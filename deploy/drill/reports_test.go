package drill

import (
	"fmt"
	"slices"
	"time"

	"wardline/core/fsm"
	"wardline/edge/ledger"
	"wardline/sync/door"
	"wardline/sync/record"
	"wardline/sync/report"
)

// behind says whether the city holds more of this station's lives than its disk.
func (st *station) behind(held []record.Head) bool {
	have := map[record.Head]record.Seq{}
	for _, c := range st.ledger.Chains() {
		have[record.Head{Incarnation: c.Head.Incarnation, Lane: c.Head.Lane}] = c.Head.Seq
	}
	for _, h := range held {
		if h.Seq > have[record.Head{Incarnation: h.Incarnation, Lane: h.Lane}] {
			return true
		}
	}
	return false
}

// forget marks what a rolled-back disk took with it.
func (s *sim) forget(st *station) {
	there := s.listed()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.reports {
		if !r.acked || r.at != st.name || there[id] > 0 {
			continue
		}
		if _, ok, err := st.ledger.Once(id); err != nil || !ok {
			r.gone = true
		}
	}
}

// prove writes one report to each lane and waits until they are on the disk: a
// life that never wrote cannot be named by the city.
func (s *sim) prove(st *station) {
	st.lost.Store(0)
	time.Sleep(time.Second) // the ledger looks at its disk ten times a second
	for lane := record.Urgent; lane <= record.Telemetry; lane++ {
		if !s.offer(st, s.newReport(lane, true)) {
			s.fail("%s did not take a report with room on its disk", st.name)
		}
	}
}

func (s *sim) newReport(lane record.LaneID, phone bool) record.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	id := record.DerivedID("drill", fmt.Append(nil, s.seed, s.count))
	s.reports[id] = &sent{lane: lane, phone: phone}
	return id
}

func body(id record.ID, o record.Origin, hlc record.HLC) (door.Output, error) {
	r := report.Report{ID: id, Category: record.Fire}
	if id[0]%4 == 0 {
		r.Text = "cháy nhà"
	}
	return door.Body(door.Input{Report: r, Origin: o, Device: "app-1", Ward: ward, HLC: hlc, ReceivedAt: time.Now().UnixMilli()})
}

func (st *station) append(id record.ID, lane record.LaneID) (ledger.Append, error) {
	out, err := body(id, origin, st.ledger.Clock().Now())
	a := ledger.Append{Lane: lane, Body: out.Body, Once: &ledger.Once{ID: id, Fingerprint: out.Body.Payload.Fingerprint}}
	if out.Key != nil {
		a.Keys = append(a.Keys, st.keys.Wrap(out.Key.ID, out.Key.Key))
	}
	return a, err
}

// offer sends one report to a station and waits for its answer.
func (s *sim) offer(st *station, id record.ID) bool {
	done := make(chan bool, 1)
	s.send(st, id, func(ok bool) { done <- ok })
	return <-done
}

// send gives a report to a station. An answer of a process that was killed
// reaches nobody.
func (s *sim) send(st *station, id record.ID, done func(bool)) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.dead {
		done(false)
		return
	}
	s.mu.Lock()
	lane := s.reports[id].lane
	s.mu.Unlock()
	a, err := st.append(id, lane)
	s.must(err)
	st.ledger.Submit(a, func(_ ledger.Result, err error) {
		if err == nil && !st.ended.Load() {
			s.mu.Lock()
			if r := s.reports[id]; !r.acked || r.gone {
				r.acked, r.gone, r.at = true, false, st.name
			}
			s.mu.Unlock()
		}
		done(err == nil)
	})
}

// submit sends new reports, mostly urgent ones, without waiting.
func (s *sim) submit(st *station, n int) {
	s.note("%d reports to %s", n, st.name)
	lane := []record.LaneID{record.Urgent, record.Urgent, record.Routine, record.Telemetry}[s.r.IntN(4)]
	for range n {
		s.send(st, s.newReport(lane, s.r.IntN(2) == 0), func(bool) {})
	}
}

// cityDoor sends reports to the city's own door, half of them known at the
// ward's already.
func (s *sim) cityDoor(n int) {
	s.note("%d reports at the city's door", n)
	if s.city.away() {
		return
	}
	for range n {
		id := s.newReport(record.Urgent, true)
		if s.r.IntN(2) == 0 {
			s.send(s.fleet[0], id, func(bool) {})
		}
		out, err := body(id, record.CoreOrigin, s.city.clock.Now())
		s.must(err)
		var keys []record.WrappedKey
		if out.Key != nil {
			keys = append(keys, s.city.keys.Wrap(out.Key.ID, out.Key.Key))
		}
		raw, err := out.Body.Encode()
		s.must(err)
		if r := s.city.commit(fsm.Body(raw, keys)); r.Status != fsm.OK {
			s.fail("the city's door answered %s %s", r.Status, r.Detail)
		}
		s.mu.Lock()
		s.reports[id].acked, s.reports[id].at = true, "city"
		s.mu.Unlock()
	}
}

// twin lets a machine that shares the station's memory, not only its disk, come
// to the city first: entries at the places where the station's own belong.
func (s *sim) twin() {
	st := s.fleet[0]
	if !st.up() {
		return
	}
	inc := st.ledger.Stats().Incarnation
	held, err := s.city.machine.Heads(origin)
	s.must(err)
	if !slices.ContainsFunc(held, func(h record.Head) bool { return h.Incarnation == inc }) {
		return // the city does not know this life yet
	}
	if s.r.IntN(2) == 0 {
		// What the station has at the twin's places waits on its disk, while the
		// twin's entries come down to it.
		for i := range nodes {
			s.net.set(i, false, true, false)
		}
		for lane := record.Urgent; lane <= record.Telemetry; lane++ {
			s.send(st, s.newReport(lane, true), func(bool) {})
		}
	}
	for _, h := range held {
		if h.Incarnation != inc {
			continue
		}
		s.note("a twin in memory forks %v %v at %d", inc, h.Lane, h.Seq+1)
		prev := h
		for range 1 + s.r.IntN(3) {
			id := s.newReport(h.Lane, true)
			out, err := body(id, origin, s.city.clock.Now())
			s.must(err)
			raw, err := out.Body.Encode()
			s.must(err)
			var keys []record.WrappedKey
			if out.Key != nil {
				keys = append(keys, s.city.keys.Wrap(out.Key.ID, out.Key.Key))
			}
			e := record.Entry{Body: raw, Link: record.Link{Origin: origin, Incarnation: inc, Lane: h.Lane, Seq: prev.Seq + 1, HLC: out.Body.HLC, Prev: prev.Hash}}
			if r := s.city.commit(fsm.Batch(e.Append(nil), keys)); r.Status != fsm.OK {
				s.note("the twin came too late: %s", r.Status)
				break
			}
			s.forked = true
			prev = e.Head()
			s.mu.Lock()
			s.reports[id].acked, s.reports[id].at = true, "twin"
			s.mu.Unlock()
		}
	}
}

// listed counts the reports in the city's order.
func (s *sim) listed() map[record.ID]int {
	n := map[record.ID]int{}
	for after := uint64(0); ; {
		rows, err := s.city.machine.After(after, 1000)
		s.must(err)
		if len(rows) == 0 {
			return n
		}
		for _, r := range rows {
			if r.Listed == record.KindReport {
				n[r.Body.Payload.Report]++
			}
		}
		after = rows[len(rows)-1].Index
	}
}
