package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// LogName is the name that the city's log signs under, and the first line of a checkpoint.
const LogName = "wardline-city-log"

// Key is the public key of a city's log.
type Key struct {
	public   ed25519.PublicKey
	text     string
	verifier note.Verifier
}

// ErrKey says that a text is no public key of a log.
var ErrKey = errors.New("audit: no key of a city's log: write it as `wardline audit key` prints it, " + LogName + "+…, or its fingerprint of 64 hexadecimal digits")

// NewKey is the key of an Ed25519 public key (RFC 8032).
func NewKey(public []byte) (Key, error) {
	if len(public) != ed25519.PublicKeySize {
		return Key{}, ErrKey
	}
	text, err := note.NewEd25519VerifierKey(LogName, public)
	if err != nil {
		return Key{}, fmt.Errorf("%w (%w)", ErrKey, err)
	}
	v, err := note.NewVerifier(text)
	return Key{append(ed25519.PublicKey(nil), public...), text, v}, err
}

// ParseKey reads the form of String.
func ParseKey(text string) (Key, error) {
	parts := strings.SplitN(strings.TrimSpace(text), "+", 3)
	if len(parts) != 3 || parts[0] != LogName {
		return Key{}, ErrKey
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return Key{}, ErrKey
	}
	k, err := NewKey(raw[1:])
	if err == nil && k.text != strings.TrimSpace(text) {
		err = ErrKey
	}
	return k, err
}

// String is the key as golang.org/x/mod/sumdb/note writes it: name+hash+key.
func (k Key) String() string { return k.text }

// Fingerprint is the SHA-256 sum of the 32 bytes of the public key, hexadecimal.
func (k Key) Fingerprint() string {
	s := sha256.Sum256(k.public)
	return hex.EncodeToString(s[:])
}

// Pin is what an auditor knows of the key beforehand: the key or its
// fingerprint. The zero Pin lets every key pass.
type Pin struct{ text string }

// ParsePin reads a key or a fingerprint; colons and blanks in a fingerprint are
// passed over, and so is its case.
func ParsePin(s string) (Pin, error) {
	if k, err := ParseKey(s); err == nil {
		return Pin{k.Fingerprint()}, nil
	}
	f := strings.ToLower(strings.NewReplacer(":", "", " ", "", "\n", "", "\t", "", "\r", "").Replace(s))
	if raw, err := hex.DecodeString(f); err != nil || len(raw) != sha256.Size {
		return Pin{}, ErrKey
	}
	return Pin{f}, nil
}

// Zero says whether nothing is pinned.
func (p Pin) Zero() bool { return p.text == "" }

// Is says whether it is the key that was pinned.
func (p Pin) Is(k Key) bool { return p.Zero() || p.text == k.Fingerprint() }

// Signer signs checkpoints, statements and bundles in the name of the city's log.
type Signer struct {
	Key
	private ed25519.PrivateKey
}

var _ note.Signer = (*Signer)(nil)

// NewSigner signs with a private key.
func NewSigner(private ed25519.PrivateKey) (*Signer, error) {
	k, err := NewKey(private.Public().(ed25519.PublicKey))
	return &Signer{k, private}, err
}

// Name is LogName.
func (s *Signer) Name() string { return LogName }

// KeyHash tells the keys of one name apart.
func (s *Signer) KeyHash() uint32 { return s.verifier.KeyHash() }

// Sign signs a note's text.
func (s *Signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.private, msg), nil }

func (s *Signer) note(text string) ([]byte, error) { return sign(text, s) }

// ErrNote says that a note is not one that the key signed, byte for byte.
var ErrNote = errors.New("not signed with the key of the city's log")

// open gives the text of a note that the key signed, and after it the one of before, if that
// did too, in the one form that it has: base64 that decodes to the same but is written
// otherwise does not pass.
func (k Key) open(msg []byte, before ...Key) (string, error) {
	if len(msg) > maxNote {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrNote, maxNote)
	}
	known := []note.Verifier{k.verifier}
	for _, b := range before {
		known = append(known, b.verifier)
	}
	n, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNote, err)
	}
	if len(n.Sigs) > len(known) || len(n.UnverifiedSigs) != 0 {
		return "", fmt.Errorf("%w: more signatures than keys", ErrNote)
	}
	again := n.Text + "\n"
	for i, s := range n.Sigs {
		if s.Hash != known[i].KeyHash() {
			return "", fmt.Errorf("%w: another key signed in its place", ErrNote)
		}
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNote, err)
		}
		again += "— " + LogName + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	if again != string(msg) {
		return "", fmt.Errorf("%w: written in another form", ErrNote)
	}
	return n.Text, nil
}

// Statement is what the log's key says about a node: this is the key with which
// it signs receipts.
type Statement struct {
	Node string
	Key  ed25519.PublicKey
}

const statementTitle = "wardline receipt key"

// ErrStatement says that a note is no statement about a node's key.
var ErrStatement = errors.New("no statement about a node's key")

// StateKey signs a statement. A node's name has no blanks.
func (s *Signer) StateKey(st Statement) ([]byte, error) {
	if err := st.check(); err != nil {
		return nil, err
	}
	return s.note(st.text())
}

func (st Statement) text() string {
	return statementTitle + "\n" + st.Node + "\n" + base64.StdEncoding.EncodeToString(st.Key) + "\n"
}

// Check says whether the statement can be made: a node's name has no blanks.
func (st Statement) Check() error { return st.check() }

func (st Statement) check() error {
	if st.Node == "" || len(st.Node) > maxNode || len(st.Key) != ed25519.PublicKeySize {
		return ErrStatement
	}
	for _, c := range []byte(st.Node) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("%w: a node's name has letters, digits and signs alone", ErrStatement)
		}
	}
	return nil
}

// openStatement reads what StateKey wrote.
func (k Key) openStatement(msg []byte) (Statement, error) {
	text, err := k.open(msg)
	if err != nil {
		return Statement{}, err
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != statementTitle {
		return Statement{}, ErrStatement
	}
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return Statement{}, ErrStatement
	}
	st := Statement{lines[1], raw}
	if err := st.check(); err != nil || st.text() != text {
		return Statement{}, ErrStatement
	}
	return st, nil
}
