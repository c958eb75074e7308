package ledger

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/packed"
	"wardline/sync/record"
)

// batch is one transaction in the making.
type batch struct {
	l       *Ledger
	tx      *badger.Txn
	pos     uint64
	chains  map[chainName]*chainRow
	once    map[record.ID]*Stored
	notes   map[string][]byte
	inc     record.Incarnation
	order   uint64
	entries int64
	bytes   int64
	// bodies are those of this batch by incident; kept only when a request of it decides.
	bodies map[record.ID][]record.Body
	// The block in the making: its bytes, its first position, what of which chain stands
	// in it, and the wrapped keys of its entries.
	block  []byte
	first  uint64
	ranges []ownRange
	keys   []byte
	used   []nearBlock // whose buffers the transaction refers to
	packed [][]byte    // the same of packed blocks
	// broken is the first write that the store refused: the whole batch fails.
	broken error
	// onCommit runs after the sync, before the answers.
	onCommit []func()
}

type ownRange struct {
	name chainName
	chainRange
}

func (l *Ledger) newBatch(reqs []*request) *batch {
	b := &batch{l: l, tx: l.db.NewTransaction(true), pos: l.position.Load(), chains: map[chainName]*chainRow{},
		once: make(map[record.ID]*Stored, len(reqs)), notes: map[string][]byte{}, inc: l.inc, order: l.order}
	if slices.ContainsFunc(reqs, func(r *request) bool { return r.decide != nil }) {
		b.bodies = map[record.ID][]record.Body{}
	}
	return b
}

// maxSpare is how many buffers are kept for the next batch.
const maxSpare = 4

func (b *batch) end() {
	b.tx.Discard()
	for i := range b.used {
		b.spare(b.used[i].v)
	}
	for _, buf := range b.packed {
		b.spare(buf)
	}
}

func (b *batch) spare(buf []byte) {
	if buf != nil && len(b.l.spare) < maxSpare && cap(buf) <= 2*maxBlock {
		b.l.spare = append(b.l.spare, buf[:0])
	}
}

// room is a spare buffer, or nil.
func (b *batch) room() (buf []byte) {
	if n := len(b.l.spare); n > 0 {
		buf, b.l.spare = b.l.spare[n-1], b.l.spare[:n-1]
	}
	return buf
}

// append puts one entry, with what belongs to it, into the transaction.
func (b *batch) append(r *request) (Result, error) {
	a := &r.a
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
	for i, k := range a.Keys {
		var err error
		if a.Keys[i], err = b.fresh(k); err != nil {
			return Result{}, err
		}
	}
	h := held{}
	if a.Once != nil {
		h.flags, h.extra = flagOnce, a.Once.Extra
	}
	if a.Behind != nil { // both in one block
		h.flags |= flagRouted
		if err := b.makeRoom(heldSize(len(r.body.raw)+len(h.extra)) + heldSize(len(r.behind.raw))); err != nil {
			return Result{}, err
		}
	}
	res, err := b.own(a.Lane, &a.Body, r.body, &h)
	if err != nil {
		return res, err
	}
	for _, k := range a.Keys {
		b.keys = k.Append(binary.BigEndian.AppendUint16(b.keys, uint16(h.pos-h.block)))
	}
	if a.Once != nil {
		s := storedOf(&h, res.Hash, &a.Body)
		b.once[a.Once.ID] = &s
		res.First = s
		if err := b.set(idKey(rowOnce, a.Once.ID[:]), h.place.encode()); err != nil {
			return res, err
		}
	}
	if err := b.index(&a.Body, h.place, a.Once != nil); err != nil {
		return res, err
	}
	if a.Behind == nil {
		return res, nil
	}
	_, err = b.own(a.Lane, a.Behind, r.behind, &held{})
	b.remember(a.Behind.Incident, a.Behind)
	return res, err
}

// own appends an entry to one of this process's own chains; h gets its place.
func (b *batch) own(lane record.LaneID, body *record.Body, e encoded, h *held) (Result, error) {
	c := b.chain(lane)
	link := record.Link{Origin: b.l.o.Origin, Incarnation: c.Inc, Lane: lane, Seq: c.Seq + 1, HLC: max(body.HLC, c.HLC+1), Prev: c.Hash}
	if link.Seq == 1 {
		link.Prev = record.Hash{}
		link.Pred = b.pred(lane)
	}
	h.entry = record.Entry{Link: link, Body: e.raw}
	hash := record.LinkHash(&link, &e.sum)
	c.Seq, c.Hash, c.HLC = link.Seq, hash, link.HLC
	err := b.hold(h)
	return Result{Link: link, Hash: hash, Position: h.pos}, err
}

// heldSize is at least what an entry with so many bytes of body and extra takes in a block.
func heldSize(n int) int { return n + record.LinkSize + 16 }

