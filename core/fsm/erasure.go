package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Rows of erasures.
const (
	erasureAt   = 1 // city index of the erasure -> 1 if it is not to wait, incident, wards that were told of it
	erasureWard = 2 // ward, city index -> nothing
	erasureDone = 3 // name of a station or node, city index -> time
	erasureKey  = 4 // generation -> name of the wrapping key, city index, time
)

// cmdWrapping puts the next wrapping key into use.
const cmdWrapping = 22

// Wrapping is the wrapping key that is in use; generation 0 before the first.
type Wrapping struct {
	Gen   uint32
	Key   [8]byte // its name
	Index uint64  // the city's, when it came into use
	Time  int64   // as Index: the city's time, milliseconds since the Unix epoch, UTC
}

// NextWrapping says that from now on keys of sealed parts are wrapped with the key of
// that name; the nodes have it in their files.
func NextWrapping(gen uint32, key [8]byte) []byte {
	return append(binary.BigEndian.AppendUint32(header(cmdWrapping, nil), gen), key[:]...)
}

func wrappingKey(gen uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{rowErasure, erasureKey}, gen)
}

func (b *batch) wrap(p []byte) (Result, error) {
	if len(p) != 12 {
		return Result{Status: Refused, Detail: ErrCommand.Error()}, nil
	}
	next := Wrapping{Gen: binary.BigEndian.Uint32(p), Key: [8]byte(p[4:]), Index: b.meta.index, Time: b.meta.time}
	switch {
	case next.Gen == b.wrapping.Gen && next.Key == b.wrapping.Key: // proposed again
		return Result{Status: OK, Index: b.meta.index}, nil
	case next.Gen != b.wrapping.Gen+1:
		return Result{Status: Refused, Detail: fmt.Sprintf("wrapping key %d is in use, the next is not %d", b.wrapping.Gen, next.Gen)}, nil
	}
	b.wrapping = next
	v := u64(u64(append(make([]byte, 0, 24), next.Key[:]...), next.Index), uint64(next.Time))
	return Result{Status: OK, Index: b.meta.index}, b.set(wrappingKey(next.Gen), v)
}

func decodeWrapping(k, v []byte) (w Wrapping, err error) {
	if len(k) != 6 || len(v) != 24 {
		return w, errRow
	}
	return Wrapping{binary.BigEndian.Uint32(k[2:]), [8]byte(v), binary.BigEndian.Uint64(v[8:]), int64(binary.BigEndian.Uint64(v[16:]))}, nil
}

func loadWrapping(tx *badger.Txn) (w Wrapping, err error) {
	err = scan(tx, []byte{rowErasure, erasureKey}, nil, true, func(k, v []byte) error {
		w, err = decodeWrapping(k, v) // the last stands
		return err
	})
	return w, err
}

// erased is where the last erasure stands, and the last that is not to wait.
type erased struct{ last, soon uint64 }

// keyState is what a machine knows of wrapping keys and erasures, as it has applied it.
type keyState struct {
	wrapping  atomic.Pointer[Wrapping]
	erased    atomic.Pointer[erased]
	rewrapped atomic.Uint32 // the generation for which all rows are wrapped anew
	local     sync.Mutex    // held while rows are changed: by an apply, or by this node alone (forget.go)
}

func (s *keyState) none() {
	s.wrapping.Store(&Wrapping{})
	s.erased.Store(&erased{})
	s.rewrapped.Store(0)
}

func (s *keyState) load(tx *badger.Txn) error {
	w, err := loadWrapping(tx)
	if err != nil {
		return err
	}
	e, err := loadErased(tx, w.Index)
	if err != nil {
		return err
	}
	v, err := get(tx, rowRewrapped)
	if err != nil {
		return err
	}
	s.wrapping.Store(&w)
	s.erased.Store(&e)
	s.rewrapped.Store(uint32(beIndex(v)))
	return nil
}

// take notes what a transaction has committed.
func (s *keyState) take(b *batch) {
	if w := b.wrapping; w != *s.wrapping.Load() {
		s.wrapping.Store(&w)
	}
	if e := b.erased; e != *s.erased.Load() {
		s.erased.Store(&e)
	}
}

