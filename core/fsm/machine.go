// Package fsm is the city's state, deterministic, on Badger.
//
// It promises: every node that applied the same Raft entries holds the same
// rows; the applied index lies in the same transaction as the data; each
// report id is listed as a report exactly once; the core's own links are made
// here, at apply, never by whoever proposed.
//
// It reads no clock, draws no random number, lets no map order and no floating
// point into a row, and does no I/O but its store. What it knows of time came
// by tick commands. It signs nothing and sends nothing.
package fsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/routing"
	"wardline/sync/tables"
)

// Options of a machine.
type Options struct {
	Dir string
	Log *slog.Logger
	// Key encrypts the store's files, KeyBefore did; nil: in the clear (tables.Encrypted).
	Key, KeyBefore *[32]byte
}

// LogEntry is one Raft entry with its commands.
type LogEntry struct {
	Index, Term uint64
	Items       [][]byte
}

// Machine is the state. ApplyBatch, Install and Reset are called from one
// goroutine at a time; reads may run beside them.
type Machine struct {
	o Options

	mu      sync.RWMutex // held for reading while db is used, for writing while it is replaced
	db      *badger.DB
	ordered *tables.Ordered // over db

	meta    atomic.Pointer[meta]
	changed atomic.Pointer[chan struct{}]
	steps   atomic.Uint64
	late    atomic.Uint64
	txn     uint64           // number of the last transaction; used by the applying goroutine alone
	rules   []*routing.Rules // with wards: used by the applying goroutine alone
	wards   *routing.Wards
	recent  recent
	dueFrom dueFrom // as rules
	seen    seen
	tail    tail
	active  atomic.Pointer[[]*routing.Rules] // rules, for readers
	proof   atomic.Pointer[tables.Proof]     // of db; nil over one in memory
	trusted atomic.Pointer[Machines]         // for readers
	keyState
	// activeWards are the wards, for readers; nil: the built-in centres
	activeWards atomic.Pointer[routing.Wards]
}

// badgerOptions has no sync at each commit: tables.Ordered says when.
func badgerOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithMemTableSize(32 << 20).WithNumMemtables(2).
		WithBlockCacheSize(64 << 20).WithIndexCacheSize(32 << 20).
		WithValueLogFileSize(64 << 20).WithValueThreshold(1 << 20).
		WithCompression(0).WithDetectConflicts(false).WithNumGoroutines(2).
		WithBaseLevelSize(512 << 20).WithBaseTableSize(2 << 20).
		WithNumCompactors(2).WithMetricsEnabled(false).WithLogger(nil)
}

// store gives the options of one of the stores.
func (m *Machine) store(name string) (badger.Options, error) {
	return tables.Encrypted(badgerOptions(m.path(name)), m.o.Key, m.o.KeyBefore)
}

const (
	liveName = "state"
	nextName = "state.next"
	oldName  = "state.old"
	wholeTag = "WHOLE"
)

// Open opens the state in o.Dir. With an error that wraps ErrHole it gives a
// machine all the same: empty, with the damaged files left as they are, good for nothing
// but Install and Reset. A replacement that was complete when the
// process died takes its place now; one that was not is thrown away.
func Open(o Options) (*Machine, error) {
	if o.Dir == "" || o.Log == nil {
		return nil, errors.New("fsm: Dir and Log are needed")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("fsm: %w", err)
	}
	m := &Machine{o: o}
	ch := make(chan struct{})
	m.changed.Store(&ch)
	m.active.Store(new([]*routing.Rules))
	m.trusted.Store(noMachines())
	m.keyState.none()
	if err := m.settle(); err != nil {
		return nil, err
	}
	err := m.open()
	if !errors.Is(err, ErrHole) {
		return m, err
	}
	// Nothing of it may be read, and nothing of it is thrown away: it may be the
	// last copy. In its place stands an empty one that forgets, for Install or Reset.
	db, merr := badger.Open(badger.DefaultOptions("").WithInMemory(true).WithLogger(nil))
	if merr != nil {
		return nil, errors.Join(err, merr)
	}
	m.db = db
	m.meta.Store(&meta{})
	ordered, merr := tables.NewOrdered(db)
	m.ordered = ordered
	return m, errors.Join(err, merr)
}

func (m *Machine) path(name string) string { return filepath.Join(m.o.Dir, name) }

