package fsm

import (
	"encoding/binary"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// subject is what is known of one id, as a report's and as an incident's, which are
// one: all that a new entry about it must find without reading what was said before.
type subject struct {
	// first is where the report stands, atCore where it came to the core's door; 0: not.
	first, atCore uint64
	// told is the wards that were told of the incident, sorted.
	told []record.WardCode
	// at is where the incident's first entries stand, up to maxInline; those of
	// later ones are rows of their own (rowIncident), so that a long history is not
	// written again with each entry.
	at []uint64

	// erasedAt is where the erasure of the incident stands, 0: none; it covers its
	// epochs up to erased.
	erasedAt uint64
	erased   uint32

	known bool     // a row of it was set
	dirty bool     // to be set with the transaction
	fresh []uint64 // later entries of this transaction
}

const (
	// maxInline is how many places of entries a subject's row names: few incidents have more.
	maxInline = 12
	// maxTold bounds the wards that a row names; the city has 168.
	maxTold = 512
	// erasedFlag in the count of places says that the erasure follows on them.
	erasedFlag = 64
)

func (s *subject) encode() []byte {
	b := make([]byte, 0, 24+5*len(s.told)+4*len(s.at))
	b = binary.AppendUvarint(b, s.first)
	b = binary.AppendUvarint(b, s.atCore)
	count := uint64(len(s.at))
	if s.erasedAt > 0 {
		count |= erasedFlag
	}
	b = binary.AppendUvarint(b, count)
	was := uint64(0)
	for _, n := range s.at {
		b = binary.AppendUvarint(b, n-was)
		was = n
	}
	if s.erasedAt > 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, s.erasedAt), uint64(s.erased))
	}
	for _, w := range s.told {
		b = append(b, w...)
	}
	return b
}

func decodeSubject(b []byte) (*subject, error) {
	s := &subject{}
	bad := false
	num := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			bad = true
			return 0
		}
		b = b[w:]
		return n
	}
	s.first, s.atCore = num(), num()
	n := num()
	gone := n&erasedFlag != 0
	n &^= erasedFlag
	if bad || n > maxInline {
		return nil, errRow
	}
	s.at = make([]uint64, n, n+2)
	was := uint64(0)
	for i := range s.at {
		was += num()
		s.at[i] = was
	}
	if gone {
		s.erasedAt, s.erased = num(), uint32(num())
	}
	if bad || len(b)%5 != 0 || len(b) > 5*maxTold {
		return nil, errRow
	}
	for ; len(b) > 0; b = b[5:] {
		s.told = append(s.told, record.WardCode(b[:5]))
	}
	return s, nil
}

// subject finds what is known of an id; an empty one when that is nothing.
func (b *batch) subject(id record.ID) (*subject, error) {
	if s, ok := b.subjects[id]; ok {
		return s, nil
	}
	s := &subject{}
	if b.m.seen.maybe(id) {
		v, err := get(b.old, idKey(rowSubject, id[:]))
		if err != nil {
			return nil, err
		}
		if v != nil {
			if s, err = decodeSubject(v); err != nil {
				return nil, err
			}
			s.known = true
		}
	}
	b.subjects[id] = s
	return s, nil
}

// touch says that a subject's row changes, by some bytes more.
func (b *batch) touch(id record.ID, s *subject, more int) {
	if !s.dirty {
		s.dirty = true
		if !s.known {
			b.m.seen.add(id)
		}
		b.size.add(17 + 32 + 5*len(s.told) + 10*len(s.at))
	}
	b.size.bytes += int64(more)
	b.unit.bytes += int64(more)
}

// happened notes that an entry about an incident stands at the present city index.
func (b *batch) happened(id record.ID, s *subject) error {
	b.touch(id, s, 10)
	if len(s.at) < maxInline {
		s.at = append(s.at, b.meta.index)
		return nil
	}
	s.fresh = append(s.fresh, b.meta.index)
	b.weigh(25)
	return b.set(u64(idKey(rowIncident, id[:]), b.meta.index), nil)
}

// indexes are the places of all entries about an incident, this transaction included.
func (b *batch) indexes(id record.ID) ([]uint64, error) {
	s, err := b.subject(id)
	if err != nil || len(s.at) < maxInline {
		return s.at, err
	}
	at, err := laterIndexes(b.old, id, slices.Clone(s.at))
	return append(at, s.fresh...), err
}

func laterIndexes(tx *badger.Txn, id record.ID, at []uint64) ([]uint64, error) {
	err := scan(tx, idKey(rowIncident, id[:]), nil, false, func(k, _ []byte) error {
		if len(k) != 25 {
			return errRow
		}
		at = append(at, binary.BigEndian.Uint64(k[17:]))
		return nil
	})
	return at, err
}

// incidentIndexes are the places of all committed entries about an incident.
func incidentIndexes(tx *badger.Txn, id record.ID) ([]uint64, error) {
	v, err := get(tx, idKey(rowSubject, id[:]))
	if err != nil || v == nil {
		return nil, err
	}
	s, err := decodeSubject(v)
	if err != nil || len(s.at) < maxInline {
		return s.at, err
	}
	return laterIndexes(tx, id, s.at)
}

// bodies reads what is committed about an incident, this transaction included.
func (b *batch) bodies(id record.ID) ([]record.Body, error) {
	at, err := b.indexes(id)
	if err != nil {
		return nil, err
	}
	out := make([]record.Body, len(at))
	for i, n := range at {
		r, err := b.entryAt(n)
		if err != nil {
			return nil, err
		}
		if out[i], err = record.DecodeBody(r.entry.Body); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fingerprint is that of the report which stands at a city index.
func (b *batch) fingerprint(index uint64) (record.Hash, error) {
	r, err := b.entryAt(index)
	if err != nil {
		return record.Hash{}, err
	}
	body, err := record.DecodeBody(r.entry.Body)
	return body.Payload.Fingerprint, err
}
