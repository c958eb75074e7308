// Package sealing keeps a node's secret keys in files: the one that wraps the
// keys of sealed parts, and the one that signs receipts. They lie outside
// every store and log, readable by their owner alone.
package sealing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"wardline/sync/record"
)

// Keyring wraps and unwraps the keys of sealed parts with the key of a file.
type Keyring struct{ *record.Wrapper }

// OpenKeyring reads a file of 32 secret bytes, or makes it.
func OpenKeyring(path string) (*Keyring, error) {
	secret, err := secretFile(path)
	if err != nil {
		return nil, err
	}
	return NewKeyring(secret)
}

// NewKeyring is a Keyring of a secret.
func NewKeyring(secret [32]byte) (*Keyring, error) {
	sum := sha256.Sum256(append([]byte("wardline wrapping key name\x00"), secret[:]...))
	w, err := record.NewWrapper([8]byte(sum[:8]), secret)
	return &Keyring{w}, err
}

// SigningKey reads a node's Ed25519 key from its seed file, sealed under the disk's key,
// or makes it.
func (d *Disk) SigningKey(path string) (ed25519.PrivateKey, error) {
	seed, err := d.Secret(path)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// Derive makes a key for another use from the secret of a key file
// (HKDF-SHA-256, RFC 5869); the label says which.
func Derive(path, label string) (key [32]byte, err error) {
	secret, err := secretFile(path)
	if err != nil {
		return key, err
	}
	return DeriveFrom(secret, label)
}

// DeriveFrom is Derive of a secret.
func DeriveFrom(secret [32]byte, label string) (key [32]byte, err error) {
	out, err := hkdf.Key(sha256.New, secret[:], nil, "wardline "+label, len(key))
	copy(key[:], out)
	return key, err
}

// Unwrapper gives the keys of sealed parts back: a Ring, a Keyring, a session's record.Wrapper.
type Unwrapper interface {
	Unwrap(record.WrappedKey) (record.PartKey, error)
}

// Wrapper wraps keys of sealed parts.
type Wrapper interface {
	Wrap(record.KeyID, record.PartKey) record.WrappedKey
}

// Keys are a node's wrapping keys: a Ring, or a Keyring that never changes.
type Keys interface {
	Unwrapper
	Wrapper
	// NextWrapper waits until another key than old wraps; nil: any.
	NextWrapper(ctx context.Context, old *record.Wrapper) (*record.Wrapper, error)
}

var (
	_ Keys = (*Ring)(nil)
	_ Keys = (*Keyring)(nil)
)

// NextWrapper is the one key; no other ever comes.
func (k *Keyring) NextWrapper(ctx context.Context, old *record.Wrapper) (*record.Wrapper, error) {
	if k.Wrapper != old {
		return k.Wrapper, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Rewrap wraps keys that came under one wrapper with another. A key that
// cannot be unwrapped is left out and counted: its content stays sealed, the
// entry stands.
func Rewrap(keys []record.WrappedKey, from Unwrapper, to Wrapper) (out []record.WrappedKey, lost int) {
	for _, k := range keys {
		p, err := from.Unwrap(k)
		if err != nil {
			lost++
			continue
		}
		out = append(out, to.Wrap(k.Key, p))
	}
	return out, lost
}

// credential is the prefix of a key file's path that names a systemd credential
// (systemd.exec(5), LoadCredentialEncrypted): sealed at rest to the machine, plain in
// memory alone while the service runs.
const credential = "credential:"

// Credential says whether a key file's path names a systemd credential.
func Credential(path string) bool { return strings.HasPrefix(path, credential) }

func secretFile(path string) (s [32]byte, err error) {
	if name, ok := strings.CutPrefix(path, credential); ok {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return s, fmt.Errorf("sealing: %s: systemd gave this process no credentials; add LoadCredentialEncrypted=%s:FILE to its unit", path, name)
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
		return secretOf(path, b, err)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(path); err != nil {
			return s, err
		}
		b, err = os.ReadFile(path)
	}
	return secretOf(path, b, err)
}

// Secret is the secret of a key file or of a credential; a file that is not there is made.
func Secret(path string) ([32]byte, error) { return secretFile(path) }

// PutSecret keeps a secret that came from elsewhere in a key file, readable by its owner
// alone. What is there already must be the same.
func PutSecret(path string, secret []byte) error {
	_, err := os.Stat(path)
	if !Credential(path) && errors.Is(err, fs.ErrNotExist) {
		if err := placeSecret(path, secret); err != nil {
			return err
		}
	}
	have, err := secretFile(path)
	if err == nil && !bytes.Equal(have[:], secret) {
		err = fmt.Errorf("sealing: %s holds another secret than this city's; move it away", path)
	}
	return err
}

func secretOf(path string, b []byte, err error) (s [32]byte, _ error) {
	if err != nil {
		return s, fmt.Errorf("sealing: %w", err)
	}
	if len(b) != len(s) {
		return s, fmt.Errorf("sealing: %s has %d bytes, a key has %d; put the right file there from its backup", path, len(b), len(s))
	}
	copy(s[:], b)
	return s, nil
}

// makeSecret makes the file without ever showing a half-written one: of two
// processes that try at once, one wins and both read the same.
func makeSecret(path string) error {
	secret := NewSecret()
	return placeSecret(path, secret[:])
}

func placeSecret(path string, secret []byte) error {
	if len(secret) != 32 {
		return fmt.Errorf("sealing: a secret of %d bytes", len(secret))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // linked under its name by then
	_, err = f.Write(secret)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("sealing: %w", err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
