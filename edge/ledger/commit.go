package ledger

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Run is the one writer. It ends when ctx does, after what was accepted is
// committed and answered, or with an error at the first failed sync.
func (l *Ledger) Run(ctx context.Context) error {
	l.bg.Add(1)
	go l.fillFilter()
	heads := time.NewTicker(time.Second)
	defer heads.Stop()
	for {
		batch := l.take()
		if len(batch) > 0 {
			if err := l.commit(batch); err != nil {
				return l.fail(err, batch)
			}
		}
		moved, err := l.continueMoves()
		if err != nil {
			return l.fail(err, nil)
		}
		if len(batch) > 0 || moved {
			select {
			case <-heads.C:
				l.each()
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
			l.qmu.Lock()
			l.closed = true
			left := len(l.urgent.rows) + len(l.other.rows)
			l.qmu.Unlock()
			if left == 0 {
				return nil
			}
		case <-l.wake:
		case <-heads.C:
			l.each()
		}
	}
}

// each is done every second: the heads are written beside the ledger, and the
// disk is looked at, so that room is noticed although nothing may be appended.
func (l *Ledger) each() {
	if err := l.writeHeads(); err != nil {
		l.o.Log.Error("heads could not be written beside the ledger", "err", err)
	}
	if err := l.gate.look(l.o.Wall()); err != nil {
		l.o.Log.Error("free space of the station's disk is not known", "err", err)
		return
	}
	l.seeRoom()
}

// fail ends the ledger: after a failed sync nobody knows what is on the disk,
// so nothing more is acknowledged until it is opened and proved again.
func (l *Ledger) fail(err error, batch []*request) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	l.smu.Lock()
	l.failed = err
	l.smu.Unlock()
	l.qmu.Lock()
	l.closed = true
	batch = append(batch, l.urgent.rows...)
	batch = append(batch, l.other.rows...)
	l.urgent, l.other = queue{}, queue{}
	l.qmu.Unlock()
	for _, r := range batch {
		r.answer(Result{}, nil, nil, ErrFailed)
	}
	return err
}

func (r *request) answer(res Result, v any, all []Result, err error) {
	if r.after != nil {
		r.after(v, all, err)
		return
	}
	r.done(res, err)
}

// batch is one transaction in the making.
type batch struct {
	l       *Ledger
	tx      *badger.Txn
	pos     uint64
	chains  map[chainName]*chainRow
	once    map[record.ID]Stored
	notes   map[string][]byte
	bodies  map[record.ID][]record.Body
	inc     record.Incarnation
	order   uint64
	entries int64
	bytes   int64
	// broken is the first write that the store refused: the whole batch fails.
	broken error
	// onCommit runs after the sync, before the answers.
	onCommit []func()
}

// commit writes one batch and answers it after the sync.
func (l *Ledger) commit(reqs []*request) error {
	began := time.Now()
	if err := l.gate.look(l.o.Wall()); err != nil {
		return err
	}
	l.seeRoom()
	b := &batch{l: l, tx: l.db.NewTransaction(true), pos: l.position.Load(), chains: map[chainName]*chainRow{},
		once: map[record.ID]Stored{}, notes: map[string][]byte{}, bodies: map[record.ID][]record.Body{}, inc: l.inc, order: l.order}
	defer b.tx.Discard()
	answers := make([]func(), 0, len(reqs))
	for _, r := range reqs {
		answers = append(answers, b.one(r))
	}
	for name, c := range b.chains {
		if err := b.tx.Set(chainKey(rowChain, name.inc, name.lane), c.encode()); err != nil {
			return err
		}
	}
	if b.broken != nil {
		return b.broken
	}
	if planted.AckBeforeSync {
		for i, answer := range answers {
			answer()
			answers[i] = func() {}
		}
	}
	if err := b.tx.Commit(); err != nil {
		return err
	}
	l.smu.Lock()
	l.inc, l.order = b.inc, b.order
	for name, c := range b.chains {
		l.chains[name] = c
	}
	for _, f := range b.onCommit {
		f()
	}
	l.smu.Unlock()
	for id := range b.once {
		l.ids.add(id)
	}
	l.gate.written += b.bytes
	l.counts.entries.Add(b.entries)
	l.counts.batches.Add(1)
	l.position.Store(b.pos)
	l.observe(began, reqs)
	for _, answer := range answers {
		answer()
	}
	if b.pos > 0 {
		l.notify()
	}
	return nil
}

// observe tells how long a commit and its requests took.
func (l *Ledger) observe(began time.Time, reqs []*request) {
	if l.o.Observe == nil {
		return
	}
	now := time.Now()
	l.waits = l.waits[:0]
	for _, r := range reqs {
		l.waits = append(l.waits, now.Sub(r.came))
	}
	l.o.Observe(now.Sub(began), l.waits)
}