// loadErased reads what was erased since a wrapping key came into use; what was before
// waits for none.
func loadErased(tx *badger.Txn, since uint64) (e erased, err error) {
	list, err := erasuresAfter(tx, 0, 1)
	if err != nil || len(list) == 0 {
		return e, err
	}
	e.last = list[0].Index
	return e, scan(tx, []byte{rowErasure, erasureAt}, erasureIndexKey(since+1), true, func(k, v []byte) error {
		r, err := decodeErasure(k, v)
		if e.last = max(e.last, r.Index); r.Soon {
			e.soon = r.Index
		}
		return err
	})
}

// Erased says where the last erasure that this node has applied stands, 0: none, and
// the last one that is not to wait for the next wrapping key, if that is not in use yet.
func (m *Machine) Erased() (last, soon uint64) {
	e := m.erased.Load()
	return e.last, e.soon
}

// Wrapping is the wrapping key in use, as this node has applied it.
func (m *Machine) Wrapping() Wrapping { return *m.wrapping.Load() }

// stale says whether a command's keys are wrapped with another key than the one in
// use: so none that is to be destroyed comes into the state again.
func (b *batch) stale(keys [][]byte) bool {
	for _, k := range keys {
		if b.wrapping.Gen > 0 && [8]byte(k[16:]) != b.wrapping.Key {
			return true
		}
	}
	return false
}

// keepUnlessErased notes the wrapped key of an entry's sealed part, unless that is
// erased already: then the station that brought it is told once more.
func (b *batch) keepUnlessErased(body *record.Body) error {
	if body.Incident.Zero() {
		b.keep(body.Payload.Sealed)
		return nil
	}
	s, err := b.subject(body.Incident)
	if err != nil {
		return err
	}
	if s.erasedAt == 0 || body.Payload.Epoch > s.erased {
		b.keep(body.Payload.Sealed)
		return nil
	}
	return b.tellStation(body.Origin, s.erasedAt)
}

func erasureIndexKey(index uint64) []byte { return u64([]byte{rowErasure, erasureAt}, index) }

func erasureWardKey(w record.WardCode, index uint64) []byte {
	return u64(append([]byte{rowErasure, erasureWard}, w...), index)
}

