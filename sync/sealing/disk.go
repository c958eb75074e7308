package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Disk is the key under which a node's disk is written: its stores, its Raft log and
// its files of secret keys. nil, or one without a key, writes in the clear. A disk that was
// written under the key of before, or in the clear, is taken over when it is opened.
type Disk struct {
	now, before *[32]byte
	name        string
}

// OpenDisk reads the key's file, and that of the key of before where one is named; both
// as Derive takes them. An empty path is no key. Neither is made: a disk whose key is gone
// is to say so, and not to begin with another.
func OpenDisk(path, before string) (*Disk, error) {
	d := &Disk{name: path}
	for _, x := range []struct {
		path, field string
		into        **[32]byte
	}{{path, "disk_key", &d.now}, {before, "disk_key_before", &d.before}} {
		if x.path == "" {
			continue
		}
		if _, err := os.Stat(x.path); !Credential(x.path) && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %s is not there; put the file back with which this disk was written, or make one for a new disk: (umask 077; head -c 32 /dev/urandom > %s)", x.field, x.path, x.path)
		}
		s, err := secretFile(x.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.field, err)
		}
		*x.into = &s
	}
	return d, nil
}

// Key is the key for one use, and that of before; nil: in the clear.
func (d *Disk) Key(label string) (now, before *[32]byte, err error) {
	if d == nil {
		return nil, nil, nil
	}
	one := func(of *[32]byte) *[32]byte {
		if of == nil {
			return nil
		}
		out, derr := hkdf.Key(sha256.New, of[:], nil, "wardline disk "+label, len(of))
		err = errors.Join(err, derr)
		key := new([32]byte)
		copy(key[:], out)
		return key
	}
	return one(d.now), one(d.before), err
}

// ErrOtherKey says that the disk was written under another key than the one given.
var ErrOtherKey = errors.New("sealing: the disk was written under another key")

// sealedFile is the length of a sealed key's file: nonce, secret, tag.
const sealedFile = 12 + 32 + 16

func fileGCM(key *[32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Secret reads a file of 32 secret bytes, sealed under the disk's key, or makes it.
func (d *Disk) Secret(path string) ([32]byte, error) {
	s, err := d.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return s, fmt.Errorf("sealing: %w", err)
		}
		s = NewSecret()
		return s, d.write(path, s)
	}
	return s, err
}

// read reads a sealed file; one under the key of before, or in the clear, is written anew.
func (d *Disk) read(path string) (s [32]byte, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("sealing: %w", err)
	}
	now, before, err := d.Key("files")
	if err != nil {
		return s, err
	}
	if len(b) == len(s) { // in the clear
		copy(s[:], b)
		if now != nil {
			err = d.write(path, s)
		}
		return s, err
	}
	if len(b) != sealedFile {
		return s, fmt.Errorf("sealing: %s has %d bytes, a key has %d, a sealed one %d; put the right file there from its backup", path, len(b), len(s), sealedFile)
	}
	for i, key := range []*[32]byte{now, before} {
		if key == nil {
			continue
		}
		g, err := fileGCM(key)
		if err != nil {
			return s, err
		}
		if plain, err := g.Open(nil, b[:12], b[12:], []byte(filepath.Base(path))); err == nil {
			copy(s[:], plain)
			if i == 1 {
				return s, d.write(path, s)
			}
			return s, nil
		}
	}
	return s, fmt.Errorf("%w: %s; name the right file as disk_key, or as disk_key_before if the key is to change", ErrOtherKey, path)
}

// write puts a secret into its file, durably: the old or the new is there, whole.
func (d *Disk) write(path string, secret [32]byte) error {
	b := secret[:]
	now, _, err := d.Key("files")
	if err != nil {
		return err
	}
	if now != nil {
		g, err := fileGCM(now)
		if err != nil {
			return err
		}
		nonce := make([]byte, 12, sealedFile)
		_, _ = rand.Read(nonce) // crypto/rand.Read never fails
		b = g.Seal(nonce, nonce, secret[:], []byte(filepath.Base(path)))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("sealing: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
