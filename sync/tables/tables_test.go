package tables

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

const rows = 5000

func key(i int) []byte   { return fmt.Appendf(nil, "row %06d", i) }
func value(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "what was written %d ", i), 4) }

func options(dir string) badger.Options {
	return badger.DefaultOptions(dir).WithLogger(nil).WithCompression(0).WithMetricsEnabled(false).
		WithMemTableSize(8 << 20).WithNumCompactors(2).WithBlockCacheSize(1 << 20)
}

// mustFill makes a closed store whose rows stand in tables.
func mustFill(t testing.TB, dir string, n int) {
	t.Helper()
	db, err := badger.Open(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	w := db.NewWriteBatch()
	for i := range n {
		if err := w.Set(key(i), value(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// same says whether every row is as it was written.
func same(db *badger.DB) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return db.View(func(tx *badger.Txn) error {
		for i := range rows {
			it, err := tx.Get(key(i))
			if err != nil {
				return err
			}
			if err := it.Value(func(v []byte) error {
				if !bytes.Equal(v, value(i)) {
					return errors.New("another value")
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}) == nil
}

func TestProof_WholeStore_IsProved(t *testing.T) {
	dir := t.TempDir()
	mustFill(t, dir, rows)
	db, err := badger.Open(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Begin(db).Wait(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestProof_FlippedBitAnywhereInATable_IsNamedOrChangesNothing takes the places
// one after the other in a store of its own each.
func TestProof_FlippedBitAnywhereInATable_IsNamedOrChangesNothing(t *testing.T) {
	whole := t.TempDir()
	mustFill(t, whole, rows)
	r := rand.New(rand.NewPCG(1, 2))
	named, refused := 0, 0
	for range 60 {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		if err != nil || len(files) == 0 {
			t.Fatal("no table", err)
		}
		file := files[r.IntN(len(files))]
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at, bit := r.IntN(len(raw)), byte(1)<<r.IntN(8)
		raw[at] ^= bit
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := badger.Open(options(dir))
		if err != nil {
			refused++
			continue
		}
		if err := Begin(db).Wait(); errors.Is(err, ErrDamaged) {
			named++
		} else if err != nil || !same(db) {
			t.Errorf("bit %d of byte %d of %d: %v, and the store gives something else", bit, at, len(raw), err)
		}
		if err := db.Close(); err != nil {
			t.Log("close:", err) // a damaged store may not close well
		}
	}
	if named == 0 {
		t.Errorf("nothing was named, %d were refused", refused)
	}
	t.Logf("%d named, %d refused by the store itself", named, refused)
}

func BenchmarkProof(b *testing.B) {
	dir := b.TempDir()
	mustFill(b, dir, 400_000)
	db, err := badger.Open(options(dir))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(400_000 * len(value(0))))
	for b.Loop() {
		if err := Begin(db).Wait(); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
