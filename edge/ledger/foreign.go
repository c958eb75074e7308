package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"wardline/sync/record"
)

// Foreign is what the downlink brought: entries of other origins, and own
// ones that a restored disk lacks. Notes carry the cursor, in the same
// transaction as the data.
type Foreign struct {
	Entries []CityEntry
	Keys    []record.WrappedKey
	Notes   []Note
}

// CityEntry is an entry at its place in the city's order.
type CityEntry struct {
	Index uint64
	Entry record.Entry
}

// maxForeign bounds one transaction of foreign entries, in bytes.
const maxForeign = 400 << 10

// Foreign stores what the downlink brought; what is here already is skipped.
// It returns after the sync.
func (l *Ledger) Foreign(f Foreign) error {
	size := 0
	for _, e := range f.Entries {
		size += len(e.Entry.Body) + 256
	}
	if size > maxForeign && len(f.Entries) > 1 {
		half := len(f.Entries) / 2 // the cursor goes with the last part
		if err := l.Foreign(Foreign{Entries: f.Entries[:half], Keys: f.Keys}); err != nil {
			return err
		}
		f.Entries, f.Keys = f.Entries[half:], nil
		return l.Foreign(f)
	}
	if err := checkNotes(f.Notes); err != nil {
		return err
	}
	return l.op(size, func(b *batch) error {
		for _, e := range f.Entries {
			if err := b.foreign(e); err != nil {
				return err
			}
		}
		for _, k := range f.Keys {
			if err := b.set(idKey(rowKey, k.Key[:]), k.Append(nil)); err != nil {
				return err
			}
		}
		for _, n := range f.Notes {
			b.notes[string(n.Key)] = n.Value
			if err := b.set(append([]byte{rowNote}, n.Key...), n.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// op runs f in the committer and waits for the sync.
func (l *Ledger) op(size int, f func(*batch) error) error {
	done := make(chan error, 1)
	r := &request{lane: record.Urgent, op: f, size: size + 256, done: func(_ Result, err error) { done <- err }}
	if err := l.enqueue(r); err != nil {
		return err
	}
	return <-done
}

func (b *batch) foreign(e CityEntry) error {
	body, err := record.DecodeBody(e.Entry.Body)
	if err != nil {
		return fmt.Errorf("ledger: entry %d from the city: %w", e.Index, err)
	}
	hash := e.Entry.Hash()
	link := e.Entry.Link
	if link.Origin == b.l.o.Origin {
		return b.restore(e.Entry, &body, hash)
	}
	key := idKey(rowForeign, hash[:])
	old, err := get(b.tx, key)
	if err != nil || old != nil {
		return err
	}
	b.pos++
	row := e.Entry.Append(u64(u64(nil, b.pos), e.Index))
	if err := b.set(key, row); err != nil {
		return err
	}
	if err := b.set(positionKey(b.pos), key); err != nil {
		return err
	}
	b.entries++
	b.l.clock.Observe(body.HLC)
	return b.index(&body, b.pos)
}

// restore puts an own entry back that this disk lost. Chains of earlier lives
// only: this process's own chain is on this disk.
func (b *batch) restore(e record.Entry, body *record.Body, hash record.Hash) error {
	link := e.Link
	key := entryKey(rowEntry, link.Incarnation, link.Lane, link.Seq)
	old, err := get(b.tx, key)
	if err != nil {
		return err
	}
	if old != nil {
		have, _, err := record.DecodeEntry(old[min(8, len(old)):])
		if err == nil && have.Hash() == hash {
			return nil
		}
		return fmt.Errorf("ledger: the city holds another entry at %s/%s/%d than this disk; the sender must open an incarnation first", link.Incarnation, link.Lane, link.Seq)
	}
	if link.Incarnation == b.inc {
		return nil
	}
	name := chainName{link.Incarnation, link.Lane}
	c, ok := b.chains[name]
	if !ok {
		c = &chainRow{Inc: link.Incarnation, Lane: link.Lane}
		if have, ok := b.l.chains[name]; ok {
			*c = *have
		}
		b.chains[name] = c
	}
	if link.Seq != c.Seq+1 || (link.Seq > 1 && link.Prev != c.Hash) {
		return nil // out of order; the city sends it again in order
	}
	c.Seq, c.Hash, c.HLC = link.Seq, hash, link.HLC
	b.pos++
	if err := b.set(key, e.Append(u64(nil, b.pos))); err != nil {
		return err
	}
	if err := b.set(positionKey(b.pos), key); err != nil {
		return err
	}
	if body.Kind == record.KindReport {
		s := Stored{body.Payload.Fingerprint, link.Incarnation, link.Lane, link.Seq, hash, body.ReceivedAt, nil}
		if _, known, err := b.Once(body.Payload.Report); err != nil {
			return err
		} else if !known {
			b.once[body.Payload.Report] = s
			if err := b.set(idKey(rowOnce, body.Payload.Report[:]), s.encode()); err != nil {
				return err
			}
		}
	}
	b.entries++
	return b.index(body, b.pos)
}

// SaveReceipt keeps the city's receipt for a chain, synced.
func (l *Ledger) SaveReceipt(r record.Receipt) error {
	name := chainName{r.Chain.Incarnation, r.Chain.Lane}
	l.smu.RLock()
	old, had := l.receipts[name]
	l.smu.RUnlock()
	if had && old.Seq >= r.Seq {
		return nil
	}
	return l.op(256, func(b *batch) error {
		b.onCommit = append(b.onCommit, func() {
			if b.l.receipts[name].Seq < r.Seq {
				b.l.receipts[name] = r
			}
		})
		return b.set(chainKey(rowReceipt, r.Chain.Incarnation, r.Chain.Lane), r.Append(nil))
	})
}

// Reincarnate answers a FORK: the city holds other entries than ours from seq
// `from` on. Ours are put aside and their bodies appended again, with the same
// ids, in a new incarnation; nothing is lost and nothing overwritten.
func (l *Ledger) Reincarnate(c record.ChainID, from record.Seq) error {
	if c.Origin != l.o.Origin || from == 0 {
		return fmt.Errorf("ledger: %s/%d is no entry of %s", c.Origin, from, l.o.Origin)
	}
	name := chainName{c.Incarnation, c.Lane}
	l.smu.RLock()
	head, ok := l.chains[name]
	l.smu.RUnlock()
	if !ok || head.Seq < from {
		return nil // moved already
	}
	end := head.Seq
	// In steps, so that each stays within one transaction. The first step moves
	// the chain's head back and opens the incarnation; a crash between steps
	// leaves rows behind the head, which are moved by the next FORK.
	for at := from; at <= end; at += moveStep {
		step := min(end, at+moveStep-1)
		err := l.op(maxForeign, func(b *batch) error {
			if at == from {
				if err := b.cutChain(name, from-1); err != nil {
					return err
				}
			}
			return b.moveAside(c, at, step)
		})
		if err != nil {
			return err
		}
	}
	l.o.Log.Error("ALARM: this disk and the city held different entries at the same place; ours were appended again in a new incarnation",
		"incarnation", c.Incarnation.String(), "lane", c.Lane.String(), "from", from, "entries", end-from+1)
	return nil
}

// moveStep bounds how many forked entries one transaction moves.
const moveStep = 64

// cutChain moves a chain's head back and makes sure that what follows is
// appended in another incarnation.
func (b *batch) cutChain(name chainName, seq record.Seq) error {
	c := *b.l.chains[name]
	if have, ok := b.chains[name]; ok {
		c = *have
	}
	c.Seq, c.Hash = seq, record.Hash{}
	if seq > 0 {
		row, err := get(b.tx, entryKey(rowEntry, name.inc, name.lane, seq))
		if err != nil {
			return err
		}
		e, _, err := record.DecodeEntry(row[min(8, len(row)):])
		if err != nil {
			return err
		}
		c.Hash = e.Hash()
	}
	b.chains[name] = &c
	if b.inc == name.inc || b.inc == 0 {
		b.inc, b.order = newIncarnation(), b.order+1
	}
	return nil
}

// moveAside appends the bodies from..to again and keeps the old rows aside.
func (b *batch) moveAside(c record.ChainID, from, to record.Seq) error {
	for seq := from; seq <= to; seq++ {
		key := entryKey(rowEntry, c.Incarnation, c.Lane, seq)
		row, err := get(b.tx, key)
		if err != nil {
			return err
		}
		if len(row) < 8 {
			continue
		}
		e, _, err := record.DecodeEntry(row[8:])
		if err != nil {
			return err
		}
		body, err := record.DecodeBody(e.Body)
		if err != nil {
			return err
		}
		aside := append([]byte{rowAside}, key[1:]...)
		// The old position keeps naming a row: the one aside.
		if err := errors.Join(b.set(aside, row), b.set(positionKey(binary.BigEndian.Uint64(row)), aside)); err != nil {
			return err
		}
		if err := b.tx.Delete(key); err != nil {
			b.broken = err
			return err
		}
		res, err := b.append(&Append{Lane: c.Lane, Body: body}, bytes.Clone(e.Body))
		if err != nil {
			return err
		}
		if body.Kind != record.KindReport {
			continue
		}
		s, ok, err := b.Once(body.Payload.Report)
		if err != nil || !ok {
			return err
		}
		s.Incarnation, s.Lane, s.Seq, s.Hash = res.Link.Incarnation, res.Link.Lane, res.Link.Seq, res.Hash
		b.once[body.Payload.Report] = s
		if err := b.set(idKey(rowOnce, body.Payload.Report[:]), s.encode()); err != nil {
			return err
		}
	}
	return nil
}
