package tables

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestEncrypted_KeySetAndChanged_KeepsEveryRow: a wrong or missing key is
// named and touches nothing; what is written under a key stands nowhere in the clear.
func TestEncrypted_KeySetChangedAndTakenAway_KeepsEveryRow(t *testing.T) {
	dir := t.TempDir()
	open := func(now, before *[32]byte) (*badger.DB, error) {
		o, err := Encrypted(badger.DefaultOptions(dir).WithSyncWrites(true).WithMemTableSize(8<<20).WithValueThreshold(1<<10).WithValueLogFileSize(1<<20).WithCompression(0).WithLogger(nil), now, before)
		if err != nil {
			return nil, err
		}
		return badger.Open(o)
	}
	a, b := &[32]byte{1}, &[32]byte{2}
	rows := 0
	for _, x := range []struct{ now, before *[32]byte }{{nil, nil}, {a, nil}, {b, a}, {b, a}, {b, nil}, {a, b}} {
		db, err := open(x.now, x.before)
		if err != nil {
			t.Fatalf("step %d: %v", rows, err)
		}
		for n := range rows {
			if err := db.View(func(tx *badger.Txn) error { _, err := tx.Get([]byte{byte(n)}); return err }); err != nil {
				t.Fatalf("step %d: row %d: %v", rows, n, err)
			}
		}
		text := []byte("a name in the clear")
		if x.now != nil {
			text = []byte("Quach Thi Bi Mat")
		}
		if err := db.Update(func(tx *badger.Txn) error { return tx.Set([]byte{byte(rows)}, text) }); err != nil {
			t.Fatal(err)
		}
		rows++
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct{ now, before *[32]byte }{{nil, nil}, {b, nil}, {nil, b}, {nil, a}, {&[32]byte{3}, b}} {
		if db, err := open(x.now, x.before); !errors.Is(err, ErrOtherKey) {
			t.Errorf("with another key: %v, %v", db, err)
		}
	}
	db, err := open(a, nil)
	if err != nil {
		t.Fatalf("after the wrong keys: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	plain := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("Bi Mat")) {
			t.Errorf("%s holds in the clear what was written under a key", f)
		}
		plain += bytes.Count(raw, []byte("in the clear"))
	}
	if plain == 0 {
		t.Error("the search finds nothing at all: it proves nothing")
	}
}
