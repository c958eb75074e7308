package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// kept is one malformed input in the quarantine.
type kept struct {
	number uint64
	source string
}

// maxSource bounds a source's name in the quarantine, in bytes.
const maxSource = 255

// Quarantine keeps malformed input of a source, synced, and bounded: the oldest of
// the source that has the most there gives way, so that one sender of nonsense does
// not push out what others sent.
func (l *Ledger) Quarantine(source string, raw []byte, done func(error)) {
	if len(raw) > quarantineRaw || len(source) > maxSource {
		done(fmt.Errorf("ledger: %d bytes of %d for the quarantine, at most %d of %d", len(raw), len(source), quarantineRaw, maxSource))
		return
	}
	r := &request{lane: record.Urgent, size: len(raw) + 512, done: func(_ Result, err error) { done(err) }}
	r.op = func(b *batch) error {
		n := kept{b.l.quarNext, source}
		b.l.quarNext++ // the committer's own; a number that is not used does no harm
		for len(b.l.quarantine) >= quarantineRows {
			i := crowded(b.l.quarantine)
			if err := b.tx.Delete(u64([]byte{rowQuarantine}, b.l.quarantine[i].number)); err != nil {
				b.broken = err
				return err
			}
			b.l.quarantine = append(b.l.quarantine[:i], b.l.quarantine[i+1:]...)
		}
		b.l.quarantine = append(b.l.quarantine, n)
		b.l.counts.quarantined.Add(1)
		row := append(append([]byte{byte(len(source))}, source...), raw...)
		return b.set(u64([]byte{rowQuarantine}, n.number), row)
	}
	if err := l.enqueue(r); err != nil {
		done(err)
	}
}

// crowded is the oldest row of the source that has the most.
func crowded(list []kept) int {
	count, first := map[string]int{}, map[string]int{}
	most := list[0].source
	for i, k := range list {
		if count[k.source]++; count[k.source] == 1 {
			first[k.source] = i
		}
		if count[k.source] > count[most] {
			most = k.source
		}
	}
	return first[most]
}

// loadQuarantine reads who has what there.
func (l *Ledger) loadQuarantine(tx *badger.Txn) error {
	return scan(tx, []byte{rowQuarantine}, nil, func(k, v []byte) error {
		if len(k) != 9 || len(v) == 0 || len(v) < 1+int(v[0]) {
			return fmt.Errorf("%w: quarantine %x", errRow, k)
		}
		n := binary.BigEndian.Uint64(k[1:])
		l.quarantine = append(l.quarantine, kept{n, string(v[1 : 1+int(v[0])])})
		l.quarNext = n + 1
		return nil
	})
}

// Quarantined gives the newest malformed inputs, newest first.
func (l *Ledger) Quarantined(limit int) (out [][]byte, err error) {
	err = l.db.View(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Reverse = true
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Seek([]byte{rowQuarantine, 255, 255, 255, 255, 255, 255, 255, 255, 255}); it.ValidForPrefix([]byte{rowQuarantine}) && len(out) < limit; it.Next() {
			v, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if len(v) == 0 || len(v) < 1+int(v[0]) {
				return fmt.Errorf("%w: quarantine %x", errRow, it.Item().Key())
			}
			out = append(out, v[1+int(v[0]):])
		}
		return nil
	})
	return out, err
}
