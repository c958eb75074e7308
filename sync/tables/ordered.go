package tables

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// Ordered commits to a store that was opened without SyncWrites, for an owner who can do
// its last transactions again: it syncs beside the commits instead of in each. After a power
// cut the last transactions since Sync may be missing, never one with a later one there.
//
// Badger alone does not give that: of two memtables the older one's log may be lost where the
// newer one's is not. So an older log is synced before a newer one is begun.
// One goroutine commits; Sync may be called beside it.
type Ordered struct {
	db    *badger.DB
	limit int64
	// fill is the most that the present memtable may hold, as Badger counts. Once that
	// reaches limit any commit may begin another, and is preceded by a sync until one did.
	fill   int64
	behind int64 // committed since a sync beside the commits began
	syncs  atomic.Uint64
	busy   atomic.Bool // a sync beside the commits is under way
	wg     sync.WaitGroup
	failed atomic.Pointer[error]
}

const (
	// rowCost is the most that Badger (v4.9.6) counts for a row beside key and value: a node
	// of the skip list at its full height (88 bytes and 7 to align it), the key's time (8), what stands
	// before the value (12), and less than that in the memtable's log.
	rowCost = 128
	// syncBehind is after how many bytes a sync begins beside the commits, so that
	// little is left for the one that a commit waits for.
	syncBehind = 1 << 20
)

// Cost is the most that a row takes in a memtable, in bytes.
func Cost(k, v []byte) int64 { return int64(len(k)+len(v)) + rowCost }

// NewOrdered begins to commit to a store that nobody has written to since it was opened. What
// the memtables of a process that was killed hold is synced first.
func NewOrdered(db *badger.DB) (*Ordered, error) {
	o := &Ordered{db: db, limit: db.Opts().MemTableSize}
	if db.Opts().InMemory {
		o.limit = math.MaxInt64
		return o, nil
	}
	logs, err := o.logs()
	if err != nil {
		return nil, err
	}
	for _, name := range logs {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it stands in a table by now
		}
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return nil, fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return o, nil
}

// logs are the memtables' logs.
func (o *Ordered) logs() ([]string, error) {
	return filepath.Glob(filepath.Join(o.db.Opts().Dir, "*.mem"))
}

// newest is the log of the present memtable; their numbers grow.
func (o *Ordered) newest() (string, error) {
	l, err := o.logs()
	if err != nil || len(l) == 0 {
		return "", err
	}
	return slices.MaxFunc(l, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}), nil
}

// Commit commits a transaction whose rows cost so much (the sum of Cost). After an error
// nothing more may be committed.
func (o *Ordered) Commit(tx *badger.Txn, cost int64) error {
	if err := o.failed.Load(); err != nil {
		return *err
	}
	cost += 2 * rowCost // the row with which Badger ends a transaction
	if o.fill < o.limit {
		if err := tx.Commit(); err != nil {
			return err
		}
		o.fill += cost
		if o.behind += cost; o.behind >= syncBehind && o.busy.CompareAndSwap(false, true) {
			o.behind = 0
			o.wg.Go(func() {
				_ = o.Sync() // the next commit says it
				o.busy.Store(false)
			})
		}
		return nil
	}
	if err := o.Sync(); err != nil {
		return err
	}
	was, err := o.newest()
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	is, err := o.newest()
	if is != was {
		o.fill = 0
	}
	o.fill += cost
	return err
}

// Sync makes durable what was committed before.
func (o *Ordered) Sync() error {
	if err := o.failed.Load(); err != nil {
		return *err // after a failed sync nothing is known of what is on disk
	}
	err := o.db.Sync()
	if err != nil {
		err = fmt.Errorf("sync of %s: %w", o.db.Opts().Dir, err)
		o.failed.Store(&err)
	}
	o.syncs.Add(1)
	return err
}

// Wait waits for the syncs beside the commits; call it before the store is closed.
func (o *Ordered) Wait() { o.wg.Wait() }
