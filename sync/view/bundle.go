package view

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/packed"
	"wardline/sync/record"
)

// A bundle is the rows of incidents that began together, as one row of the store, which costs some microseconds
// on its way to the lowest level whatever its size. In a flood nearly all incidents begin with a report
// and its routing, and change much later. A bundle is never written again: an incident of it that changes gets a
// row of its own and keeps its place in the list by the bundle; one whose place changes (it is closed), or of which
// its source is told, leaves. A bundle that all have left is removed.
const (
	bundleRows  = 256       // at most; one byte in its key
	bundleBytes = 128 << 10 // where it ends before that; usually it has a third of this
	bundleLeast = 8         // fewer have rows of their own
	// bundleSpan bounds the times of its incidents, so that who reads the list from a time on need not open all newer ones.
	bundleSpan = time.Minute
	// openBundles bounds how many are kept in memory while one transaction is made.
	openBundles = 16
)

// tail is the key of a bundle behind its prefix: the time of its newest incident, so that the newest bundle is first, a number
// and how many incidents began in it. Zero names none.
type tail [16]byte

func newTail(newest int64, number uint64, rows int) (t tail) {
	binary.BigEndian.PutUint64(t[:8], ^uint64(max(newest, 0)))
	binary.BigEndian.PutUint64(t[8:], number<<8|uint64(rows-1))
	return t
}

// newest is in milliseconds since the Unix epoch, UTC.
func (t tail) newest() int64 { return int64(^binary.BigEndian.Uint64(t[:8])) }

func (t tail) rows() int { return int(t[15]) + 1 }

func (t tail) key(prefix []byte) []byte { return append(slices.Clone(prefix), t[:]...) }

// bundled marks, in an incident's row, that what it says stands in the bundle whose tail follows.
const bundled = 0x80 | rowVersion

