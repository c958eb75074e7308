package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/tables"
)

// batch is one transaction in the making: the rows of a few Raft entries, or
// of a part of one.
type batch struct {
	m        *Machine
	tx       *badger.Txn
	old      *badger.Txn // what was committed before: a scan of tx sorts all that is pending, each time
	meta     meta
	chains   map[record.ChainID]*chainRow
	subjects map[record.ID]*subject
	blocks   []block   // of this transaction
	rows     []tailRow // its entries, for those who follow the log
	part     part
	run      run
	size     weight // of the rows set so far, and of subjects that will be
	cost     int64  // of the rows that were set, in the store's memory
	unit     weight // of what a command, or a part of one, has drawn; it follows from the entries alone
	reload   bool   // rules or wards changed
	trusts   bool   // machines changed
	wrapping Wrapping
	erased   erased
	late     uint64 // deadlines missed in this transaction
	// dues are the rows of this transaction: set, or nil where they were taken. None
	// that is left stands before dueFrom.
	dues    map[string][]byte
	dueFrom dueFrom
}

// weight is what rows cost in a transaction.
type weight struct {
	bytes int64
	rows  int64
}

func (w *weight) add(bytes int) {
	w.bytes += int64(bytes) + 16 // the store counts 12 bytes beside key and value
	w.rows++
}

// over says whether it is more than one part in n of what a transaction takes.
func (w weight) over(db *badger.DB, n int64) bool {
	return w.bytes > db.MaxBatchSize()/n || w.rows > db.MaxBatchCount()/n
}

// How large a transaction grows, as parts of what the store takes. Before a
// command it holds at most a quarter. A command adds at most a sixth, and what one entry
// draws after itself: its own 256 KiB, maxTellRows outbox rows (200 KiB), a routing and
// some suggestions, told to as many. That is less than a quarter more, so that the store's
// limit, which would end every node at once, is out of reach.
const (
	restPart = 4
	unitPart = 6
)

func (m *Machine) begin() *batch {
	return &batch{m: m, tx: m.db.NewTransaction(true), old: m.db.NewTransaction(false), meta: *m.meta.Load(), wrapping: *m.wrapping.Load(), erased: *m.erased.Load(),
		chains: map[record.ChainID]*chainRow{}, subjects: map[record.ID]*subject{}, dues: map[string][]byte{}, dueFrom: m.dueFrom}
}

func (b *batch) discard() {
	b.tx.Discard()
	b.old.Discard()
}

func (b *batch) set(k, v []byte) error {
	b.size.add(len(k) + len(v))
	return b.write(k, v)
}

// write sets a row that was counted before.
func (b *batch) write(k, v []byte) error {
	b.m.steps.Add(1)
	b.cost += tables.Cost(k, v)
	return b.tx.Set(k, v)
}

func (b *batch) del(k []byte) error {
	b.size.add(len(k))
	b.weigh(len(k))
	b.cost += tables.Cost(k, nil)
	return b.tx.Delete(k)
}

// weigh counts what a command draws, as if it were a row of its own.
func (b *batch) weigh(bytes int) { b.unit.add(bytes) }

// entry applies one Raft entry: its commands in order, from where a crash cut
// it. A command that was applied before the crash has no result; nobody waits for it.
func (b *batch) entry(e LogEntry) ([][]byte, error) {
	out := make([][]byte, len(e.Items))
	from := 0
	if b.meta.part != 0 {
		if b.meta.part != e.Index || b.meta.done > uint64(len(e.Items)) {
			return nil, fmt.Errorf("%w: entry %d was applied up to command %d, and comes next is entry %d with %d", errRow, b.meta.part, b.meta.done, e.Index, len(e.Items))
		}
		from = int(b.meta.done)
	}
	for i := from; i < len(e.Items); i++ {
		b.meta.part, b.meta.done = e.Index, uint64(i)
		if err := b.breathe(); err != nil {
			return nil, err
		}
		r, err := b.apply(e.Items[i])
		if err != nil {
			return nil, err
		}
		out[i] = r.encode()
	}
	b.meta.applied, b.meta.term, b.meta.part, b.meta.done = e.Index, e.Term, 0, 0
	return out, nil
}

