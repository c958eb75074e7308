package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Origin names who writes a log: "core" or a station such as "ward-26704".
type Origin string

// CoreOrigin is the city core, whose links are made when its FSM applies.
const CoreOrigin Origin = "core"

// MaxOrigin is the room for an origin's name in the fixed layout of a link.
const MaxOrigin = 32

// StationOrigin is the origin of a ward's station.
func StationOrigin(w WardCode) Origin { return Origin("ward-" + string(w)) }

// Ward is the ward of a station's origin; false for the core.
func (o Origin) Ward() (WardCode, bool) {
	w, found := strings.CutPrefix(string(o), "ward-")
	return WardCode(w), found && WardCode(w).Valid()
}

// Incarnation is one life of an origin's process, a random number; 0 is none.
type Incarnation uint64

// String is the form in interfaces: 16 hexadecimal digits.
func (i Incarnation) String() string { return fmt.Sprintf("%016x", uint64(i)) }

// Seq counts the entries of one chain, from 1.
type Seq uint64

// Hash is a SHA-256 sum.
type Hash [32]byte

// String is hexadecimal in lower case.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText is hexadecimal in lower case.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != 64 {
		return errors.New("a SHA-256 sum has 64 hexadecimal digits")
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// ChainID names one chain: what an origin wrote in one life to one lane.
type ChainID struct {
	Origin      Origin
	Incarnation Incarnation
	Lane        LaneID
}

// Head is the last entry of a chain that someone holds.
type Head struct {
	Incarnation Incarnation
	Lane        LaneID
	Seq         Seq
	Hash        Hash
}

// Link puts a body at its place in its origin's chain. Prev is the hash of the
// entry before it in the chain; the first entry of an incarnation has a zero
// Prev and names in Pred what was last on disk in that lane (zero when there
// was nothing), so that a restored or cloned disk never forks unseen.
type Link struct {
	Origin      Origin
	Incarnation Incarnation
	Lane        LaneID
	Seq         Seq
	HLC         HLC
	Prev        Hash
	Pred        Head
}

// linkVersion is the first byte of a link.
const linkVersion = 1

// LinkSize is the length of an encoded link, in bytes.
const LinkSize = 1 + MaxOrigin + 8 + 4 + 8 + 8 + 32 + (8 + 4 + 8 + 32)

// Errors of the codec.
var (
	// ErrVersion says that a newer program wrote this.
	ErrVersion = errors.New("record: unknown format version; a newer wardline wrote this, update this one")
	// ErrCorrupt says that the bytes are not what any version writes.
	ErrCorrupt = errors.New("record: damaged bytes")
)

// Chain is the chain that the link belongs to.
func (l Link) Chain() ChainID { return ChainID{l.Origin, l.Incarnation, l.Lane} }

// Append appends the fixed layout: version, origin (zero-padded), incarnation,
// lane, seq, hlc, prev, pred; big-endian.
func (l Link) Append(b []byte) []byte {
	if len(l.Origin) > MaxOrigin {
		panic("record: origin name longer than MaxOrigin") // checked where origins are configured
	}
	b = append(b, linkVersion)
	var o [MaxOrigin]byte
	copy(o[:], l.Origin)
	b = append(b, o[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Incarnation))
	b = binary.BigEndian.AppendUint32(b, uint32(l.Lane))
	b = binary.BigEndian.AppendUint64(b, uint64(l.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(l.HLC))
	b = append(b, l.Prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Pred.Incarnation))
	b = binary.BigEndian.AppendUint32(b, uint32(l.Pred.Lane))
	b = binary.BigEndian.AppendUint64(b, uint64(l.Pred.Seq))
	return append(b, l.Pred.Hash[:]...)
}

// DecodeLink reads a link from the front of b and returns the rest.
func DecodeLink(b []byte) (Link, []byte, error) {
	var l Link
	if len(b) < LinkSize {
		return l, nil, fmt.Errorf("%w: link cut short", ErrCorrupt)
	}
	if b[0] != linkVersion {
		return l, nil, ErrVersion
	}
	o := b[1 : 1+MaxOrigin]
	n := MaxOrigin
	for n > 0 && o[n-1] == 0 {
		n--
	}
	for _, c := range o[:n] {
		if c == 0 {
			return l, nil, fmt.Errorf("%w: origin name", ErrCorrupt)
		}
	}
	l.Origin = internOrigin(o[:n])
	p := b[1+MaxOrigin:]
	l.Incarnation = Incarnation(binary.BigEndian.Uint64(p))
	l.Lane = LaneID(binary.BigEndian.Uint32(p[8:]))
	l.Seq = Seq(binary.BigEndian.Uint64(p[12:]))
	l.HLC = HLC(binary.BigEndian.Uint64(p[20:]))
	copy(l.Prev[:], p[28:])
	l.Pred.Incarnation = Incarnation(binary.BigEndian.Uint64(p[60:]))
	l.Pred.Lane = LaneID(binary.BigEndian.Uint32(p[68:]))
	l.Pred.Seq = Seq(binary.BigEndian.Uint64(p[72:]))
	copy(l.Pred.Hash[:], p[80:])
	return l, b[LinkSize:], nil
}

func internOrigin(b []byte) Origin {
	if string(b) == string(CoreOrigin) {
		return CoreOrigin
	}
	return Origin(b)
}

// EntryHash is SHA-256(link ‖ SHA-256(body)): the chain covers every byte of
// both, and a body can be erased later without breaking it.
func EntryHash(l Link, body []byte) Hash {
	sum := Hash(sha256.Sum256(body))
	return LinkHash(&l, &sum)
}

// LinkHash is EntryHash for who has the SHA-256 sum of the body.
func LinkHash(l *Link, body *Hash) Hash {
	var buf [LinkSize + sha256.Size]byte
	return sha256.Sum256(append(l.Append(buf[:0]), body[:]...))
}

// Entry is a link and the bytes of its body.
type Entry struct {
	Link Link
	Body []byte
}

// Hash is the entry's hash, see EntryHash.
func (e Entry) Hash() Hash { return EntryHash(e.Link, e.Body) }

// Head is the head of a chain that ends with this entry.
func (e Entry) Head() Head {
	return Head{Incarnation: e.Link.Incarnation, Lane: e.Link.Lane, Seq: e.Link.Seq, Hash: e.Hash()}
}

// Append appends link, length of the body (uvarint) and body.
func (e Entry) Append(b []byte) []byte {
	b = e.Link.Append(b)
	b = binary.AppendUvarint(b, uint64(len(e.Body)))
	return append(b, e.Body...)
}

// DecodeEntry reads an entry from the front of b and returns the rest. The
// body is a part of b, not a copy, and is not decoded.
func DecodeEntry(b []byte) (Entry, []byte, error) {
	l, rest, err := DecodeLink(b)
	if err != nil {
		return Entry{}, nil, err
	}
	n, w := binary.Uvarint(rest)
	if w <= 0 || n > MaxBody || uint64(len(rest)-w) < n {
		return Entry{}, nil, fmt.Errorf("%w: body length", ErrCorrupt)
	}
	rest = rest[w:]
	return Entry{Link: l, Body: rest[:n:n]}, rest[n:], nil
}
