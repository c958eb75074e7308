package wire

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"wardline/sync/record"
)

// Agreement makes the key under which the two ends of one stream wrap the keys
// of sealed parts: X25519 (RFC 7748) and HKDF-SHA-256 (RFC 5869), fresh for
// each stream, never stored. Who the other end is, TLS says.
type Agreement struct{ key *ecdh.PrivateKey }

// NewAgreement makes this end's half.
func NewAgreement() (*Agreement, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("wire: agreement: %w", err)
	}
	return &Agreement{k}, nil
}

// Public is what the other end is sent.
func (a *Agreement) Public() []byte { return a.key.PublicKey().Bytes() }

// Wrapper is the key that both ends arrive at. station says which end we are.
func (a *Agreement) Wrapper(other []byte, station bool) (*record.Wrapper, error) {
	pub, err := ecdh.X25519().NewPublicKey(other)
	if err != nil {
		return nil, fmt.Errorf("wire: the other end's half of the wrapping key: %w", err)
	}
	shared, err := a.key.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("wire: agreement: %w", err)
	}
	salt := append(a.Public(), other...)
	if !station {
		salt = append(append([]byte(nil), other...), a.Public()...)
	}
	out, err := hkdf.Key(sha256.New, shared, salt, "wardline line 1", 40)
	if err != nil || len(out) != 40 {
		return nil, errors.Join(errors.New("wire: agreement"), err)
	}
	return record.NewWrapper([8]byte(out[:8]), [32]byte(out[8:]))
}