// one puts a request into the transaction and gives what to do after the sync.
// What fails for the request alone (no room, another content) fails it alone.
func (b *batch) one(r *request) func() {
	if !b.l.gate.allows(r.lane) {
		b.l.counts.refused.Add(1)
		return func() { r.answer(Result{}, nil, nil, ErrNoSpace) }
	}
	if r.op != nil {
		err := r.op(b)
		return func() { r.answer(Result{}, nil, nil, err) }
	}
	if r.decide == nil {
		res, err := b.append(&r.a, r.raw)
		return func() { r.answer(res, nil, nil, err) }
	}
	list, v, err := r.decide(b)
	if err != nil {
		return func() { r.answer(Result{}, v, nil, err) }
	}
	encoded := make([]request, len(list))
	for i := range list { // all before the first is appended: all or nothing
		encoded[i].a = list[i]
		if err := encoded[i].encode(); err != nil {
			return func() { r.answer(Result{}, v, nil, err) }
		}
	}
	var all []Result
	for i := range encoded {
		res, err := b.append(&encoded[i].a, encoded[i].raw)
		if err != nil {
			return func() { r.answer(Result{}, v, all, err) }
		}
		all = append(all, res)
	}
	return func() { r.answer(Result{}, v, all, nil) }
}

func (b *batch) append(a *Append, raw []byte) (Result, error) {
	if a.Once != nil {
		first, ok, err := b.Once(a.Once.ID)
		if err != nil {
			return Result{}, err
		}
		if ok {
			if first.Fingerprint != a.Once.Fingerprint {
				return Result{First: first}, ErrOtherContent
			}
			b.l.counts.repeats.Add(1)
			return Result{Repeat: true, First: first, Hash: first.Hash}, nil
		}
	}
	for _, n := range a.Notes {
		b.notes[string(n.Key)] = n.Value
		if err := b.set(append([]byte{rowNote}, n.Key...), n.Value); err != nil {
			return Result{}, err
		}
	}
	if a.NoEntry {
		return Result{}, nil
	}
	c := b.chain(a.Lane)
	link := record.Link{Origin: b.l.o.Origin, Incarnation: c.Inc, Lane: a.Lane, Seq: c.Seq + 1, HLC: max(a.Body.HLC, c.HLC+1), Prev: c.Hash}
	if link.Seq == 1 {
		link.Prev = record.Hash{}
		link.Pred = b.pred(a.Lane)
	}
	e := record.Entry{Link: link, Body: raw}
	hash := e.Hash()
	b.pos++
	c.Seq, c.Hash, c.HLC = link.Seq, hash, link.HLC
	row := e.Append(u64(make([]byte, 0, 8+record.LinkSize+8+len(raw)), b.pos))
	key := entryKey(rowEntry, c.Inc, a.Lane, link.Seq)
	if err := errors.Join(b.set(key, row), b.set(positionKey(b.pos), key)); err != nil {
		return Result{}, err
	}
	if err := b.index(&a.Body, b.pos); err != nil {
		return Result{}, err
	}
	for _, k := range a.Keys {
		if err := b.set(idKey(rowKey, k.Key[:]), k.Append(nil)); err != nil {
			return Result{}, err
		}
	}
	res := Result{Link: link, Hash: hash, Position: b.pos}
	if a.Once != nil {
		s := Stored{a.Once.Fingerprint, c.Inc, a.Lane, link.Seq, hash, a.Body.ReceivedAt, a.Once.Extra}
		b.once[a.Once.ID] = s
		res.First = s
		if err := b.set(idKey(rowOnce, a.Once.ID[:]), s.encode()); err != nil {
			return Result{}, err
		}
	}
	b.entries++
	return res, nil
}

// index makes the entry findable under every incident that it is about; rules
// and wards under record.DirectoryID.
func (b *batch) index(body *record.Body, pos uint64) error {
	if body.Kind.Directory() {
		return b.set(incidentKey(record.DirectoryID, pos), nil)
	}
	for i := -1; i < len(body.Payload.Incidents); i++ {
		id := body.Incident
		if i >= 0 {
			id = body.Payload.Incidents[i]
		}
		if id.Zero() {
			continue
		}
		if err := b.set(incidentKey(id, pos), nil); err != nil {
			return err
		}
		b.bodies[id] = append(b.bodies[id], *body)
	}
	return nil
}

func (b *batch) set(k, v []byte) error {
	b.bytes += int64(len(k) + len(v))
	if err := b.tx.Set(k, v); err != nil {
		b.broken = errors.Join(b.broken, err)
		return err
	}
	return nil
}

