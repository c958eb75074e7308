package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// KeyID names the key of one sealed part. It says nothing about its content.
type KeyID [16]byte

// PartKey is the key of one sealed part, AES-256. It never stands in a body:
// it travels beside the entry, wrapped.
type PartKey [32]byte

// String hides the key from logs.
func (PartKey) String() string { return "***" }

// GoString hides the key from logs.
func (PartKey) GoString() string { return "***" }

// Sealed is the part of a body that identifies people (reporter, free text,
// notes, exact address), encrypted with AES-256-GCM (NIST SP 800-38D). The
// chain covers the ciphertext, so that destroying the key erases the content
// and leaves the chain whole.
type Sealed struct {
	Key        KeyID
	Ciphertext []byte
}

// ErrSealed says that a sealed part cannot be opened: a wrong key, or bytes
// that were changed.
var ErrSealed = errors.New("record: sealed part cannot be opened with this key")

// Every part has a key of its own, used once, so the nonce may be fixed
// (SP 800-38D, section 8.2 asks for uniqueness per key).
var sealNonce [12]byte

func (k *PartKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal encrypts plain under a fresh key, used for nothing else.
func Seal(plain []byte) (Sealed, PartKey, error) {
	var fresh [48]byte
	_, _ = rand.Read(fresh[:]) // crypto/rand.Read never fails
	var s Sealed
	var k PartKey
	copy(s.Key[:], fresh[:16])
	copy(k[:], fresh[16:])
	a, err := k.aead()
	if err != nil {
		return s, k, err
	}
	s.Ciphertext = a.Seal(make([]byte, 0, len(plain)+a.Overhead()), sealNonce[:], plain, s.Key[:])
	return s, k, nil
}

// Open decrypts the part.
func (s *Sealed) Open(k PartKey) ([]byte, error) {
	a, err := k.aead()
	if err != nil {
		return nil, err
	}
	plain, err := a.Open(nil, sealNonce[:], s.Ciphertext, s.Key[:])
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func (s *Sealed) size() int {
	if s == nil {
		return 0
	}
	return len(s.Key) + len(s.Ciphertext)
}

func (s *Sealed) append(b []byte) []byte {
	b = append(b, s.Key[:]...)
	return append(b, s.Ciphertext...)
}

func readSealed(r *reader) *Sealed {
	s := &Sealed{}
	copy(s.Key[:], r.take(len(s.Key)))
	s.Ciphertext = append([]byte(nil), r.rest()...)
	return s
}

// WrappedKey is a row of the key table: a part's key, wrapped.
type WrappedKey struct {
	Key     KeyID
	Wrapper [8]byte // names the wrapping key
	Blob    []byte  // nonce (12), ciphertext, tag
}

// WrappedSize is the length of a WrappedKey's encoding.
const WrappedSize = 16 + 8 + 12 + 32 + 16

// Wrapper is a wrapping key: it lives in a file outside every log and store,
// or was agreed for one session.
type Wrapper struct {
	ID  [8]byte
	gcm cipher.AEAD
}

// NewWrapper makes the wrapper for 32 bytes of secret.
func NewWrapper(id [8]byte, secret [32]byte) (*Wrapper, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Wrapper{ID: id, gcm: g}, nil
}

// Wrap wraps a part's key; the key's name is authenticated with it.
func (w *Wrapper) Wrap(id KeyID, k PartKey) WrappedKey {
	blob := make([]byte, 12, 12+32+16)
	_, _ = rand.Read(blob)
	return WrappedKey{Key: id, Wrapper: w.ID, Blob: w.gcm.Seal(blob, blob[:12], k[:], id[:])}
}

// Unwrap gives the part's key back, or ErrSealed.
func (w *Wrapper) Unwrap(wk WrappedKey) (PartKey, error) {
	var k PartKey
	if wk.Wrapper != w.ID || len(wk.Blob) != 12+32+16 {
		return k, ErrSealed
	}
	plain, err := w.gcm.Open(nil, wk.Blob[:12], wk.Blob[12:], wk.Key[:])
	if err != nil {
		return k, ErrSealed
	}
	copy(k[:], plain)
	return k, nil
}

// Append appends the fixed-size encoding.
func (wk WrappedKey) Append(b []byte) []byte {
	b = append(b, wk.Key[:]...)
	b = append(b, wk.Wrapper[:]...)
	return append(b, wk.Blob...)
}

// DecodeWrappedKey reads the fixed-size encoding.
func DecodeWrappedKey(b []byte) (WrappedKey, error) {
	var wk WrappedKey
	if len(b) != WrappedSize {
		return wk, fmt.Errorf("%w: wrapped key of %d bytes, must be %d", ErrCorrupt, len(b), WrappedSize)
	}
	copy(wk.Key[:], b)
	copy(wk.Wrapper[:], b[16:])
	wk.Blob = append([]byte(nil), b[24:]...)
	return wk, nil
}
