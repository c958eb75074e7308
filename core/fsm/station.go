package fsm

import (
	"errors"
	"fmt"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// station takes consecutive entries of one chain of a station. Entries that
// are there already with the same hash are fine: they were sent twice. A gap
// refuses all of it; so does a fork from where it begins.
func (b *batch) station(p []byte) (Result, error) {
	var c *chainRow
	var id record.ChainID
	firstIndex := uint64(0)
	bad := Result{}
	for len(p) > 0 {
		e, rest, err := record.DecodeEntry(p)
		if err != nil {
			bad = Result{Status: Refused, Detail: err.Error()}
			break
		}
		p = rest
		if c == nil {
			id = e.Link.Chain()
			if id.Origin == record.CoreOrigin || id.Origin == "" || e.Link.Seq == 0 {
				return Result{Status: Refused, Detail: fmt.Sprintf("chain %v is not a station's", id)}, nil
			}
			if c, err = b.chain(id); err != nil {
				return Result{}, err
			}
		}
		if e.Link.Chain() != id {
			bad = Result{Status: Refused, Detail: "entries of two chains in one batch"}
			break
		}
		r, err := b.one(c, id, e)
		if err != nil {
			return r, err
		}
		if r.Status != OK {
			bad = r // what stood before it is taken
			break
		}
		if r.Index != 0 && firstIndex == 0 {
			firstIndex = r.Index
		}
		if firstIndex != 0 && b.unit.over(b.m.db, unitPart) {
			// A part of the batch is a batch. Where it ends follows from the
			// entries alone, also when the rest comes again after a crash.
			if err := b.span(id, c.seq, firstIndex); err != nil {
				return Result{}, err
			}
			if err := b.seal(); err != nil {
				return Result{}, err
			}
			if err := b.turn(); err != nil {
				return Result{}, err
			}
			if c, err = b.chain(id); err != nil {
				return Result{}, err
			}
			firstIndex = 0
		}
	}
	if c == nil {
		if bad.Status == "" {
			bad = Result{Status: Refused, Detail: "an empty batch"}
		}
		return bad, nil
	}
	if firstIndex != 0 {
		if err := b.span(id, c.seq, firstIndex); err != nil {
			return Result{}, err
		}
	}
	if bad.Status != "" {
		return bad, nil
	}
	return Result{Status: OK, Seq: c.seq, Hash: c.hash, Index: c.index}, nil
}

// span says where the entries of a batch begin in the city's order, and looks at
// what it means that the chain goes on.
func (b *batch) span(id record.ChainID, last record.Seq, firstIndex uint64) error {
	if err := b.goesOn(id, last); err != nil {
		return err
	}
	return b.set(u64(chainKey(rowSpan, id), uint64(last)), u64(nil, firstIndex))
}

// one takes one entry; Index is set when it is new.
func (b *batch) one(c *chainRow, id record.ChainID, e record.Entry) (Result, error) {
	hash := e.Hash()
	if e.Link.Seq <= c.seq {
		return b.again(c, id, e, hash)
	}
	if e.Link.Seq != c.seq+1 && !planted.GapTaken {
		return Result{Status: Gap, Expected: c.seq + 1, Hash: c.hash, Index: c.index}, nil
	}
	if e.Link.Prev != c.hash && !planted.GapTaken {
		return Result{Status: Fork, At: e.Link.Seq, Detail: "does not follow the entry that the city holds before it"}, nil
	}
	body, err := record.DecodeBody(e.Body)
	switch {
	case err != nil:
		return Result{Status: Refused, Detail: err.Error()}, nil
	case body.Origin != id.Origin:
		return Result{Status: Refused, Detail: fmt.Sprintf("entry of %s in a chain of %s", body.Origin, id.Origin)}, nil
	}
	if e.Link.Seq == 1 {
		if err := b.beginning(id, e.Link); err != nil {
			return Result{}, err
		}
	}
	index := b.meta.index + 1 // what follows from the entry stands behind it
	if err := b.take(&body, e, hash); err != nil {
		return Result{}, err
	}
	c.seq, c.hash, c.hlc, c.index = e.Link.Seq, hash, e.Link.HLC, index
	return Result{Status: OK, Index: index}, nil
}

// again compares an entry with the one that the city holds at its seq.
func (b *batch) again(c *chainRow, id record.ChainID, e record.Entry, hash record.Hash) (Result, error) {
	if e.Link.Seq == c.seq {
		if hash == c.hash {
			return Result{Status: OK}, nil
		}
		return Result{Status: Fork, At: e.Link.Seq, Detail: "the city holds another entry there"}, nil
	}
	have, err := b.had(id, e.Link.Seq)
	if err != nil {
		return Result{}, err
	}
	if have != hash {
		return Result{Status: Fork, At: e.Link.Seq, Detail: "the city holds another entry there"}, nil
	}
	return Result{Status: OK}, nil
}

// run is the hashes of consecutive entries of a chain, as read when one was asked
// for: what comes again is a batch, and reading on for each would cost its square.
type run struct {
	id     record.ChainID
	from   record.Seq
	hashes []record.Hash
}

// maxRun is how many entries are read at once: a station's batch.
const maxRun = 256

// had is the hash of an entry of a chain that the city holds.
func (b *batch) had(id record.ChainID, seq record.Seq) (record.Hash, error) {
	if b.run.id == id && seq >= b.run.from && seq < b.run.from+record.Seq(len(b.run.hashes)) {
		return b.run.hashes[seq-b.run.from], nil
	}
	b.run = run{id: id, from: seq}
	err := chainFrom(b.old, id, seq, func(r row) error {
		if len(b.run.hashes) == maxRun || r.entry.Link.Seq != seq+record.Seq(len(b.run.hashes)) {
			return errStop
		}
		b.run.hashes = append(b.run.hashes, r.entry.Hash())
		return nil
	})
	if err != nil {
		return record.Hash{}, err
	}
	if len(b.run.hashes) > 0 {
		return b.run.hashes[0], nil
	}
	for i := range b.rows { // it came in this transaction
		if l := &b.rows[i].entry.Link; l.Seq == seq && l.Chain() == id {
			return b.rows[i].entry.Hash(), nil
		}
	}
	return record.Hash{}, fmt.Errorf("%w: %v has no entry %d", errRow, id, seq)
}

// alarm says, once per incarnation, that something about a line must be seen.
func (b *batch) alarm(what string, id record.ChainID, detail string) error {
	eid := record.DerivedID("alarm", []byte(what), []byte(id.Origin), u64(nil, uint64(id.Incarnation)))
	if n, err := b.known(eid); err != nil || n > 0 {
		return err
	}
	body := record.Body{ID: eid, Kind: record.KindAlarm, Origin: record.CoreOrigin, HLC: record.HLCAt(b.meta.time),
		ReceivedAt: b.meta.time, Payload: record.Payload{Reason: what, Data: []byte(detail), Patrol: string(id.Origin)}}
	if _, _, err := b.putCore(&body, 0, record.KindAlarm, 0); err != nil {
		return err
	}
	b.m.o.Log.Error("ALARM: "+detail, "what", what, "origin", id.Origin)
	return b.tellStation(id.Origin, b.meta.index)
}

// tellStation lets a station hear of an alarm about it.
func (b *batch) tellStation(o record.Origin, index uint64) error {
	if w, ok := o.Ward(); ok {
		return b.outboxEntry(w, index)
	}
	return nil
}

// take gives a station's entry its place and draws what follows from it.
func (b *batch) take(body *record.Body, e record.Entry, hash record.Hash) error {
	if body.Kind != record.KindReport {
		return b.takeOther(body, e, hash)
	}
	id := body.Payload.Report
	old, err := b.subject(id)
	if err != nil {
		return err
	}
	if old.first > 0 && !planted.RepeatUnknown {
		if err := b.put(e, body, hash, record.KindRepeat, old.first); err != nil {
			return err
		}
		fp, err := b.fingerprint(old.first)
		if err == nil && fp != body.Payload.Fingerprint {
			err = b.otherContent(body)
		}
		return err
	}
	if err := b.put(e, body, hash, record.KindReport, 0); err != nil {
		return err
	}
	old.first = b.meta.index
	b.touch(id, old, 10)
	return b.opened(body)
}

// otherContent keeps a report that came under an id which already stood for
// another content: as a report of the core under a derived id, flagged. Nobody
// silences a report by using its id first.
func (b *batch) otherContent(body *record.Body) error {
	id := OtherContentID(body.Payload.Report, body.Payload.Fingerprint)
	if s, err := b.subject(id); err != nil || s.first > 0 {
		return err
	}
	kept := *body
	kept.ID = record.DerivedID("report", id[:], []byte(record.CoreOrigin))
	kept.Incident, kept.Payload.Report = id, id
	kept.Origin = record.CoreOrigin
	kept.Payload.Flags |= record.FlagOtherContent
	return b.newReport(&kept, 0)
}

// OtherContentID is the id under which another content of a known id is kept.
func OtherContentID(id record.ID, fp record.Hash) record.ID {
	return record.DerivedID("other-content", id[:], fp[:])
}

// newReport writes a report of the core's own chain.
func (b *batch) newReport(body *record.Body, proposed record.HLC) error {
	if _, _, err := b.putCore(body, proposed, record.KindReport, 0); err != nil {
		return err
	}
	s, err := b.subject(body.Payload.Report)
	if err != nil {
		return err
	}
	s.first, s.atCore = b.meta.index, b.meta.index
	b.touch(body.Payload.Report, s, 20)
	return b.opened(body)
}

// takeOther takes an entry that is no report. The same body again, in another
// chain (appended again after a fork), is listed as a repeat. So is a station's second
// routing of a report, which may say something else: who has the first is told of it too,
// so that all fold the same two.
func (b *batch) takeOther(body *record.Body, e record.Entry, hash record.Hash) error {
	first, listed := uint64(0), body.Kind
	var err error
	switch {
	case byOwnID(body):
		first, err = b.known(body.ID)
	case body.Kind == record.KindRouted:
		first, err = b.routedBefore(body)
	}
	if err != nil {
		return err
	}
	if first > 0 {
		if listed = record.KindRepeat; body.Kind != record.KindRouted {
			return b.put(e, body, hash, listed, first)
		}
	}
	before, err := b.toldOf(body)
	if err != nil {
		return err
	}
	if err := b.put(e, body, hash, listed, first); err != nil {
		return err
	}
	if body.Kind == record.KindErased {
		return b.destroyed(body)
	}
	if err := b.tell(body, before, b.meta.index); err != nil {
		return err
	}
	if body.Kind.Broadcast() {
		return b.wardBroadcast(body)
	}
	return errors.Join(b.reclassified(body), b.claimed(body), b.password(body))
}