// breathe begins a new transaction when this one is large. That may be between
// any two commands, and makes no difference to any row.
func (b *batch) breathe() error {
	held := b.size
	held.bytes += 208 * int64(len(b.chains)) // set when it is committed
	held.rows += int64(len(b.chains))
	if !held.over(b.m.db, restPart) {
		return nil
	}
	return b.turn()
}

// turn commits what there is and goes on in a new transaction. After a crash
// the command that was under way is applied again from its beginning, so it must be one
// that finds what it has done (station).
func (b *batch) turn() error {
	if err := b.commit(); err != nil {
		return err
	}
	part := b.part // the same command goes on
	*b = *b.m.begin()
	b.part = part
	return nil
}

func (b *batch) commit() error {
	defer b.discard()
	if b.meta == *b.m.meta.Load() && b.size.rows == 0 {
		return nil // nothing was applied
	}
	// Each key is its own; the order in which they are set makes no difference.
	for id, c := range b.chains {
		if err := b.set(chainKey(rowChain, id), c.encode()); err != nil {
			return err
		}
	}
	for id, s := range b.subjects {
		if !s.dirty {
			continue
		}
		if err := b.write(idKey(rowSubject, id[:]), s.encode()); err != nil {
			return err
		}
	}
	if !planted.AppliedApart {
		if err := b.set([]byte{rowMeta}, b.meta.encode()); err != nil {
			return err
		}
	}
	txn := b.m.txn + 1
	if err := errors.Join(b.set(txnSlot(txn), u64(nil, txn)), b.set(txnLast, u64(nil, txn))); err != nil {
		return err
	}
	if err := b.m.ordered.Commit(b.tx, b.cost); err != nil {
		return fmt.Errorf("fsm: commit: %w", err)
	}
	if planted.AppliedApart {
		if err := b.m.db.Update(func(tx *badger.Txn) error { return tx.Set([]byte{rowMeta}, b.meta.encode()) }); err != nil {
			return err
		}
	}
	b.m.txn, b.m.dueFrom = txn, b.dueFrom
	b.m.tail.add(b.rows)
	b.m.steps.Add(1)
	b.m.late.Add(b.late)
	me := b.meta
	b.m.keyState.take(b)
	moved := me.index != b.m.meta.Load().index
	if b.trusts { // before the city index is seen: from an entry on another key signs the log
		if err := b.m.loadMachines(); err != nil {
			return err
		}
	}
	b.m.meta.Store(&me)
	if moved {
		b.m.notify()
	}
	return nil
}

// apply applies one command. An error is of the store, and fatal; what is
// wrong with a command is a result.
func (b *batch) apply(item []byte) (Result, error) {
	c, err := decodeCommand(item)
	if err != nil {
		return Result{Status: Refused, Detail: err.Error()}, nil
	}
	if b.stale(c.keys) {
		return Result{Status: Stale, Detail: "keys of sealed parts are wrapped with a key that is not in use any more"}, nil
	}
	b.unit = weight{}
	b.part = part{size: len(item), given: c.keys}
	r, err := b.command(c)
	if err != nil {
		return r, err
	}
	if err := b.seal(); err != nil {
		return r, err
	}
	if b.reload {
		// At once: where a transaction ends must make no difference to what
		// comes after the rules.
		b.reload = false
		err = b.m.loadRules(b.tx, b)
	}
	return r, err
}

func (b *batch) command(c command) (Result, error) {
	switch c.kind {
	case cmdBatch:
		return b.station(c.rest)
	case cmdBody:
		return b.body(c.rest)
	case cmdTick:
		if len(c.rest) == 8 {
			return b.tick(int64(binary.BigEndian.Uint64(c.rest)))
		}
	case cmdDownAck:
		if len(c.rest) == 13 {
			return b.downAck(record.WardCode(c.rest[8:]), record.Seq(binary.BigEndian.Uint64(c.rest)))
		}
	case cmdStation:
		return b.stationCame(record.WardCode(c.rest))
	case cmdMalformed:
		return b.malformed(c.rest)
	case cmdSessionEnd:
		return b.sessionEnd(c.rest)
	case cmdSessionUse:
		return b.sessionUse(c.rest)
	case cmdWrapping:
		return b.wrap(c.rest)
	}
	return Result{Status: Refused, Detail: ErrCommand.Error()}, nil
}

