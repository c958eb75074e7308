package view

import (
	"encoding/binary"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// sourceKey has the length before the name, so that no device's name begins another's.
func sourceKey(prefix []byte, device string) []byte {
	return append(append(slices.Clone(prefix), byte(len(device))), device...)
}

// sourced says whether what becomes of a device's reports is noted.
func sourced(device string) bool { return device != "" && len(device) <= 255 }

// source notes what became of a device's report.
func (s *step) source(r *Row) error {
	if !sourced(r.Device) {
		return nil
	}
	if !r.Exercise.Zero() { // practice says nothing of its source
		return s.tx.Delete(append(sourceKey(keySrc, r.Device), r.ID[:]...))
	}
	at := binary.BigEndian.AppendUint64([]byte{}, uint64(max(r.ReceivedAt, 0)))
	return s.tx.Set(append(sourceKey(keySrc, r.Device), r.ID[:]...), append(at, r.Verdict...))
}

// sent is what a device sent of a bundle: reports without a verdict.
type sent struct {
	last    int64 // received, milliseconds since the Unix epoch, UTC
	reports uint64
}

func (n *sent) add(receivedAt int64) { n.last, n.reports = max(n.last, receivedAt), n.reports+1 }

func (n *sent) encode() []byte {
	return binary.AppendUvarint(binary.BigEndian.AppendUint64(nil, uint64(n.last)), n.reports)
}

func decodeSent(v []byte) (sent, error) {
	if len(v) < 9 {
		return sent{}, errRow
	}
	n, w := binary.Uvarint(v[8:])
	if w <= 0 || n == 0 {
		return sent{}, errRow
	}
	return sent{int64(binary.BigEndian.Uint64(v)), n}, nil
}

// History is what became of the reports of one source.
type History struct {
	// Reports are the incidents that it began; of more than maxHistory the count stays there.
	Reports int
	// Verdicts counts them by verdict; "" has none yet.
	Verdicts map[string]int
	// Last is when the latest was received, milliseconds since the Unix epoch, UTC.
	Last int64
}

const maxHistory = 1000

// Source tells the history of a device.
func (v *View) Source(device string) (History, error) {
	h := History{Verdicts: map[string]int{}}
	if !sourced(device) {
		return h, nil
	}
	each := func(tx *badger.Txn, prefix []byte, f func(b []byte) error) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix = sourceKey(prefix, device)
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid() && h.Reports < maxHistory; it.Next() {
			if len(it.Item().Key()) != len(opt.Prefix)+len(record.ID{}) {
				continue
			}
			if err := it.Item().Value(f); err != nil {
				return err
			}
		}
		return nil
	}
	err := v.db.View(func(tx *badger.Txn) error {
		err := each(tx, keySrc, func(b []byte) error {
			if len(b) < 8 {
				return errRow
			}
			h.Reports++
			h.Last = max(h.Last, int64(binary.BigEndian.Uint64(b)))
			h.Verdicts[string(b[8:])]++
			return nil
		})
		if err != nil {
			return err
		}
		return each(tx, keySent, func(b []byte) error {
			n, err := decodeSent(b)
			if err != nil {
				return err
			}
			count := int(min(n.reports, uint64(maxHistory-h.Reports)))
			h.Reports += count
			h.Last = max(h.Last, n.last)
			h.Verdicts[""] += count
			return nil
		})
	})
	return h, err
}
