package fsm

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Kinds of what an outbox row names. They are references, expanded when they are
// sent, so that an apply stays small.
const (
	refEntry    = 1 // one entry, by its city index (unsigned varint)
	refIncident = 2 // an incident (16 bytes), complete up to a city index
	refAccounts = 3 // every account, as it stands when the row is sent (index as in an entry)
)

// An outbox row is hlc (8), previous hash (32), and what one command, or a part of
// one, has for the ward: up to maxRefs references.
const (
	outboxHead = 8 + 32
	maxRefs    = 64
)

// outGroup is a row in the making.
type outGroup struct {
	refs  []byte
	n     int
	index uint64 // of the last one
}

func (b *batch) outboxEntry(w record.WardCode, index uint64) error {
	return b.outbox(w, index, binary.AppendUvarint([]byte{refEntry}, index))
}

func (b *batch) outboxIncident(w record.WardCode, id record.ID, upTo uint64) error {
	return b.outbox(w, upTo, append(binary.AppendUvarint([]byte{refIncident}, upTo), id[:]...))
}

func outboxChain(w record.WardCode) record.ChainID {
	return record.ChainID{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.DownLane(w)}
}

func (b *batch) outbox(w record.WardCode, index uint64, ref []byte) error {
	if b.part.out == nil {
		b.part.out = map[record.WardCode]*outGroup{}
	}
	g := b.part.out[w]
	if g == nil {
		g = &outGroup{}
		b.part.out[w] = g
	}
	b.weigh(outboxHead + len(ref))
	g.refs, g.n, g.index = append(g.refs, ref...), g.n+1, index
	if g.n < maxRefs {
		return nil
	}
	delete(b.part.out, w)
	return b.outboxRow(w, g)
}

// closeOutbox sets the rows of what the command has for the wards' stations. Each
// has a chain of its own; their order makes no difference.
func (b *batch) closeOutbox() error {
	for w, g := range b.part.out {
		if err := b.outboxRow(w, g); err != nil {
			return err
		}
	}
	clear(b.part.out)
	return nil
}

func (b *batch) outboxRow(w record.WardCode, g *outGroup) error {
	chain := outboxChain(w)
	c, err := b.chain(chain)
	if err != nil {
		return err
	}
	link := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: chain.Lane, Seq: c.seq + 1, HLC: c.hlc + 1, Prev: c.hash}
	if planted.StateDiffers {
		link.HLC = record.HLCAt(time.Now().UnixMilli())
	}
	v := u64(make([]byte, 0, outboxHead+len(g.refs)), uint64(link.HLC))
	v = append(v, link.Prev[:]...)
	v = append(v, g.refs...)
	if err := b.set(outboxKey(w, link.Seq), v); err != nil {
		return err
	}
	c.seq, c.hlc, c.hash, c.index = link.Seq, link.HLC, record.EntryHash(link, g.refs), g.index
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
	Refs []OutRef
}

// OutRef is one thing that a row has for the ward.
type OutRef struct {
	// Index is the city index of the entry; with Whole set, the incident is
	// meant complete up to it; with Accounts set, every account.
	Index    uint64
	Whole    record.ID
	Accounts bool
}

func decodeRefs(b []byte) (refs []OutRef, err error) {
	for len(b) > 0 {
		kind := b[0]
		n, w := binary.Uvarint(b[1:])
		if w <= 0 {
			return nil, errRow
		}
		r := OutRef{Index: n}
		b = b[1+w:]
		switch {
		case kind == refIncident && len(b) >= len(r.Whole):
			copy(r.Whole[:], b)
			b = b[len(r.Whole):]
		case kind == refAccounts:
			r.Accounts = true
		case kind != refEntry:
			return nil, errRow
		}
		refs = append(refs, r)
	}
	return refs, nil
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
			if len(v) < outboxHead || len(k) != 14 {
				return errRow
			}
			seq := record.Seq(binary.BigEndian.Uint64(k[6:]))
			link := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.DownLane(w), Seq: seq, HLC: record.HLC(binary.BigEndian.Uint64(v))}
			copy(link.Prev[:], v[8:])
			r := OutRow{Seq: seq, Hash: record.EntryHash(link, v[outboxHead:])}
			var err error
			if r.Refs, err = decodeRefs(v[outboxHead:]); err != nil {
				return err
			}
			rows = append(rows, r)
			return nil
		})
	})
	return rows, st, err
}
