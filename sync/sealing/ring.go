package sealing

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"wardline/sync/record"
)

// Ring is the wrapping keys that a node holds: one file for each generation, in a
// folder outside every store and log. The current one wraps; those before it unwrap
// what is not wrapped anew yet. What only a destroyed one could unwrap is erased.
// Its methods may be called from many goroutines.
type Ring struct {
	dir  string
	disk *Disk // seals the files

	mu      sync.Mutex // guards all below
	keys    map[[8]byte]ringKey
	current [8]byte
	chosen  chan struct{} // closed when current is set anew
}

type ringKey struct {
	gen    uint32
	secret [32]byte
	w      *record.Wrapper
	path   string // empty: not the ring's to destroy
}

var ringName = regexp.MustCompile(`^wrapping-([0-9]+)-([0-9a-f]{16})\.key$`)

// OpenRing reads the generations in a folder. The disk's key seals the files, so that the
// folder alone opens nothing. older are keys from before there were
// generations; they unwrap, and stay where they are.
func OpenRing(dir string, disk *Disk, older ...*Keyring) (*Ring, error) {
	r := &Ring{dir: dir, disk: disk, keys: map[[8]byte]ringKey{}, chosen: make(chan struct{})}
	for _, o := range older {
		r.keys[o.ID] = ringKey{w: o.Wrapper}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".key-") { // a crash left it before it had its name
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("sealing: %w", err)
			}
		}
		m := ringName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		path := filepath.Join(dir, e.Name())
		secret, err := disk.read(path)
		if err != nil {
			return nil, err
		}
		gen, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil || hex.EncodeToString(idOf(secret)) != m[2] {
			return nil, fmt.Errorf("sealing: %s is not the key that its name says; put the right file there, or a copy of another node's", path)
		}
		if err := r.add(uint32(gen), secret, path); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func idOf(secret [32]byte) []byte {
	sum := sha256.Sum256(append([]byte("wardline wrapping key name\x00"), secret[:]...))
	return sum[:8]
}

// KeyName is the name of a wrapping key, which says nothing about it.
func KeyName(secret [32]byte) [8]byte { return [8]byte(idOf(secret)) }

func (r *Ring) add(gen uint32, secret [32]byte, path string) error {
	w, err := record.NewWrapper(KeyName(secret), secret)
	if err == nil {
		r.keys[w.ID] = ringKey{gen, secret, w, path}
	}
	return err
}

// Put keeps a generation's secret, durably. It makes no key current.
func (r *Ring) Put(gen uint32, secret [32]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := KeyName(secret)
	if _, here := r.keys[id]; here {
		return nil
	}
	path := filepath.Join(r.dir, fmt.Sprintf("wrapping-%d-%x.key", gen, id))
	if err := r.disk.write(path, secret); err != nil {
		return err
	}
	return r.add(gen, secret, path)
}

// NewSecret makes a secret for the next generation.
func NewSecret() (s [32]byte) {
	_, _ = rand.Read(s[:]) // crypto/rand.Read never fails
	return s
}

// Secret is a wrapping key's secret, for another node that lacks it.
func (r *Ring) Secret(id [8]byte) (secret [32]byte, gen uint32, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[id]
	return k.secret, k.gen, ok && k.path != ""
}

// Use makes a key current; false when it is not here.
func (r *Ring) Use(id [8]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, here := r.keys[id]; !here {
		return false
	}
	if r.current != id {
		r.current = id
		close(r.chosen)
		r.chosen = make(chan struct{})
	}
	return true
}

// Latest is the latest generation whose file is here, 0 when there is none.
func (r *Ring) Latest() (gen uint32, id [8]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range r.keys {
		if k.path != "" && k.gen > gen {
			gen, id = k.gen, i
		}
	}
	return gen, id
}

// Current is the name of the key that wraps; zero when none was chosen yet.
func (r *Ring) Current() [8]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// Older says whether keys are here that DestroyOlder destroys.
func (r *Ring) Older() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.keys[r.current]
	for id, k := range r.keys {
		if id != r.current && k.path != "" && k.gen <= now.gen {
			return true
		}
	}
	return false
}

