package core

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"wardline/core/cluster"
	"wardline/sync/record"
)

// damages are what happens to a state's files while the node is down, one after the other; what
// is counted from a node's first transaction on comes before it has wiped itself.
var damages = []struct {
	name string
	do   func(t *testing.T, dir string)
}{
	{"a transaction in the middle is gone", func(t *testing.T, dir string) {
		deleteRow(t, dir, append([]byte("!t"), 0, 0, 0, 3))
	}},
	{"an entry's row is gone", func(t *testing.T, dir string) {
		deleteRow(t, dir, append([]byte{'e'}, 0, 0, 0, 0, 0, 0, 0, 1))
	}},
	{"a bit flipped in each table of the state", flipBits},
	{"a bit flipped in each table of the lists", func(t *testing.T, dir string) { flipBits(t, filepath.Join(dir, "../../views")) }},
	{"a bit flipped in the manifest", func(t *testing.T, dir string) {
		path := filepath.Join(dir, "MANIFEST")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-3] ^= 0x10
		raw[2] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}},
}

// flipBits changes a bit in the data of every table below dir.
func flipBits(t *testing.T, dir string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(list) == 0 {
		t.Fatal("no table in ", dir, err)
	}
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/5] ^= 4
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func deleteRow(t *testing.T, dir string, key []byte) {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *badger.Txn) error {
		if _, err := tx.Get(key); err != nil {
			return err
		}
		return tx.Delete(key)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNode_StateWithAHole_WipesItselfAndRejoins damages one node of a city again and again: each
// time it must notice, take the state anew from the others, and hold the same as they.
func TestNode_StateWithAHole_WipesItselfAndRejoins(t *testing.T) {
	nodes := newCity(t, t.TempDir(), 3)
	for _, x := range nodes {
		x.start()
	}
	for n := range 5 {
		nodes[0].mustReport(n, record.Fire)
	}
	same(t, nodes)
	x := nodes[2]
	for i, damage := range damages {
		whole := t.Run(damage.name, func(t *testing.T) {
			x.stop()
			damage.do(t, filepath.Join(x.c.Dir, "state", "state"))
			report := 10 + i
			nodes[0].mustReport(report, record.Fire)
			x.start()
			waitFor(t, "the node to take part again", func() bool {
				select {
				case <-x.done: // found while it applied: the service manager starts it again
					if !errors.Is(x.err, cluster.ErrRejoin) {
						t.Fatal(x.err)
					}
					x.cancel()
					x.start()
				default:
				}
				return x.n.raft.Stats().Voter && x.lists(report)
			})
			same(t, nodes)
		})
		if !whole {
			t.FailNow() // the others would be about the same
		}
	}
}
