package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// ID is a UUID (RFC 9562): of a report, an incident or an entry. Clients may
// use any version; the time inside a version 7 is never read.
type ID [16]byte

// ErrID says that a text is no UUID in its canonical form.
var ErrID = errors.New("not a UUID: write 8-4-4-4-12 hexadecimal digits, for example 018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")

// ParseID reads the canonical form (RFC 9562, section 4), letters in either case.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, ErrID
	}
	at := 0
	for i := 0; i < 36; {
		if s[i] == '-' {
			i++
			continue
		}
		hi, lo := unhex(s[i]), unhex(s[i+1])
		if hi > 15 || lo > 15 {
			return ID{}, ErrID
		}
		id[at] = hi<<4 | lo
		at++
		i += 2
	}
	return id, nil
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// String is the canonical form in lower case.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// MarshalText is the canonical form, so that ids stand in JSON as strings.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the canonical form.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}

// Zero says whether no id was given.
func (id ID) Zero() bool { return id == ID{} }

// NewID makes a version 7 UUID (RFC 9562, section 5.7) at the given time.
func NewID(now time.Time) ID {
	var id ID
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint64(id[:8], ms<<16)
	_, _ = rand.Read(id[6:]) // crypto/rand.Read never fails
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// DerivedID makes the id that follows from a cause, so that everyone who
// draws the same conclusion writes the same entry. It is a version 8 UUID
// (RFC 9562, section 5.8) over SHA-256; parts are length-prefixed.
func DerivedID(domain string, parts ...[]byte) ID {
	h := sha256.New()
	var n [4]byte
	put := func(p []byte) {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	put([]byte(domain))
	for _, p := range parts {
		put(p)
	}
	var id ID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}
