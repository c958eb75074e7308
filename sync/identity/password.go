package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// How a password is hashed: argon2id (RFC 9106) with 32 MiB, three passes and one
// lane, about a tenth of a second of one core. The second choice of RFC 9106,
// section 4, takes 64 MiB and four lanes; a ward's small box has two cores and holds
// the ledger's memory as well.
const (
	argonPasses = 3
	argonKiB    = 32 << 10
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// What a verifier may ask for at most: a verifier is data, and must not be able to
// take a node's memory or its time.
const (
	maxArgonPasses = 10
	maxArgonKiB    = 64 << 10
	maxArgonLanes  = 4
)

// Limits of a password, in characters. Length is what holds off guessing (NIST SP
// 800-63B, section 3.1.1.2, which also advises against rules of composition).
const (
	minPassword = 12
	maxPassword = 128
	// minDistinct is how many different characters a password has at least.
	minDistinct = 5
)

// ErrVerifier says that a password's verifier cannot be read.
var ErrVerifier = errors.New("identity: the password's verifier cannot be read; set a new password")

// CheckPassword says why a password must not be chosen, or nil.
func CheckPassword(user, password string) error {
	n := utf8.RuneCountInString(password)
	distinct := map[rune]bool{}
	for _, c := range password {
		distinct[c] = true
	}
	switch {
	case !utf8.ValidString(password):
		return errors.New("it is not UTF-8")
	case n < minPassword:
		return fmt.Errorf("it has %d characters; use at least %d, best some words that only you put together", n, minPassword)
	case n > maxPassword:
		return fmt.Errorf("it has %d characters; use at most %d", n, maxPassword)
	case len(distinct) < minDistinct:
		return fmt.Errorf("it repeats %d characters; use at least %d different ones", len(distinct), minDistinct)
	case utf8.RuneCountInString(strings.ReplaceAll(strings.ToLower(password), strings.ToLower(user), "")) < minPassword:
		return fmt.Errorf("without the account's name it has less than %d characters", minPassword)
	}
	return nil
}

func argon(password string, salt []byte, passes, kib uint32, lanes uint8) []byte {
	// One spelling for one word: keyboards write Vietnamese letters composed or in parts.
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, passes, kib, lanes, argonKey)
}

// NewVerifier is what is kept of a password: argon2id with a salt of its own, in the
// PHC string format ($argon2id$v=19$m=…,t=…,p=…$salt$hash).
func NewVerifier(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonKiB, argonPasses, argonLanes,
		b.EncodeToString(salt), b.EncodeToString(argon(password, salt, argonPasses, argonKiB, argonLanes)))
}

// CheckVerifier says whether the password fits; an error wraps ErrVerifier.
func CheckVerifier(verifier, password string) (bool, error) {
	parts := strings.Split(verifier, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false, ErrVerifier
	}
	var kib, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &kib, &passes, &lanes); err != nil {
		return false, ErrVerifier
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(want) != argonKey ||
		passes < 1 || passes > maxArgonPasses || lanes < 1 || lanes > maxArgonLanes || kib < 8*uint32(lanes) || kib > maxArgonKiB {
		return false, ErrVerifier
	}
	return subtle.ConstantTimeCompare(argon(password, salt, passes, kib, lanes), want) == 1, nil
}
