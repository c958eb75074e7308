package ledger

import (
	"encoding/binary"
	"errors"

	"wardline/sync/record"
)

// Prefixes of the rows. 'v' is left to views derived from the ledger.
const (
	rowEntry      = 'e' // incarnation, lane, seq -> position, entry
	rowPosition   = 'p' // position -> where the entry stands
	rowForeign    = 'f' // hash -> position, city index, entry
	rowIncident   = 'i' // incident, position -> nothing
	rowOnce       = 'o' // id -> Stored
	rowNote       = 'n' // key -> value
	rowKey        = 'k' // key id -> wrapped key
	rowChain      = 'c' // incarnation, lane -> chain row
	rowReceipt    = 'r' // incarnation, lane -> receipt
	rowAside      = 'z' // incarnation, lane, seq -> entry that forked
	rowMove       = 'm' // incarnation, lane -> first and last seq of a fork that are still to be moved
	rowQuarantine = 'q' // number -> malformed input
)

var errRow = errors.New("ledger: damaged row")

func u64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func chainKey(prefix byte, inc record.Incarnation, lane record.LaneID) []byte {
	b := make([]byte, 0, 21)
	b = u64(append(b, prefix), uint64(inc))
	return binary.BigEndian.AppendUint32(b, uint32(lane))
}

func entryKey(prefix byte, inc record.Incarnation, lane record.LaneID, seq record.Seq) []byte {
	return u64(chainKey(prefix, inc, lane), uint64(seq))
}

func positionKey(pos uint64) []byte { return u64([]byte{rowPosition}, pos) }

func incidentKey(id record.ID, pos uint64) []byte {
	b := make([]byte, 0, 25)
	b = append(append(b, rowIncident), id[:]...)
	return u64(b, pos)
}

func idKey(prefix byte, id []byte) []byte { return append([]byte{prefix}, id...) }

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

// Stored is what is kept of a report's first arrival, so that a repeat gets
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

const storedSize = 32 + 8 + 4 + 8 + 32 + 8

func (s *Stored) encode() []byte {
	b := make([]byte, 0, storedSize+len(s.Extra))
	b = append(b, s.Fingerprint[:]...)
	b = u64(b, uint64(s.Incarnation))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Lane))
	b = u64(b, uint64(s.Seq))
	b = append(b, s.Hash[:]...)
	b = u64(b, uint64(s.ReceivedAt))
	return append(b, s.Extra...)
}

func decodeStored(v []byte) (Stored, error) {
	var s Stored
	if len(v) < storedSize {
		return s, errRow
	}
	copy(s.Fingerprint[:], v)
	s.Incarnation = record.Incarnation(binary.BigEndian.Uint64(v[32:]))
	s.Lane = record.LaneID(binary.BigEndian.Uint32(v[40:]))
	s.Seq = record.Seq(binary.BigEndian.Uint64(v[44:]))
	copy(s.Hash[:], v[52:])
	s.ReceivedAt = int64(binary.BigEndian.Uint64(v[84:]))
	s.Extra = append([]byte(nil), v[storedSize:]...)
	return s, nil
}
