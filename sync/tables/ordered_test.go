package tables

import (
	"encoding/binary"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func openOrdered(t *testing.T, dir string) (*badger.DB, *Ordered) {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions(dir).WithMemTableSize(1 << 20).WithValueThreshold(1 << 10).WithValueLogFileSize(1 << 20).WithLogger(nil).WithNumCompactors(2))
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOrdered(db)
	if err != nil {
		t.Fatal(err)
	}
	return db, o
}

// commit commits some rows of random size.
func commit(t *testing.T, db *badger.DB, o *Ordered, r *rand.Rand, n uint64) {
	t.Helper()
	tx := db.NewTransaction(true)
	defer tx.Discard()
	cost := int64(0)
	set := func(k, v []byte) {
		if err := tx.Set(k, v); err != nil {
			t.Fatal(err)
		}
		cost += Cost(k, v)
	}
	set([]byte("n"), binary.BigEndian.AppendUint64(nil, n))
	for i := range r.Intn(40) {
		set(binary.BigEndian.AppendUint64([]byte{'r', byte(i)}, n), make([]byte, r.Intn(200)))
	}
	if err := o.Commit(tx, cost); err != nil {
		t.Fatal(err)
	}
}

func TestOrdered_NextMemtable_BeginsOnlyAfterASync(t *testing.T) {
	db, o := openOrdered(t, t.TempDir())
	defer db.Close()
	r := rand.New(rand.NewSource(1))
	was, err := o.newest()
	if err != nil {
		t.Fatal(err)
	}
	tables, within := 0, 0
	for n := range uint64(1500) {
		o.behind = 0 // none beside
		before := o.syncs.Load()
		commit(t, db, o, r, n)
		is, err := o.newest()
		if err != nil {
			t.Fatal(err)
		}
		synced := o.syncs.Load() > before
		if is != was && !synced {
			t.Fatalf("commit %d began %s, and the one before was not synced", n, filepath.Base(is))
		}
		if is != was {
			tables++
		}
		if synced {
			within++
		}
		was = is
	}
	if tables < 3 || within > 750 {
		t.Errorf("%d memtables; %d of 1500 commits waited for a sync", tables, within)
	}
}

func TestOrdered_Commits_AreSyncedBesideThem(t *testing.T) {
	db, o := openOrdered(t, t.TempDir())
	defer db.Close()
	r := rand.New(rand.NewSource(2))
	for n := range uint64(200) { // less than a memtable
		o.behind += syncBehind / 100
		commit(t, db, o, r, n)
	}
	o.Wait()
	if o.syncs.Load() == 0 {
		t.Error("no sync")
	}
}

// A log that lost its end gives what stood before: the owner does the rest again.
func TestOrdered_PowerCut_TakesTheEndAlone(t *testing.T) {
	dir := t.TempDir()
	db, o := openOrdered(t, dir)
	r := rand.New(rand.NewSource(3))
	n := uint64(0)
	was, err := o.newest()
	if err != nil {
		t.Fatal(err)
	}
	for tables := 0; tables < 2; n++ {
		commit(t, db, o, r, n)
		is, err := o.newest()
		if err != nil {
			t.Fatal(err)
		}
		if is != was {
			was = is
			tables++
		}
	}
	if err := o.Sync(); err != nil {
		t.Fatal(err)
	}
	sure := n
	for range 100 {
		commit(t, db, o, r, n)
		n++
	}
	o.Wait()
	for { // until the older memtables are tables
		logs, err := o.logs()
		if err != nil {
			t.Fatal(err)
		}
		if len(logs) == 1 {
			break
		}
		runtime.Gosched()
	}
	cut := t.TempDir() // as the disk is after it
	if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(cut, filepath.Base(was))
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	end := len(raw)
	for end > 0 && raw[end-1] == 0 {
		end--
	}
	clear(raw[end-10_000:]) // some pages were never written
	if err := os.WriteFile(log, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, _ = openOrdered(t, cut)
	defer db.Close()
	err = db.View(func(tx *badger.Txn) error {
		it, err := tx.Get([]byte("n"))
		if err != nil {
			return err
		}
		return it.Value(func(v []byte) error {
			if last := binary.BigEndian.Uint64(v); last+1 < sure || last+1 >= n {
				t.Errorf("after the cut %d of %d commits are there, %d were synced", last+1, n, sure)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOrdered_FailedSync_NothingIsCommittedAfterIt(t *testing.T) {
	db, o := openOrdered(t, t.TempDir())
	failed := errors.New("no sync")
	o.failed.Store(&failed)
	tx := db.NewTransaction(true)
	defer tx.Discard()
	if err := tx.Set([]byte("k"), nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(tx, Cost([]byte("k"), nil)); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := o.Sync(); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
