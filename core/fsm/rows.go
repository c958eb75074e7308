package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Prefixes of the rows. All but keys are replicated state and in the digest.
const (
	rowMeta      = 'm' // one row
	rowEntry     = 'e' // city index of the first -> block of entries
	rowChain     = 'c' // origin, incarnation, lane -> chain row
	rowSpan      = 's' // origin, incarnation, lane, last seq of a batch -> index of its first entry
	rowSubject   = 'r' // report, incident -> subject row
	rowBody      = 'x' // body id -> city index
	rowIncident  = 'i' // incident, city index -> nothing; of an incident with many entries the later ones
	rowOutbox    = 'd' // ward, seq -> outbox row
	rowDue       = 'l' // class, time, number -> incidents of which a step may be missed then
	rowNext      = 'n' // origin, incarnation, lane -> seq at which another incarnation went on, that incarnation
	rowLives     = 'h' // origin -> its latest lives
	rowActive    = 'a' // version -> index of the rules that were activated; machines.go and rules.go say the rest
	rowMachine   = 'y' // name -> machine row
	rowAuthority = 'z' // one row: the generations that are trusted; with 'l' one of the turns of the log's key
	rowStation   = 'w' // ward -> nothing: wards whose station has come, which hear of rules and wards
	rowAlert     = 'g' // id -> index, until, for a warning
	rowReached   = 'f' // id of a warning, ward -> index of the entry that says how many devices it has reached
	rowPoints    = 'P' // version, part -> index of the entry with a part of the places of help
	rowMalformed = 'q' // ring -> ring row; ring, slot -> malformed input
	rowChange    = 'o' // city index -> nothing: entries by which an officer changed how the city works
	rowErasure   = 't' // erasure.go says the rest
	rowKey       = 'k' // city index of a block -> wrapped keys of its entries; outside chain and digest
)

// ErrHole says that this node's state cannot be relied on: rows are missing or
// damaged. It is to be replaced by another node's.
var ErrHole = errors.New("fsm: the state has a hole")

var errRow = fmt.Errorf("%w: damaged row", ErrHole)

func u64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func originKey(prefix byte, o record.Origin) []byte {
	b := make([]byte, 1+record.MaxOrigin, 96)
	b[0] = prefix
	copy(b[1:], o)
	return b
}

func chainKey(prefix byte, c record.ChainID) []byte {
	b := u64(originKey(prefix, c.Origin), uint64(c.Incarnation))
	return binary.BigEndian.AppendUint32(b, uint32(c.Lane))
}

func indexKey(prefix byte, n uint64) []byte { return u64([]byte{prefix}, n) }

func idKey(prefix byte, id []byte) []byte {
	return append(append(make([]byte, 0, 32), prefix), id...)
}

func outboxKey(w record.WardCode, seq record.Seq) []byte {
	return u64(append([]byte{rowOutbox}, w...), uint64(seq))
}

// meta is the one row that says how far the state has come.
type meta struct {
	applied, term uint64
	index         uint64 // city index
	log           record.Hash
	time          int64 // city time, milliseconds since the Unix epoch, UTC
	// part is the Raft entry that is applied in several transactions, done how
	// many of its items are; both 0 between two Raft entries.
	part, done uint64
	dues       uint64 // how many rows of rowDue were set
}

const metaSize = 88

func (m *meta) encode() []byte {
	b := make([]byte, 0, metaSize)
	b = u64(b, m.applied)
	b = u64(b, m.term)
	b = u64(b, m.index)
	b = append(b, m.log[:]...)
	b = u64(b, uint64(m.time))
	return u64(u64(u64(b, m.part), m.done), m.dues)
}

func decodeMeta(b []byte) (meta, error) {
	var m meta
	if len(b) != metaSize {
		return m, errRow
	}
	m.applied = binary.BigEndian.Uint64(b)
	m.term = binary.BigEndian.Uint64(b[8:])
	m.index = binary.BigEndian.Uint64(b[16:])
	copy(m.log[:], b[24:])
	m.time = int64(binary.BigEndian.Uint64(b[56:]))
	m.part, m.done = binary.BigEndian.Uint64(b[64:]), binary.BigEndian.Uint64(b[72:])
	m.dues = binary.BigEndian.Uint64(b[80:])
	return m, nil
}

// chainRow is the head of a chain that the city holds.
type chainRow struct {
	seq   record.Seq
	hash  record.Hash
	hlc   record.HLC
	index uint64 // of the head
	acked record.Seq
}

func (c *chainRow) encode() []byte {
	b := make([]byte, 0, 64)
	b = u64(b, uint64(c.seq))
	b = append(b, c.hash[:]...)
	b = u64(b, uint64(c.hlc))
	b = u64(b, c.index)
	return u64(b, uint64(c.acked))
}

func decodeChain(b []byte) (chainRow, error) {
	var c chainRow
	if len(b) != 64 {
		return c, errRow
	}
	c.seq = record.Seq(binary.BigEndian.Uint64(b))
	copy(c.hash[:], b[8:])
	c.hlc = record.HLC(binary.BigEndian.Uint64(b[40:]))
	c.index = binary.BigEndian.Uint64(b[48:])
	c.acked = record.Seq(binary.BigEndian.Uint64(b[56:]))
	return c, nil
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

var errStop = errors.New("stop")

// scan calls f for every row with the prefix from a key on; k and v are valid
// only during the call.
func scan(tx *badger.Txn, prefix, from []byte, values bool, f func(k, v []byte) error) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchValues, opt.PrefetchSize = prefix, values, 32
	it := tx.NewIterator(opt)
	defer it.Close()
	if from == nil {
		from = prefix
	}
	for it.Seek(from); it.Valid(); it.Next() {
		item := it.Item()
		var err error
		if values {
			err = item.Value(func(v []byte) error { return f(item.Key(), v) })
		} else {
			err = f(item.Key(), nil)
		}
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
