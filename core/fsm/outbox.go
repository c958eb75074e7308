package fsm

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Kinds of outbox rows. Rows are references, expanded when they are sent, so
// that an apply stays small.
const (
	refEntry    = 1 // one entry, by its city index
	refIncident = 2 // an incident, complete up to a city index
)

// outboxRow is hlc (8), previous hash (32), kind (1), index (8), incident (16).
const outboxSize = 8 + 32 + 1 + 8 + 16

func (b *batch) outboxEntry(w record.WardCode, index uint64) error {
	return b.outbox(w, refEntry, index, record.ID{})
}

func (b *batch) outboxIncident(w record.WardCode, id record.ID, upTo uint64) error {
	return b.outbox(w, refIncident, upTo, id)
}

func outboxChain(w record.WardCode) record.ChainID {
	return record.ChainID{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.DownLane(w)}
}

func (b *batch) outbox(w record.WardCode, kind byte, index uint64, id record.ID) error {
	chain := outboxChain(w)
	c, err := b.chain(chain)
	if err != nil {
		return err
	}
	ref := append(u64([]byte{kind}, index), id[:]...)
	link := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: chain.Lane, Seq: c.seq + 1, HLC: c.hlc + 1, Prev: c.hash}
	if planted.StateDiffers {
		link.HLC = record.HLCAt(time.Now().UnixMilli())
	}
	v := u64(make([]byte, 0, outboxSize), uint64(link.HLC))
	v = append(v, link.Prev[:]...)
	v = append(v, ref...)
	if err := b.set(outboxKey(w, link.Seq), v); err != nil {
		return err
	}
	c.seq, c.hlc, c.hash, c.index = link.Seq, link.HLC, record.EntryHash(link, ref), index
	// Two for one, so that an outbox that was longer comes down as well.
	for range 2 {
		if uint64(c.seq-c.acked) <= maxOutbox {
			break
		}
		c.acked++
		if err := b.del(outboxKey(w, c.acked)); err != nil {
			return err
		}
	}
	return nil
}

// maxOutbox is how many rows wait for a ward's station: a busy ward's work of
// weeks. Beyond it the oldest go as if they had been taken; a station that
// comes later finds its cursor before them and gets a resync, as one does whose disk is empty.
const maxOutbox = 20_000

// downAckBatch bounds how many rows one acknowledgement removes.
const downAckBatch = 2000

func (b *batch) downAck(w record.WardCode, seq record.Seq) (Result, error) {
	if !w.Valid() {
		return Result{Status: Refused, Detail: fmt.Sprintf("%q is no ward", w)}, nil
	}
	c, err := b.chain(outboxChain(w))
	if err != nil {
		return Result{}, err
	}
	seq = min(seq, c.seq, c.acked+downAckBatch)
	for s := c.acked + 1; s <= seq; s++ {
		if err := b.del(outboxKey(w, s)); err != nil {
			return Result{}, err
		}
	}
	c.acked = max(c.acked, seq)
	return Result{Status: OK, Seq: c.acked}, nil
}

// OutRow is one row of a ward's outbox, as it stands in its chain.
type OutRow struct {
	Seq  record.Seq
	Hash record.Hash
	// Index is the city index of the entry; with Whole set, the incident is
	// meant complete up to it; with Accounts set, every account.
	Index    uint64
	Whole    record.ID
	Accounts bool
}

// OutState is the state of a ward's outbox.
type OutState struct {
	Head  record.Seq
	Hash  record.Hash
	Acked record.Seq // rows up to here were taken and removed
}

// Outbox reads rows after a seq.
func (m *Machine) Outbox(w record.WardCode, after record.Seq, limit int) (rows []OutRow, st OutState, err error) {
	err = m.view(func(tx *badger.Txn) error {
		v, err := get(tx, chainKey(rowChain, outboxChain(w)))
		if err != nil {
			return err
		}
		if v != nil {
			c, err := decodeChain(v)
			if err != nil {
				return err
			}
			st = OutState{c.seq, c.hash, c.acked}
		}
		prefix := append([]byte{rowOutbox}, w...)
		return scan(tx, prefix, outboxKey(w, after+1), true, func(k, v []byte) error {
			if len(rows) >= limit {
				return errStop
			}
			if len(v) != outboxSize || len(k) != 14 {
				return errRow
			}
			seq := record.Seq(binary.BigEndian.Uint64(k[6:]))
			link := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.DownLane(w), Seq: seq, HLC: record.HLC(binary.BigEndian.Uint64(v))}
			copy(link.Prev[:], v[8:40])
			r := OutRow{Seq: seq, Hash: record.EntryHash(link, v[40:]), Index: binary.BigEndian.Uint64(v[41:])}
			if v[40] == refIncident {
				copy(r.Whole[:], v[49:])
			}
			r.Accounts = v[40] == refAccounts
			rows = append(rows, r)
			return nil
		})
	})
	return rows, st, err
}