// bundle puts rows that began in this step together and writes them.
func (s *step) bundle() error {
	slices.SortFunc(s.fresh, func(a, b Row) int { return bytes.Compare(a.listKey(), b.listKey()) })
	for rest := s.fresh; len(rest) > 0; {
		b, n := encodeBundle(rest)
		rows := rest[:n]
		rest = rest[n:]
		if n >= bundleLeast {
			if err := s.write(rows, b); err != nil {
				return err
			}
			continue
		}
		for _, r := range rows {
			if err := s.put(nil, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundleVersion is the first byte of a bundle; one that is stored packed has another (sync/packed).
const bundleVersion = 1

// maxBundle bounds what a packed bundle may unpack to: one that ends with a row of the largest.
const maxBundle = 1 << 20

// encodeBundle gives a bundle of the first of some rows, newest first, and how many went in: the version, then each as its id, the
// length of the row, and the row.
func encodeBundle(rows []Row) (b []byte, n int) {
	b = append(make([]byte, 0, 200*min(len(rows), bundleRows)), bundleVersion)
	var row []byte
	for n < len(rows) && n < bundleRows && len(b) < bundleBytes && rows[0].ReceivedAt-rows[n].ReceivedAt <= bundleSpan.Milliseconds() {
		b = append(b, rows[n].ID[:]...)
		row = rows[n].append(row[:0])
		b = append(binary.AppendUvarint(b, uint64(len(row))), row...)
		n++
	}
	return b, n
}

// write writes one bundle, where each of its incidents is, and what its sources sent.
func (s *step) write(rows []Row, b []byte) error {
	t := newTail(rows[0].ReceivedAt, s.number, len(rows))
	for again := uint64(1); ; again++ {
		old, err := get(s.tx.Txn, t.key(bundleKey))
		if err != nil {
			return err
		}
		if old == nil {
			break
		}
		t = newTail(rows[0].ReceivedAt, s.number+again<<40, len(rows)) // the old one is of a log that went another way
	}
	s.number++
	pointer := append([]byte{bundled}, t[:]...)
	sources := map[string]*sent{}
	for i := range rows {
		r := &rows[i]
		if err := s.tx.Set(idKey(r.ID), pointer); err != nil {
			return err
		}
		if !sourced(r.Device) {
			continue
		}
		if sources[r.Device] == nil {
			sources[r.Device] = &sent{}
		}
		sources[r.Device].add(r.ReceivedAt)
	}
	for device, n := range sources {
		if err := s.tx.Set(append(sourceKey(keySent, device), t[:]...), n.encode()); err != nil {
			return err
		}
	}
	return s.tx.Set(t.key(bundleKey), packed.Pack(nil, b))
}

// leave takes an incident out of its bundle.
func (s *step) leave(r *Row) error {
	if sourced(r.Device) {
		key := append(sourceKey(keySent, r.Device), r.bundle[:]...)
		v, err := get(s.tx.Txn, key)
		if err != nil {
			return err
		}
		n, err := decodeSent(v)
		if err != nil {
			return err
		}
		if n.reports--; n.reports == 0 {
			err = s.tx.Delete(key)
		} else {
			err = s.tx.Set(key, n.encode())
		}
		if err != nil {
			return err
		}
	}
	key := r.bundle.key(leftKey)
	v, err := get(s.tx.Txn, key)
	if err != nil {
		return err
	}
	left, _ := binary.Uvarint(v) // 0: none yet
	if left++; int(left) < r.bundle.rows() {
		return s.tx.Set(key, binary.AppendUvarint(nil, left))
	}
	if v != nil {
		if err := s.tx.Delete(key); err != nil {
			return err
		}
	}
	return s.tx.Delete(r.bundle.key(bundleKey))
}

// find is the row of an incident; nil when there is none.
func (s *step) find(id record.ID) (*Row, error) {
	v, err := get(s.tx.Txn, idKey(id))
	if err != nil || v == nil {
		return nil, err
	}
	r := &Row{ID: id}
	if v[0] != bundled {
		return r, r.decode(v)
	}
	if len(v) != 1+len(tail{}) {
		return nil, errRow
	}
	t := tail(v[1:])
	b, ok := s.open[t]
	if !ok {
		if len(s.open) >= openBundles {
			clear(s.open)
		}
		if b, err = get(s.tx.Txn, t.key(bundleKey)); err == nil {
			b, err = packed.Unpack(b, maxBundle)
		}
		if err != nil {
			return nil, err
		}
		s.open[t] = b
	}
	raw, err := inBundle(b, id)
	if err != nil {
		return nil, err
	}
	err = r.decode(raw)
	r.bundle = t
	return r, err
}

// eachBundled calls f for the rows of a bundle, newest first.
func eachBundled(b []byte, f func(id record.ID, raw []byte) bool) error {
	if len(b) == 0 || b[0] != bundleVersion {
		return errRow
	}
	for b = b[1:]; len(b) > 0; {
		if len(b) < 17 {
			return errRow
		}
		id := record.ID(b)
		n, w := binary.Uvarint(b[16:])
		if w <= 0 || n > uint64(len(b)-16-w) {
			return errRow
		}
		if b = b[16+w:]; !f(id, b[:n]) {
			return nil
		}
		b = b[n:]
	}
	return nil
}

func inBundle(b []byte, id record.ID) (raw []byte, err error) {
	err = eachBundled(b, func(is record.ID, r []byte) bool {
		if is == id {
			raw = r
		}
		return raw == nil
	})
	if err == nil && raw == nil {
		err = errRow
	}
	return raw, err
}

// place is an incident's place in a list: one of its own, or given by a bundle, which has its row as it began.
type place struct {
	key []byte // as of listKey
	raw []byte
	in  tail
}

// places goes through the places that bundles give, newest first.
type places struct {
	it   *badger.Iterator
	from []byte // only what stands behind it
	next []place
}

func bundlePlaces(tx *badger.Txn, from []byte) *places {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues, opt.Prefix = false, bundleKey
	p := &places{tx.NewIterator(opt), from, nil}
	at := slices.Clone(bundleKey)
	if len(from) == keySize {
		newest := int64(^binary.BigEndian.Uint64(from[2:]))
		at = newTail(newest+bundleSpan.Milliseconds(), 0, 1).key(at)
	}
	p.it.Seek(at)
	return p
}

// peek is the next place; nil at the end. A bundle is opened when one of its places may come next.
func (p *places) peek() (*place, error) {
	for ; p.it.Valid(); p.it.Next() {
		k := p.it.Item().Key()
		if len(k) != len(bundleKey)+len(tail{}) {
			return nil, errRow
		}
		t := tail(k[len(bundleKey):])
		if len(p.next) > 0 && bytes.Compare(p.next[0].key[2:10], t[:8]) < 0 {
			break
		}
		var b []byte
		err := p.it.Item().Value(func(v []byte) (err error) {
			b, err = packed.Copy(v, maxBundle)
			return err
		})
		if err != nil {
			return nil, err
		}
		err = eachBundled(b, func(id record.ID, raw []byte) bool {
			r := Row{ID: id, Open: true}
			if r.ReceivedAt, err = receivedAt(raw); err != nil {
				return false
			}
			if key := r.listKey(); p.from == nil || bytes.Compare(key[2:], p.from[2:]) > 0 {
				p.next = append(p.next, place{key, raw, t})
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(p.next, func(a, b place) int { return bytes.Compare(a.key, b.key) })
	}
	if len(p.next) == 0 {
		return nil, nil
	}
	return &p.next[0], nil
}

func (p *places) pop() { p.next = p.next[1:] }

// row is what stands at a place now; nil when its incident has another one.
func (x *place) row(tx *badger.Txn) (*Row, error) {
	r := &Row{ID: record.ID(x.key[10:])}
	v, err := get(tx, idKey(r.ID))
	if err != nil || v == nil {
		return nil, err
	}
	if v[0] == bundled {
		if !bytes.Equal(v[1:], x.in[:]) {
			return nil, nil
		}
		return r, r.decode(x.raw)
	}
	if err := r.decode(v); err != nil || r.bundle != x.in {
		return nil, err
	}
	return r, nil
}

// get reads a row of the store; nil when it is not there, never empty.
func get(tx *badger.Txn, key []byte) ([]byte, error) {
	it, err := tx.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := it.ValueCopy(nil)
	if err == nil && len(v) == 0 {
		err = errRow
	}
	return v, err
}