func (b *batch) drop(k []byte) error {
	if err := b.tx.Delete(k); err != nil {
		b.broken = errors.Join(b.broken, err)
		return err
	}
	return nil
}

// chain is the present chain of a lane in this process's incarnation, which
// begins at the first append.
func (b *batch) chain(lane record.LaneID) *chainRow {
	if b.inc == 0 {
		b.inc, b.order = newIncarnation(), b.order+1
	}
	name := chainName{b.inc, lane}
	if c, ok := b.chains[name]; ok {
		return c
	}
	c := &chainRow{Inc: b.inc, Lane: lane, Order: b.order}
	if old, ok := b.l.chains[name]; ok {
		*c = *old
	} else {
		c.HLC = b.before()
	}
	b.chains[name] = c
	return c
}

// before is the latest clock of the lives before this one. A new chain starts
// behind it, also when a fork moves older bodies there: the city tells the lives of one
// disk from those of another by their clocks.
func (b *batch) before() (last record.HLC) {
	for _, list := range []map[chainName]*chainRow{b.l.chains, b.chains} {
		for name, c := range list {
			if name.inc != b.inc {
				last = max(last, c.HLC)
			}
		}
	}
	return last
}

func newIncarnation() record.Incarnation {
	var r [8]byte
	_, _ = rand.Read(r[:]) // crypto/rand.Read never fails
	return record.Incarnation(binary.BigEndian.Uint64(r[:]) | 1)
}

// pred is what was last on disk before the present incarnation began: in this
// lane, or in another one when the life before wrote nothing to it. For the
// first life of a process that is what Open found: entries that the downlink
// brought back since then do not hide that the disk had been rolled back. Lives
// that only the downlink brought are no predecessors: they ended elsewhere.
func (b *batch) pred(lane record.LaneID) record.Head {
	for _, found := range []bool{false, true} {
		var best record.Head
		order := uint64(0)
		for name, c := range b.l.chains {
			if cut, ok := b.chains[name]; ok {
				c = cut
			}
			head := record.Head{Incarnation: name.inc, Lane: name.lane, Seq: c.Seq, Hash: c.Hash}
			was, atOpen := b.l.atOpen[name]
			if found && was.Seq < head.Seq {
				head = was
			}
			if c.Order == 0 || name.inc == b.inc || head.Seq == 0 || found != atOpen {
				continue
			}
			if c.Order > order || (c.Order == order && (name.lane == lane || (best.Lane != lane && name.lane < best.Lane))) {
				best, order = head, c.Order
			}
		}
		if order > 0 {
			return best
		}
	}
	return record.Head{}
}

// Once looks an id up, in this batch and on disk.
func (b *batch) Once(id record.ID) (Stored, bool, error) {
	if s, ok := b.once[id]; ok {
		return s, true, nil
	}
	if !b.l.ids.maybe(id) {
		return Stored{}, false, nil
	}
	return getOnce(b.tx, id)
}

// Note reads a small row.
func (b *batch) Note(key []byte) ([]byte, error) {
	if v, ok := b.notes[string(key)]; ok {
		return v, nil
	}
	return get(b.tx, append([]byte{rowNote}, key...))
}

// Incident reads what is known of an incident.
func (b *batch) Incident(id record.ID) ([]record.Body, error) {
	// Not through b.tx: an iterator over a transaction that writes sorts all
	// that is pending, each time. This is the only writer, so what is committed stands.
	var rows []Row
	err := b.l.db.View(func(tx *badger.Txn) (err error) {
		rows, err = b.l.incident(tx, id, b.l.position.Load())
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []record.Body
	for _, r := range rows {
		out = append(out, r.Body)
	}
	return append(out, b.bodies[id]...), nil
}

func getOnce(tx *badger.Txn, id record.ID) (Stored, bool, error) {
	v, err := get(tx, idKey(rowOnce, id[:]))
	if err != nil || v == nil {
		return Stored{}, false, err
	}
	s, err := decodeStored(v)
	return s, err == nil, err
}

// get reads a row; nil when it is not there.
func get(tx *badger.Txn, key []byte) ([]byte, error) {
	it, err := tx.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return it.ValueCopy(nil)
}

// fillFilter reads the known ids in the background, so that the start does not
// wait for them.
func (l *Ledger) fillFilter() {
	defer l.bg.Done()
	err := l.db.View(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.PrefetchValues = false
		opt.Prefix = []byte{rowOnce}
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			select {
			case <-l.stop:
				return errStop
			default:
			}
			if k := it.Item().Key(); len(k) == 17 {
				l.ids.add(record.ID(k[1:]))
			}
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, errStop) {
			l.o.Log.Warn("known ids could not be read ahead; each report costs a look-up", "err", err)
		}
		return
	}
	l.ids.setReady() // ids committed meanwhile were added by the committer
}
