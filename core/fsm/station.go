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
	b.unit = weight{} // without the keys, which are set again when it comes again
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
	have, err := chainEntry(b.old, id, e.Link.Seq)
	if errors.Is(err, errRow) {
		have, err = chainEntry(b.tx, id, e.Link.Seq) // it came in this transaction
	}
	if err != nil {
		return Result{}, err
	}
	if have.Hash() != hash {
		return Result{Status: Fork, At: e.Link.Seq, Detail: "the city holds another entry there"}, nil
	}
	return Result{Status: OK}, nil
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
	old, known, err := b.report(id)
	if err != nil {
		return err
	}
	if known && !planted.RepeatUnknown {
		if err := b.put(e, body, hash, record.KindRepeat, old.first); err != nil {
			return err
		}
		if old.fingerprint != body.Payload.Fingerprint {
			return b.otherContent(body)
		}
		return nil
	}
	if err := b.put(e, body, hash, record.KindReport, 0); err != nil {
		return err
	}
	b.reports[id] = reportRow{first: b.meta.index, fingerprint: body.Payload.Fingerprint}
	return b.opened(body)
}

// otherContent keeps a report that came under an id which already stood for
// another content: as a report of the core under a derived id, flagged. Nobody
// silences a report by using its id first.
func (b *batch) otherContent(body *record.Body) error {
	id := OtherContentID(body.Payload.Report, body.Payload.Fingerprint)
	if _, known, err := b.report(id); err != nil || known {
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
	b.reports[body.Payload.Report] = reportRow{first: b.meta.index, atCore: b.meta.index, fingerprint: body.Payload.Fingerprint}
	return b.opened(body)
}

// takeOther takes an entry that is no report. The same body again, in another
// chain (appended again after a fork), is listed as a repeat.
func (b *batch) takeOther(body *record.Body, e record.Entry, hash record.Hash) error {
	first, err := b.known(body.ID)
	if err != nil {
		return err
	}
	if first > 0 {
		return b.put(e, body, hash, record.KindRepeat, first)
	}
	before, err := b.toldOf(body)
	if err != nil {
		return err
	}
	if err := b.put(e, body, hash, body.Kind, 0); err != nil {
		return err
	}
	if err := b.tell(body, before, b.meta.index); err != nil {
		return err
	}
	return b.reclassified(body)
}
