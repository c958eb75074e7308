package tables

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// ErrOtherKey says that a store was written under another key than the one given.
var ErrOtherKey = errors.New("tables: the store was written under another key")

// Caches of an encrypted store at least: its tables cannot be read where they are mapped.
const (
	minBlockCache = 8 << 20
	minIndexCache = 4 << 20
)

// Encrypted gives a store's options with a key under which its files are encrypted
// (AES-256-CTR under keys of their own, which that one seals); nil: none. A store that was
// written under the key of before, or in the clear, is taken over: what is written from now
// on stands under the new key, what lies in older tables in the clear until they are merged.
func Encrypted(o badger.Options, now, before *[32]byte) (badger.Options, error) {
	if now != nil {
		o = o.WithEncryptionKey(now[:]).WithBlockCacheSize(max(o.BlockCacheSize, minBlockCache)).WithIndexCacheSize(max(o.IndexCacheSize, minIndexCache))
	}
	if _, err := os.Stat(filepath.Join(o.Dir, badger.KeyRegistryFileName)); err != nil {
		return o, nil // a new store, or none: opening it says so
	}
	with := func(key *[32]byte) badger.KeyRegistryOptions {
		r := badger.KeyRegistryOptions{Dir: o.Dir, ReadOnly: true, EncryptionKeyRotationDuration: o.EncryptionKeyRotationDuration}
		if key != nil {
			r.EncryptionKey = key[:]
		}
		return r
	}
	_, err := badger.OpenKeyRegistry(with(now))
	if !errors.Is(err, badger.ErrEncryptionKeyMismatch) {
		return o, nil // it fits; or it is damaged, which opening says
	}
	for _, old := range []*[32]byte{before, nil} {
		if now == nil {
			break // a key is changed, not taken away
		}
		reg, err := badger.OpenKeyRegistry(with(old))
		if err != nil {
			continue
		}
		if err := badger.WriteKeyRegistry(reg, with(now)); err != nil {
			return o, fmt.Errorf("tables: %s: %w", o.Dir, err)
		}
		return o, nil
	}
	return o, fmt.Errorf("%w: %s; name the right file as disk_key, or as disk_key_before if the key is to change", ErrOtherKey, o.Dir)
}