func (m *Machine) settle() error {
	if _, err := os.Stat(m.path(nextName + "/" + wholeTag)); err == nil {
		if err := os.RemoveAll(m.path(liveName)); err != nil {
			return err
		}
		if err := os.Rename(m.path(nextName), m.path(liveName)); err != nil {
			return err
		}
	}
	for _, n := range []string{nextName, oldName} {
		if err := os.RemoveAll(m.path(n)); err != nil {
			return err
		}
	}
	return syncDir(m.o.Dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (m *Machine) open() error {
	o, err := m.store(liveName)
	if err != nil {
		return err
	}
	db, err := badger.Open(o)
	if err != nil {
		err = fmt.Errorf("fsm: opening %s: %w", m.path(liveName), err)
		if _, system := errors.AsType[syscall.Errno](err); system || strings.Contains(err.Error(), "directory lock") {
			return err // no room, no right, in use: nothing is wrong with what is there
		}
		return fmt.Errorf("%w: %w", ErrHole, err)
	}
	p := tables.Begin(db)
	if err := p.Within(provedWithin); err != nil {
		return errors.Join(fmt.Errorf("%w: %s: %w", ErrHole, m.path(liveName), err), db.Close())
	}
	ordered, err := tables.NewOrdered(db)
	if err != nil {
		_ = p.Wait() // the store must be open as long
		return errors.Join(fmt.Errorf("fsm: %w", err), db.Close())
	}
	var me meta
	// Nothing in memory outlives the rows that it came from (Install, Reset).
	m.keyState.none()
	m.recent, m.rules, m.wards, m.txn = recent{}, nil, nil, 0
	m.dueFrom.reset()
	m.tail.reset()
	err = db.View(func(tx *badger.Txn) error {
		v, err := get(tx, []byte{rowMeta})
		if err != nil || v == nil {
			return err
		}
		if me, err = decodeMeta(v); err != nil {
			return err
		}
		if m.txn, err = whole(tx); err != nil {
			return err
		}
		if err := m.keyState.load(tx); err != nil {
			return err
		}
		if err := m.loadRules(tx, committed{tx}); err != nil {
			return err
		}
		return m.recent.load(tx, me.index)
	})
	if err != nil {
		_ = p.Wait() // the store must be open as long
		return errors.Join(err, db.Close())
	}
	m.db, m.ordered = db, ordered
	m.proof.Store(p)
	if err := m.loadMachines(); err != nil {
		return err
	}
	m.meta.Store(&me)
	m.seen.fill(db, func(err error) {
		m.o.Log.Error("ids in the state could not be read; new ones cost a look-up each", "err", err)
	})
	return nil
}

// provedWithin is how long Open waits until every table is proved: a state of some
// hundred megabytes. A larger one is served while the rest is read, so that a node with
// ten million entries starts in seconds.
const provedWithin = time.Second

// Proved waits until every table was read once, or ctx ends. ErrHole says that one
// does not hold what was written: this node must end, and join anew.
func (m *Machine) Proved(ctx context.Context) error {
	p := m.proof.Load()
	if p == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-p.Done():
	}
	if err := p.Wait(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrHole, m.path(liveName), err)
	}
	return nil
}

// closeLocked closes the store after the proof has let go of it.
func (m *Machine) closeLocked() error {
	if p := m.proof.Load(); p != nil {
		_ = p.Wait() // Proved says it
	}
	m.ordered.Wait()
	return m.db.Close()
}

// Close frees the files.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.end()
	return m.closeLocked()
}

// Sync makes durable what Applied said when it was called; ApplyBatch may go on beside it.
func (m *Machine) Sync() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.ordered.Sync(); err != nil {
		return fmt.Errorf("fsm: %w", err)
	}
	return nil
}

// Applied is the last Raft entry whose effects are in the state. After a power cut it may be an
// earlier one, with all data: what followed is applied again, out of the Raft log.
func (m *Machine) Applied() (index, term uint64) {
	me := m.meta.Load()
	return me.applied, me.term
}

// Progress counts the rows that ApplyBatch has set and the transactions that it has
// committed in this process: while it grows, an apply is at work, however slow the
// machine is.
func (m *Machine) Progress() uint64 { return m.steps.Load() }

// CityIndex is the count of committed entries.
func (m *Machine) CityIndex() uint64 { return m.meta.Load().index }

// CityTime is the city's time, milliseconds since the Unix epoch, UTC.
func (m *Machine) CityTime() int64 { return m.meta.Load().time }

// Changed is closed after the next commit.
func (m *Machine) Changed() <-chan struct{} { return *m.changed.Load() }

func (m *Machine) notify() {
	ch := make(chan struct{})
	close(*m.changed.Swap(&ch))
}

// View runs f over one consistent reading of the state.
func (m *Machine) view(f func(tx *badger.Txn) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.db.View(f)
}

// ApplyBatch applies Raft entries in order, in as many transactions as their
// rows need (see batch.breathe); a whole batch in one would be refused by the store.
func (m *Machine) ApplyBatch(entries []LogEntry) ([][][]byte, error) {
	m.local.Lock()
	defer m.local.Unlock()
	out := make([][][]byte, len(entries))
	b := m.begin()
	defer func() { b.discard() }()
	for i, e := range entries {
		if e.Index <= b.meta.applied {
			continue
		}
		var err error
		if out[i], err = b.entry(e); err != nil {
			return nil, fmt.Errorf("fsm: applying entry %d: %w", e.Index, err)
		}
	}
	return out, b.commit()
}
