package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"wardline/sync/record"
)

// Token lets one machine, a station or a core node, enrol, once. It carries the fingerprint of the city's
// authority, so that the machine knows whom it gives it to.
type Token struct {
	Name   Name
	Secret string
	// Authority is the SHA-256 sum of the authority's public key (KeySum).
	Authority record.Hash
}

// NewSecret is 128 random bits or more, in letters and digits.
func NewSecret() string { return rand.Text() }

// Sum is what the city keeps of a secret. A plain SHA-256 sum is right for 128
// random bits, which nobody can search.
func Sum(secret string) record.Hash { return sha256.Sum256([]byte(secret)) }

// ErrToken says that a token is none, was used, has ended or is for another machine.
var ErrToken = errors.New("trust: the token is not good (any more); make a new one: wardline enrol NAME")

// String is the token as it is handed on: name, secret and fingerprint between colons.
func (t Token) String() string {
	return t.Name.String() + ":" + t.Secret + ":" + hex.EncodeToString(t.Authority[:])
}

// ParseToken reads what String wrote. Errors repeat nothing of it.
func ParseToken(s string) (t Token, err error) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) != 3 || len(parts[1]) < 26 || len(parts[1]) > 64 {
		return t, fmt.Errorf("%w: it has not the form NAME:SECRET:FINGERPRINT", ErrToken)
	}
	if t.Name, err = ParseName(parts[0]); err != nil {
		return t, fmt.Errorf("%w: it names no machine", ErrToken)
	}
	t.Secret = parts[1]
	if sum, err := hex.DecodeString(parts[2]); err != nil || copy(t.Authority[:], sum) != len(t.Authority) || len(sum) != len(t.Authority) {
		return t, fmt.Errorf("%w: its fingerprint has not 64 hexadecimal digits", ErrToken)
	}
	return t, nil
}