// makeRoom closes the block unless so many bytes more fit into it.
func (b *batch) makeRoom(size int) error {
	if len(b.block) > 0 && len(b.block)+size > maxBlock {
		return b.closeBlock()
	}
	return nil
}

// hold puts an entry into the block, at the next position.
func (b *batch) hold(h *held) error {
	if err := b.makeRoom(heldSize(len(h.entry.Body) + len(h.extra))); err != nil {
		return err
	}
	at := -1
	name := chainName{h.entry.Link.Incarnation, h.entry.Link.Lane}
	if h.flags&flagForeign == 0 {
		if at = slices.IndexFunc(b.ranges, func(r ownRange) bool { return r.name == name }); at >= 0 && b.ranges[at].last+1 != h.entry.Link.Seq {
			if err := b.closeBlock(); err != nil { // a range has no gap
				return err
			}
			at = -1
		}
	}
	if len(b.block) == 0 {
		if b.block = b.room(); b.block == nil {
			b.block = make([]byte, 0, b.l.usual)
		}
		b.block, b.first = append(b.block, blockVersion), b.pos+1
	}
	switch {
	case at >= 0:
		b.ranges[at].last++
	case h.flags&flagForeign == 0:
		b.ranges = append(b.ranges, ownRange{name, chainRange{h.entry.Link.Seq, h.entry.Link.Seq, b.first}})
	}
	b.pos++
	b.entries++
	h.place = place{b.pos, b.first}
	b.block = appendHeld(b.block, h)
	return nil
}

// closeBlock writes the block in the making.
func (b *batch) closeBlock() error {
	if len(b.block) == 0 {
		return nil
	}
	row := b.block
	if len(b.block) >= packed.Least {
		buf := b.room()
		if row = packed.Pack(buf, b.block); row[0] == packed.Mark {
			b.packed = append(b.packed, row)
		} else {
			b.spare(buf)
		}
	}
	err := b.set(blockKey(b.first), row)
	for _, r := range b.ranges {
		err = errors.Join(err, b.set(rangeKey(r.name, r.last), r.encode()))
	}
	if len(b.keys) > 0 {
		err = errors.Join(err, b.set(blockKeysKey(b.first), b.keys))
	}
	b.l.usual = min(len(b.block)+len(b.block)/8, maxBlock)
	b.used = append(b.used, nearBlock{first: b.first, v: b.block})
	b.block, b.ranges, b.keys = nil, b.ranges[:0], nil
	return err
}

// index makes the entry findable under every incident that it is about; rules
// and wards under record.DirectoryID, what it says of devices under record.DevicesID, warnings
// under record.BroadcastsID, places of help under record.PointsID. A report whose id is recognised is found by that.
func (b *batch) index(body *record.Body, at place, once bool) error {
	if body.Kind == record.KindDevice {
		return b.set(incidentKey(record.DevicesID, at.pos), u64(nil, at.block))
	}
	if body.Kind == record.KindPoints {
		return b.set(incidentKey(record.PointsID, at.pos), u64(nil, at.block))
	}
	if body.Kind.Broadcast() {
		return b.set(incidentKey(record.BroadcastsID, at.pos), u64(nil, at.block))
	}
	if body.Kind.Directory() {
		return b.set(incidentKey(record.DirectoryID, at.pos), u64(nil, at.block))
	}
	for i := -1; i < len(body.Payload.Incidents); i++ {
		id := body.Incident
		if i >= 0 {
			id = body.Payload.Incidents[i]
		}
		if id.Zero() {
			continue
		}
		if i >= 0 || !once {
			if err := b.set(incidentKey(id, at.pos), u64(nil, at.block)); err != nil {
				return err
			}
		}
		b.remember(id, body)
	}
	return nil
}

func (b *batch) remember(id record.ID, body *record.Body) {
	if b.bodies != nil {
		b.bodies[id] = append(b.bodies[id], *body)
	}
}

func (b *batch) set(k, v []byte) error {
	if len(v) >= maxValue { // it would go to the value log, which is not kept
		b.broken = errors.Join(b.broken, fmt.Errorf("ledger: row %x of %d bytes, must be below %d", k, len(v), maxValue))
		return b.broken
	}
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
		return *s, true, nil
	}
	if !b.l.ids.maybe(id) {
		return Stored{}, false, nil
	}
	return b.l.getOnce(b.tx, id)
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

// onDisk reads an own entry that was committed before this batch.
func (b *batch) onDisk(c chainName, seq record.Seq) (h held, ok bool, err error) {
	err = b.l.db.View(func(tx *badger.Txn) error {
		h, ok, err = b.l.ofChain(tx, c, seq)
		return err
	})
	return h, ok, err
}