// DestroyOlder destroys every generation before the current one, and what another node
// once made for the same: its bytes are
// written over, synced, and the file is removed. What they alone could unwrap
// cannot be read by anybody from then on who has no copy of the files.
func (r *Ring) DestroyOlder() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.keys[r.current]
	for id, k := range r.keys {
		if id == r.current || k.path == "" || k.gen > now.gen {
			continue
		}
		if err := r.destroyLocked(id); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) destroyLocked(id [8]byte) error {
	path := r.keys[id].path
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		over := make([]byte, sealedFile)
		_, _ = rand.Read(over)
		_, err = f.Write(over)
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err = errors.Join(err, syncFolder(r.dir)); err != nil {
		return fmt.Errorf("sealing: the old key %s is not destroyed: %w", path, err)
	}
	delete(r.keys, id)
	return nil
}

// NextWrapper waits until another key than old wraps; with none given, until one was
// chosen at all.
func (r *Ring) NextWrapper(ctx context.Context, old *record.Wrapper) (*record.Wrapper, error) {
	for {
		r.mu.Lock()
		k, chosen := r.keys[r.current], r.chosen
		r.mu.Unlock()
		if k.w != nil && k.w != old {
			return k.w, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sealing: no wrapping key yet: %w", ctx.Err())
		case <-chosen:
		}
	}
}

// Derive makes a key for what is derived from sealed parts, such as an index, out of the
// key in use (HKDF-SHA-256, RFC 5869): it is lost with that. The label says for what. It
// waits until a key was chosen.
func (r *Ring) Derive(ctx context.Context, label string) (key [32]byte, err error) {
	if _, err := r.NextWrapper(ctx, nil); err != nil {
		return key, err
	}
	r.mu.Lock()
	k := r.keys[r.current]
	r.mu.Unlock()
	out, err := hkdf.Key(sha256.New, k.secret[:], nil, "wardline "+label, len(key))
	copy(key[:], out)
	return key, err
}

// SealRaw seals what is no part of an entry, with its key wrapped beside it. Nothing wraps
// that anew: it can be opened until the key in use has turned and is destroyed.
func (r *Ring) SealRaw(ctx context.Context, plain []byte) ([]byte, error) {
	w, err := r.NextWrapper(ctx, nil)
	if err != nil {
		return nil, err
	}
	s, k, err := record.Seal(plain)
	if err != nil {
		return nil, err
	}
	return append(w.Wrap(s.Key, k).Append(make([]byte, 0, record.WrappedSize+len(s.Ciphertext))), s.Ciphertext...), nil
}

// OpenRaw opens what SealRaw sealed; record.ErrSealed once its key is destroyed.
func (r *Ring) OpenRaw(sealed []byte) ([]byte, error) {
	if len(sealed) < record.WrappedSize {
		return nil, record.ErrSealed
	}
	k, err := record.DecodeWrappedKey(sealed[:record.WrappedSize])
	if err != nil {
		return nil, err
	}
	p, err := r.Unwrap(k)
	if err != nil {
		return nil, err
	}
	s := record.Sealed{Key: k.Key, Ciphertext: sealed[record.WrappedSize:]}
	return s.Open(p)
}

// Unwrap gives a part's key back, or record.ErrSealed when no key that is here wrapped it.
func (r *Ring) Unwrap(k record.WrappedKey) (record.PartKey, error) {
	r.mu.Lock()
	by := r.keys[k.Wrapper].w
	r.mu.Unlock()
	if by == nil {
		return record.PartKey{}, record.ErrSealed
	}
	return by.Unwrap(k)
}

// Wrap wraps with the current key; with none chosen it gives what nobody unwraps, so
// choose one first.
func (r *Ring) Wrap(id record.KeyID, k record.PartKey) record.WrappedKey {
	r.mu.Lock()
	by := r.keys[r.current].w
	r.mu.Unlock()
	if by == nil {
		return record.WrappedKey{Key: id, Blob: make([]byte, 12+32+16)}
	}
	return by.Wrap(id, k)
}
