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
			k, err := b.fresh(k)
			if err != nil {
				return err
			}
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
	return l.wait(&request{lane: record.Urgent, op: f, size: size + 256})
}

// wait hands a request in and waits for the sync.
func (l *Ledger) wait(r *request) error {
	done := make(chan error, 1)
	r.done = func(_ Result, err error) { done <- err }
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
	h := held{flags: flagForeign, index: e.Index, entry: e.Entry}
	if err := b.hold(&h); err != nil {
		return err
	}
	if err := b.set(key, h.place.encode()); err != nil {
		return err
	}
	b.l.clock.Observe(body.HLC)
	return b.index(&body, h.place, false)
}

// restore puts an own entry back that this disk lost. Chains of earlier lives
// only: this process's own chain is on this disk.
func (b *batch) restore(e record.Entry, index uint64, body *record.Body, hash record.Hash) error {
	link := e.Link
	name := chainName{link.Incarnation, link.Lane}
	old, ok, err := b.onDisk(name, link.Seq)
	if err != nil {
		return err
	}
	if ok && old.entry.Hash() != hash {
		return fmt.Errorf("ledger: the city holds another entry at %s/%s/%d than this disk; the sender must open an incarnation first", link.Incarnation, link.Lane, link.Seq)
	}
	if link.Incarnation == b.inc {
		return nil
	}
	c, known := b.chains[name]
	if !known {
		c = &chainRow{Inc: link.Incarnation, Lane: link.Lane}
		if have, ok := b.l.chains[name]; ok {
			*c = *have
		}
	}
	if link.Seq != c.Seq+1 || (link.Seq > 1 && link.Prev != c.Hash) {
		return nil // here already, or out of order: the city sends it again in order
	}
	b.chains[name] = c
	c.Seq, c.Hash, c.HLC = link.Seq, hash, link.HLC
	c.Given, c.GivenAt = link.Seq, index
	if ok {
		return nil // it stands behind the hole that was just mended
	}
	h := held{entry: e}
	first := false // arrival of its report
	if body.Kind == record.KindReport && body.Payload.Report == body.Incident {
		_, known, err := b.Once(body.Incident)
		if err != nil {
			return err
		}
		if first = !known; first {
			h.flags = flagOnce
		}
	}
	if err := b.hold(&h); err != nil {
		return err
	}
	if first {
		s := storedOf(&h, hash, body)
		b.once[body.Incident] = &s
		if err := b.set(idKey(rowOnce, body.Incident[:]), h.place.encode()); err != nil {
			return err
		}
	}
	return b.index(body, h.place, first)
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