// erase takes the erasure of a closed incident. The rows with the keys are outside the
// replicated state: each node empties them by itself (Forget).
func (b *batch) erase(body *record.Body) (Result, error) {
	bodies, err := b.bodies(body.Incident)
	if err != nil {
		return Result{}, err
	}
	if err := record.Fold(body.Incident, bodies).CheckErasure(body); err != nil {
		var r *record.Refusal
		if !errors.As(err, &r) {
			return Result{}, err
		}
		return Result{Status: Refused, Detail: r.Detail, Refusal: r}, nil
	}
	before, err := b.toldOf(body)
	if err != nil {
		return Result{}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	s, err := b.subject(body.Incident)
	if err != nil {
		return Result{}, err
	}
	s.erasedAt, s.erased = n, body.Payload.Epoch
	b.touch(body.Incident, s, 16)
	soon := byte(0)
	if body.Payload.Flags&record.FlagSoon != 0 {
		soon = 1
	}
	v := append(append(make([]byte, 0, 17+5*len(s.told)), soon), body.Incident[:]...)
	for _, w := range s.told {
		if has, err := b.hasStation(w, bodies); err != nil {
			return Result{}, err
		} else if !has {
			continue
		}
		v = append(v, w...)
		if err := b.set(erasureWardKey(w, n), nil); err != nil {
			return Result{}, err
		}
	}
	if err := b.set(erasureIndexKey(n), v); err != nil {
		return Result{}, err
	}
	b.erased = erased{n, b.erased.soon}
	if soon == 1 {
		b.erased.soon = n
	}
	return b.where(OK, n, b.tell(body, before, n))
}

// hasStation says whether a ward has a station that may hold keys of an incident: one
// that ever asked what there is for it, or that wrote of the incident itself. One that
// comes later is given none.
func (b *batch) hasStation(w record.WardCode, bodies []record.Body) (bool, error) {
	if v, err := get(b.tx, append([]byte{rowStation}, w...)); err != nil || v != nil {
		return v != nil, err
	}
	return slices.ContainsFunc(bodies, func(x record.Body) bool { return x.Origin == record.StationOrigin(w) }), nil
}

// holderOf is who says by an entry that it has destroyed keys.
func holderOf(body *record.Body) string {
	if body.Origin == record.CoreOrigin {
		return body.Payload.Patrol
	}
	return string(body.Origin)
}

func doneKey(name string, index uint64) []byte {
	return u64(append([]byte{rowErasure, erasureDone, byte(min(len(name), maxSource))}, name[:min(len(name), maxSource)]...), index)
}

// destroyed notes that a station or a node has destroyed its keys up to a city index.
func (b *batch) destroyed(body *record.Body) error {
	b.weigh(32)
	return b.set(doneKey(holderOf(body), min(body.Payload.Index, b.meta.index)), u64(nil, uint64(b.meta.time)))
}

// ErasureRow is an erasure as the city holds it.
type ErasureRow struct {
	Index    uint64
	Incident record.ID
	Soon     bool              // it is not to wait for the next rotation
	Wards    []record.WardCode // that were told of the incident by then
}

func decodeErasure(k, v []byte) (r ErasureRow, err error) {
	if len(k) != 10 || len(v) < 17 || (len(v)-17)%5 != 0 || v[0] > 1 {
		return r, errRow
	}
	r.Index, r.Soon, r.Incident = binary.BigEndian.Uint64(k[2:]), v[0] == 1, record.ID(v[1:])
	for v = v[17:]; len(v) > 0; v = v[5:] {
		r.Wards = append(r.Wards, record.WardCode(v[:5]))
	}
	return r, nil
}

// ErasuresAfter gives up to limit erasures after a city index, in order.
func (m *Machine) ErasuresAfter(after uint64, limit int) (out []ErasureRow, err error) {
	err = m.view(func(tx *badger.Txn) error {
		out, err = erasuresAfter(tx, after, limit)
		return err
	})
	return out, err
}

func erasuresAfter(tx *badger.Txn, after uint64, limit int) (out []ErasureRow, err error) {
	err = scan(tx, []byte{rowErasure, erasureAt}, erasureIndexKey(after+1), true, func(k, v []byte) error {
		if len(out) >= limit {
			return errStop
		}
		r, err := decodeErasure(k, v)
		out = append(out, r)
		return err
	})
	return out, err
}

// ErasuresBefore gives up to limit erasures before a city index, the newest first; 0: all.
func (m *Machine) ErasuresBefore(before uint64, limit int) (out []ErasureRow, err error) {
	err = m.view(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.Reverse, opt.PrefetchSize = []byte{rowErasure, erasureAt}, true, 32
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Seek(erasureIndexKey(before - 1)); it.Valid() && len(out) < limit; it.Next() {
			v, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			r, err := decodeErasure(it.Item().KeyCopy(nil), v)
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// ErasuresOf calls f with the entries of the erasures that concern a ward, in order.
func (m *Machine) ErasuresOf(w record.WardCode, f func(Row) error) error {
	var at []uint64
	err := m.view(func(tx *badger.Txn) error {
		prefix := append([]byte{rowErasure, erasureWard}, w...)
		return scan(tx, prefix, nil, false, func(k, _ []byte) error {
			if len(k) != len(prefix)+8 {
				return errRow
			}
			at = append(at, binary.BigEndian.Uint64(k[len(prefix):]))
			return nil
		})
	})
	for _, n := range at {
		if err != nil {
			return err
		}
		var r Row
		if r, err = m.Entry(n); err == nil {
			err = f(r)
		}
	}
	return err
}

// Destroyed is when a station or a node had destroyed the keys of what was erased at a
// city index: the city's time, milliseconds since the Unix epoch, UTC; false: not yet.
func (m *Machine) Destroyed(name string, index uint64) (at int64, done bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		from := doneKey(name, index)
		return scan(tx, from[:len(from)-8], from, true, func(_, v []byte) error {
			at, done = int64(beIndex(v)), true
			return errStop
		})
	})
	return at, done, err
}
