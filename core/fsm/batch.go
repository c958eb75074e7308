package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// batch is one transaction in the making: the rows of a few Raft entries.
type batch struct {
	m       *Machine
	tx      *badger.Txn
	meta    meta
	chains  map[record.ChainID]*chainRow
	reports map[record.ID]reportRow
	bytes   int64
	rows    int
	recent  []recentRow
	reload  bool // rules or wards changed
}

func (m *Machine) begin() *batch {
	return &batch{m: m, tx: m.db.NewTransaction(true), meta: *m.meta.Load(),
		chains: map[record.ChainID]*chainRow{}, reports: map[record.ID]reportRow{}}
}

func (b *batch) set(k, v []byte) error {
	b.bytes += int64(len(k) + len(v) + 16)
	b.rows++
	return b.tx.Set(k, v)
}

func (b *batch) commit() error {
	defer b.tx.Discard()
	// Each key is its own; the order in which they are set makes no difference.
	for id, c := range b.chains {
		if err := b.set(chainKey(rowChain, id), c.encode()); err != nil {
			return err
		}
	}
	for id, r := range b.reports {
		if err := b.set(idKey(rowReport, id[:]), r.encode()); err != nil {
			return err
		}
	}
	if err := b.set([]byte{rowMeta}, b.meta.encode()); err != nil {
		return err
	}
	if err := b.tx.Commit(); err != nil {
		return fmt.Errorf("fsm: commit: %w", err)
	}
	me := b.meta
	moved := me.index != b.m.meta.Load().index
	b.m.meta.Store(&me)
	if b.reload {
		if err := b.m.view(b.m.loadRules); err != nil {
			return err
		}
	}
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
	for _, k := range c.keys {
		if err := b.set(idKey(rowKey, k.Key[:]), k.Append(nil)); err != nil {
			return Result{}, err
		}
	}
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

func (b *batch) report(id record.ID) (reportRow, bool, error) {
	if r, ok := b.reports[id]; ok {
		return r, true, nil
	}
	v, err := get(b.tx, idKey(rowReport, id[:]))
	if err != nil || v == nil {
		return reportRow{}, false, err
	}
	r, err := decodeReport(v)
	return r, err == nil, err
}

// put gives an entry its place in the city's order.
func (b *batch) put(e record.Entry, body *record.Body, hash record.Hash, listed record.Kind, first uint64) error {
	b.meta.index++
	n := b.meta.index
	var sum [64]byte
	copy(sum[:32], b.meta.log[:])
	copy(sum[32:], hash[:])
	b.meta.log = sha256.Sum256(sum[:])
	v := make([]byte, 0, 9+record.LinkSize+8+len(e.Body))
	v = e.Append(u64(append(v, byte(listed)), first))
	if err := b.set(indexKey(rowEntry, n), v); err != nil {
		return err
	}
	for i := -1; i < len(body.Payload.Incidents); i++ {
		id := body.Incident
		if i >= 0 {
			id = body.Payload.Incidents[i]
		}
		if id.Zero() {
			continue
		}
		if err := b.set(u64(idKey(rowIncident, id[:]), n), nil); err != nil {
			return err
		}
	}
	if body.Kind == record.KindReport || body.Kind == record.KindRouted {
		return nil // found by their report
	}
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

// bodies reads what is committed about an incident, this transaction included.
func (b *batch) bodies(id record.ID) ([]record.Body, error) {
	rows, err := incidentRows(b.tx, id)
	if err != nil {
		return nil, err
	}
	out := make([]record.Body, len(rows))
	for i := range rows {
		if out[i], err = record.DecodeBody(rows[i].entry.Body); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// row is an entry as the city lists it.
type row struct {
	index  uint64
	listed record.Kind
	first  uint64
	entry  record.Entry
}

func decodeRow(index uint64, v []byte) (row, error) {
	if len(v) < 9 {
		return row{}, errRow
	}
	e, rest, err := record.DecodeEntry(v[9:])
	if err == nil && len(rest) != 0 {
		err = errRow
	}
	return row{index, record.Kind(v[0]), binary.BigEndian.Uint64(v[1:]), e}, err
}

func entryAt(tx *badger.Txn, index uint64) (row, error) {
	v, err := get(tx, indexKey(rowEntry, index))
	if err != nil {
		return row{}, err
	}
	if v == nil {
		return row{}, fmt.Errorf("%w: nothing at city index %d", errRow, index)
	}
	return decodeRow(index, v)
}

func incidentRows(tx *badger.Txn, id record.ID) ([]row, error) {
	var at []uint64
	err := scan(tx, idKey(rowIncident, id[:]), nil, false, func(k, _ []byte) error {
		if len(k) != 25 {
			return errors.New("fsm: incident key")
		}
		at = append(at, binary.BigEndian.Uint64(k[17:]))
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]row, 0, len(at))
	for _, n := range at {
		r, err := entryAt(tx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
