package ledger

import (
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
		return b.restore(e.Entry, e.Index, &body, hash)
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
func (b *batch) restore(e record.Entry, index uint64, body *record.Body, hash record.Hash) error {
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
	c.Given, c.GivenAt = link.Seq, index
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
