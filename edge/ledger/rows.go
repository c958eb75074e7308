package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"wardline/sync/record"
)

// Prefixes of the rows. 'v' is left to views derived from the ledger. Blocks come
// first in the order of keys and grow at their end, so that the store's tidying
// of newer rows leaves the tables of older blocks alone.
const (
	rowBlock      = 'b' // first position -> block
	rowChain      = 'c' // incarnation, lane -> chain row
	rowRange      = 'e' // incarnation, lane, last seq -> first seq, block: what of a chain stands in a block
	rowForeign    = 'f' // hash -> place
	rowIncident   = 'i' // incident, position -> block; reports are found by rowOnce
	rowKey        = 'k' // block -> wrapped keys of its entries; or key id -> a foreign entry's
	rowMove       = 'm' // incarnation, lane -> first and last seq of a fork that are still to be moved
	rowNote       = 'n' // key -> value
	rowOnce       = 'o' // id of a report -> place
	rowQuarantine = 'q' // number -> malformed input
	rowReceipt    = 'r' // incarnation, lane -> receipt
)

var errRow = errors.New("ledger: damaged row")

func u64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func chainKey(prefix byte, inc record.Incarnation, lane record.LaneID) []byte {
	b := make([]byte, 0, 21)
	b = u64(append(b, prefix), uint64(inc))
	return binary.BigEndian.AppendUint32(b, uint32(lane))
}

func rangeKey(c chainName, last record.Seq) []byte {
	return u64(chainKey(rowRange, c.inc, c.lane), uint64(last))
}

func blockKey(first uint64) []byte { return u64(append(make([]byte, 0, 9), rowBlock), first) }

func blockKeysKey(first uint64) []byte { return u64(append(make([]byte, 0, 9), rowKey), first) }

func incidentKey(id record.ID, pos uint64) []byte {
	b := make([]byte, 0, 25)
	b = append(append(b, rowIncident), id[:]...)
	return u64(b, pos)
}

func idKey(prefix byte, id []byte) []byte { return append(append(make([]byte, 0, 33), prefix), id...) }

func (p place) encode() []byte { return u64(u64(make([]byte, 0, 16), p.pos), p.block) }

func decodePlace(v []byte) (place, error) {
	if len(v) != 16 {
		return place{}, fmt.Errorf("%w: place of %d bytes", errRow, len(v))
	}
	return place{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}, nil
}

// chainRow is the state of one own chain.
type chainRow struct {
	Inc  record.Incarnation
	Lane record.LaneID
	// Order counts incarnations as they were opened on this disk.
	Order uint64
	Seq   record.Seq
	Hash  record.Hash
	HLC   record.HLC
	// Given is the last entry that the city gave back, GivenAt its city index:
	// so far the city holds the chain, with or without a receipt.
	Given   record.Seq
	GivenAt uint64
}

func (c *chainRow) encode() []byte {
	b := make([]byte, 0, 72)
	b = u64(b, c.Order)
	b = u64(b, uint64(c.Seq))
	b = append(b, c.Hash[:]...)
	b = u64(b, uint64(c.HLC))
	b = u64(b, uint64(c.Given))
	return u64(b, c.GivenAt)
}

func decodeChainRow(key, v []byte) (chainRow, error) {
	var c chainRow
	if len(key) != 13 || len(v) != 72 {
		return c, errRow
	}
	c.Inc = record.Incarnation(binary.BigEndian.Uint64(key[1:]))
	c.Lane = record.LaneID(binary.BigEndian.Uint32(key[9:]))
	c.Order = binary.BigEndian.Uint64(v)
	c.Seq = record.Seq(binary.BigEndian.Uint64(v[8:]))
	copy(c.Hash[:], v[16:])
	c.HLC = record.HLC(binary.BigEndian.Uint64(v[48:]))
	c.Given = record.Seq(binary.BigEndian.Uint64(v[56:]))
	c.GivenAt = binary.BigEndian.Uint64(v[64:])
	return c, nil
}

// Stored is what is known of a report's first arrival, so that a repeat gets
// the same answer after any time.
type Stored struct {
	Fingerprint record.Hash
	Incarnation record.Incarnation
	Lane        record.LaneID
	Seq         record.Seq
	Hash        record.Hash
	ReceivedAt  int64
	Extra       []byte
}

func storedOf(h *held, hash record.Hash, body *record.Body) Stored {
	l := &h.entry.Link
	return Stored{body.Payload.Fingerprint, l.Incarnation, l.Lane, l.Seq, hash, body.ReceivedAt, h.extra}
}