func (b *batch) chain(id record.ChainID) (*chainRow, error) {
	if c, ok := b.chains[id]; ok {
		return c, nil
	}
	c := &chainRow{}
	v, err := get(b.tx, chainKey(rowChain, id))
	if err != nil {
		return nil, err
	}
	if v != nil {
		if *c, err = decodeChain(v); err != nil {
			return nil, err
		}
	}
	b.chains[id] = c
	return c, nil
}

// put gives an entry its place in the city's order.
func (b *batch) put(e record.Entry, body *record.Body, hash record.Hash, listed record.Kind, first uint64) error {
	b.meta.index++
	n := b.meta.index
	var sum [64]byte
	copy(sum[:32], b.meta.log[:])
	copy(sum[32:], hash[:])
	b.meta.log = sha256.Sum256(sum[:])
	if body.Payload.Sealed != nil {
		if err := b.keepUnlessErased(body); err != nil {
			return err
		}
	}
	k := b.open()
	k.add(listed, first, e)
	b.weigh(record.LinkSize + len(e.Body) + 12)
	e.Body = k.data[len(k.data)-len(e.Body):] // not a part of the command, which is let go
	b.rows = append(b.rows, tailRow{row{n, listed, first, e}, hash, body})
	if len(k.data) >= blockBytes {
		if err := b.closeBlock(); err != nil {
			return err
		}
	}
	for _, id := range incidentsOf(body) {
		s, err := b.subject(id)
		if err != nil {
			return err
		}
		if err := b.happened(id, s); err != nil {
			return err
		}
		if err := b.grow(id, s, body); err != nil {
			return err
		}
	}
	if changesCity(body) {
		b.weigh(9)
		if err := b.set(indexKey(rowChange, n), nil); err != nil {
			return err
		}
	}
	if !byOwnID(body) {
		return nil
	}
	b.weigh(25)
	return b.set(idKey(rowBody, body.ID[:]), u64(nil, n))
}

// coreChain is the chain of the core's own entries.
var coreChain = record.ChainID{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog}

// putCore links a body of the core into its chain and gives it its place.
// proposed is the clock of whoever proposed; 0 for what the state itself concludes.
func (b *batch) putCore(body *record.Body, proposed record.HLC, listed record.Kind, first uint64) (record.Entry, record.Hash, error) {
	c, err := b.chain(coreChain)
	if err != nil {
		return record.Entry{}, record.Hash{}, err
	}
	raw, err := body.Encode()
	if err != nil {
		return record.Entry{}, record.Hash{}, err
	}
	e := record.Entry{Link: record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, Seq: c.seq + 1,
		HLC: max(proposed, c.hlc+1), Prev: c.hash}, Body: raw}
	hash := e.Hash()
	if err := b.put(e, body, hash, listed, first); err != nil {
		return e, hash, err
	}
	*c = chainRow{seq: e.Link.Seq, hash: hash, hlc: e.Link.HLC, index: b.meta.index}
	return e, hash, nil
}

// byOwnID says whether an entry is found by its own id; the others by their report.
func byOwnID(body *record.Body) bool {
	switch body.Kind {
	case record.KindReport, record.KindRouted:
		return false
	case record.KindSuggested:
		return body.Origin != record.CoreOrigin
	}
	return true
}

// known says whether a body of this id is committed already.
func (b *batch) known(id record.ID) (uint64, error) {
	v, err := get(b.tx, idKey(rowBody, id[:]))
	if err != nil || v == nil {
		return 0, err
	}
	return beIndex(v), nil
}

func beIndex(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}
