package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// quarantine is which malformed inputs of whom are kept; the committer's own.
type quarantine struct {
	of   map[string][]uint64 // source -> numbers of its rows, the oldest first
	rows int
	next uint64
}

func (q *quarantine) add(source string, number uint64) {
	if q.of == nil {
		q.of = map[string][]uint64{}
	}
	q.of[source] = append(q.of[source], number)
	q.rows++
	q.next = number + 1
}

// crowded is the source that has the most; of several the one with the oldest row.
func (q *quarantine) crowded() (most string) {
	for source, list := range q.of {
		if have := q.of[most]; len(list) > len(have) || (len(list) == len(have) && list[0] < have[0]) {
			most = source
		}
	}
	return most
}

// drop takes the oldest row of the crowded source out, and gives its number.
func (q *quarantine) drop() uint64 {
	source := q.crowded()
	list := q.of[source]
	if len(list) == 1 {
		delete(q.of, source)
	} else {
		q.of[source] = list[1:]
	}
	q.rows--
	return list[0]
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
		q := &b.l.quarantine
		for q.rows >= quarantineRows {
			if err := b.tx.Delete(u64([]byte{rowQuarantine}, q.drop())); err != nil {
				b.broken = err
				return err
			}
		}
		number := q.next
		q.add(source, number)
		b.l.counts.quarantined.Add(1)
		row := append(append([]byte{byte(len(source))}, source...), raw...)
		return b.set(u64([]byte{rowQuarantine}, number), row)
	}
	if err := l.enqueue(r); err != nil {
		done(err)
	}
}

// loadQuarantine reads who has what there.
func (l *Ledger) loadQuarantine(tx *badger.Txn) error {
	return scan(tx, []byte{rowQuarantine}, nil, func(k, v []byte) error {
		if len(k) != 9 || len(v) == 0 || len(v) < 1+int(v[0]) {
			return fmt.Errorf("%w: quarantine %x", errRow, k)
		}
		l.quarantine.add(string(v[1:1+int(v[0])]), binary.BigEndian.Uint64(k[1:]))
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
