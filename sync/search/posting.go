package search

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// chunkDocs is how many incidents share one row of a term. A row is then at most 128
// bytes, cheap to write again for one new incident, and a term that every incident
// has costs a query a hundred rows of a hundred thousand incidents.
const chunkDocs = 1024

// set says which incidents of one chunk a term stands in.
type set [chunkDocs / 64]uint64

func (s *set) has(n uint32) bool { return s[n/64]&(1<<(n%64)) != 0 }
func (s *set) add(n uint32)      { s[n/64] |= 1 << (n % 64) }
func (s *set) del(n uint32)      { s[n/64] &^= 1 << (n % 64) }

func (s *set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s *set) and(o *set) (any bool) {
	for i := range s {
		s[i] &= o[i]
		any = any || s[i] != 0
	}
	return any
}

func (s *set) or(o *set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// setBytes is the length of a set as bits; fewer members than half its bytes are written as a list.
const setBytes = chunkDocs / 8

var errRow = errors.New("search: damaged row")

// encode writes the members: two bytes each while they are few, else all bits.
func (s *set) encode() []byte {
	n := s.count()
	if 2*n >= setBytes {
		b := make([]byte, 0, setBytes)
		for _, w := range s {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		return b
	}
	b := make([]byte, 0, 2*n)
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			b = binary.LittleEndian.AppendUint16(b, uint16(64*i+bits.TrailingZeros64(w)))
		}
	}
	return b
}

// decode adds the members of an encoded set.
func (s *set) decode(b []byte) error {
	if len(b) == setBytes {
		for i := range s {
			s[i] |= binary.LittleEndian.Uint64(b[8*i:])
		}
		return nil
	}
	if len(b) > setBytes || len(b)%2 != 0 {
		return errRow
	}
	for ; len(b) > 0; b = b[2:] {
		n := binary.LittleEndian.Uint16(b)
		if n >= chunkDocs {
			return errRow
		}
		s.add(uint32(n))
	}
	return nil
}

// Kinds of terms; the first byte of a row's key.
const (
	kindWord     = 'f' // a word without diacritics, plain, so that words with one beginning lie together
	kindExact    = 'e' // a word with its diacritics, as one of 2^14 buckets
	kindPair     = 'b' // two words that follow each other, without diacritics, as one of 2^14 buckets
	kindUnit     = 'u' // a unit that leads or was told
	kindCategory = 'k'
	kindPriority = 'r'
	kindStatus   = 's'
	kindOpen     = 'o'
)

// Other rows.
const (
	rowID    = 'i' // by incident: its number
	rowDoc   = 'd' // by number: the incident, when it was received, its terms
	rowChunk = 'c' // by chunk: the earliest and the latest time in it
	rowMark  = 'm' // how far the log was followed
)

// buckets of words with diacritics and of pairs: they only order what was found by
// plain words, so two words that share a bucket (an incident of thirty words meets another's
// with a chance of one in five hundred) cost nothing but an order.
const buckets = 1 << 14

// bucketed is the term of a bucket.
func bucketed(kind byte, words ...string) string {
	h := uint32(2166136261) // FNV-1a
	for _, w := range words {
		for i := range len(w) {
			h = (h ^ uint32(w[i])) * 16777619
		}
		h = (h ^ 0xff) * 16777619
	}
	h ^= h >> 16
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(h%buckets)))
}

// termKey is the row of a term in a chunk; the newest chunk comes first.
func termKey(term string, chunk uint32) []byte {
	k := append(make([]byte, 0, len(term)+5), term...)
	return binary.BigEndian.AppendUint32(append(k, 0), ^chunk)
}

// chunkOf is the chunk that a term's row is about.
func chunkOf(key []byte) uint32 { return ^binary.BigEndian.Uint32(key[len(key)-4:]) }

func docKey(n uint32) []byte   { return binary.BigEndian.AppendUint32([]byte{rowDoc}, n) }
func chunkKey(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{rowChunk}, n) }
