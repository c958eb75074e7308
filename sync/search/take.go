package search

import (
	"encoding/binary"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// change is what happens to one row of a term.
type change struct{ add, del set }

// take reads incidents anew and writes what is other than it was, all of it or
// nothing; then the index stands at pos.
func (x *Index) take(ids []record.ID, pos uint64) error {
	tx := x.db.NewTransaction(true) // this goroutine alone opens and closes db
	defer tx.Discard()
	next := x.next
	changes := map[string]*change{}
	spans := map[uint32][2]int64{}
	at := func(term string, chunk uint32) *change {
		k := string(termKey(term, chunk))
		c := changes[k]
		if c == nil {
			c = &change{}
			changes[k] = c
		}
		return c
	}
	for _, id := range ids {
		d, err := x.read(id)
		if err != nil {
			return err
		}
		n, known, err := number(tx, id)
		if err != nil {
			return err
		}
		var old doc
		if known {
			was, err := getDoc(tx, n, true)
			if err != nil {
				return err
			}
			if was != nil {
				old = *was
			}
		} else {
			n = next
			next++
			if err := tx.Set(append([]byte{rowID}, id[:]...), binary.BigEndian.AppendUint32(nil, n)); err != nil {
				return err
			}
		}
		if known && old.at == d.at && slices.Equal(old.terms, d.terms) {
			continue
		}
		chunk, bit := n/chunkDocs, n%chunkDocs
		for _, t := range d.terms {
			if _, stands := slices.BinarySearch(old.terms, t); !stands {
				at(t, chunk).add.add(bit)
			}
		}
		for _, t := range old.terms {
			if _, stands := slices.BinarySearch(d.terms, t); !stands {
				at(t, chunk).del.add(bit)
			}
		}
		s, ok := spans[chunk]
		if !ok {
			s = [2]int64{d.at, d.at}
		}
		spans[chunk] = [2]int64{min(s[0], d.at), max(s[1], d.at)}
		if err := tx.Set(docKey(n), d.encode()); err != nil {
			return err
		}
	}
	for k, c := range changes {
		if err := c.write(tx, []byte(k)); err != nil {
			return err
		}
	}
	for chunk, s := range spans {
		if err := widen(tx, chunk, s); err != nil {
			return err
		}
	}
	m := mark{at: pos, epoch: x.epoch, next: next, whole: x.whole.Load()}
	if err := tx.Set([]byte{rowMark}, m.encode()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	x.mu.Lock()
	x.next = next
	x.mu.Unlock()
	x.at.Store(pos)
	ch := make(chan struct{})
	close(*x.moved.Swap(&ch))
	return nil
}

// read is what an incident is found by now.
func (x *Index) read(id record.ID) (*doc, error) {
	entries, err := x.o.Log.Entries(id)
	if err != nil {
		return nil, err
	}
	bodies := make([]record.Body, len(entries))
	for i := range entries {
		bodies[i] = entries[i].Body
	}
	in := record.Fold(id, bodies)
	return &doc{id: id, at: in.ReceivedAt(), terms: terms(in, Fields(in, entries, x.o.Log.Open))}, nil
}

func (c *change) write(tx *badger.Txn, key []byte) error {
	old, err := value(tx, key)
	if err != nil {
		return err
	}
	var s set
	if err := s.decode(old); err != nil {
		return err
	}
	for i := range s {
		s[i] = s[i]&^c.del[i] | c.add[i]
	}
	if s == (set{}) {
		return tx.Delete(key)
	}
	return tx.Set(key, s.encode())
}

// widen notes the times of a chunk's incidents.
func widen(tx *badger.Txn, chunk uint32, s [2]int64) error {
	was, ok, err := times(tx, chunk)
	if err != nil {
		return err
	}
	if ok {
		s = [2]int64{min(s[0], was[0]), max(s[1], was[1])}
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(max(s[0], 0)))
	return tx.Set(chunkKey(chunk), binary.BigEndian.AppendUint64(b, uint64(max(s[1], 0))))
}

// times are the earliest and the latest time of a chunk's incidents.
func times(tx *badger.Txn, chunk uint32) (s [2]int64, ok bool, err error) {
	b, err := value(tx, chunkKey(chunk))
	if b == nil || err != nil {
		return s, false, err
	}
	if len(b) != 16 {
		return s, false, errRow
	}
	return [2]int64{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, true, nil
}
