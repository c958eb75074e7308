package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hashicorp/raft"

	"wardline/core/cluster"
	"wardline/sync/sealing"
	"wardline/sync/tables"
)

// damagedName is the file in the folder of the lists that says that they are to
// be made anew at the next start.
const damagedName = "DAMAGED"

// provedWithin is how long the lists are waited for before they are shown.
const provedWithin = 300 * time.Millisecond

// lists is the store of the lists. What it loses in a power cut is made again from the state, so
// nothing waits for a sync of it.
type lists struct {
	*badger.DB
	proof   *tables.Proof
	ordered *tables.Ordered
}

// Close closes the store, after what still reads and syncs it.
func (l *lists) Close() error {
	_ = l.proof.Wait() // proveFiles says it
	l.ordered.Wait()
	return l.DB.Close()
}

// openLists opens the lists, which come from the state: damaged ones are thrown
// away and made anew. What is found later says the proof.
func openLists(dir string, key, before *[32]byte, log *slog.Logger) (*lists, error) {
	open := func() (*lists, error) {
		o, err := tables.Encrypted(badger.DefaultOptions(dir).WithMemTableSize(8<<20).WithNumMemtables(2).
			WithBlockCacheSize(16<<20).WithIndexCacheSize(8<<20).WithValueLogFileSize(16<<20).WithCompression(0).
			WithDetectConflicts(false).WithNumCompactors(2).WithMetricsEnabled(false).WithLogger(nil), key, before)
		if err != nil {
			return nil, err
		}
		db, err := badger.Open(o)
		if err != nil {
			return nil, err
		}
		l := &lists{DB: db, proof: tables.Begin(db)}
		if l.ordered, err = tables.NewOrdered(db); err != nil {
			_ = l.proof.Wait() // as above
			return nil, errors.Join(err, db.Close())
		}
		if err := l.proof.Within(provedWithin); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return l, nil
	}
	_, err := os.Stat(filepath.Join(dir, damagedName))
	if err == nil {
		err = tables.ErrDamaged
	} else {
		var l *lists
		if l, err = open(); err == nil {
			return l, nil
		}
		if _, system := errors.AsType[syscall.Errno](err); system {
			return nil, err // no room, no right: nothing is wrong with what is there
		}
	}
	log.Error("the lists are damaged and are made anew from the state", "dir", dir, "err", err)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	return open()
}

// proveFiles ends the node when a table turns out damaged that is served from
// already: its state comes from the others at the next start, its lists from its state.
func (n *Node) proveFiles(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.views.proof.Done():
	}
	if err := n.views.proof.Wait(); err != nil {
		dir := filepath.Join(n.c.Dir, "views")
		return errors.Join(fmt.Errorf("%s: %w; it is made anew at the next start", dir, err), os.WriteFile(filepath.Join(dir, damagedName), nil, 0o600))
	}
	if err := n.machine.Proved(ctx); err != nil {
		return fmt.Errorf("%w; it joins anew at the next start (%w)", err, cluster.MarkRejoin(n.clusterConfig().Dir, err))
	}
	return nil
}

// diskFailed says whether a node ended because its disk did not take a write.
func diskFailed(err error) bool {
	_, system := errors.AsType[syscall.Errno](err)
	return errors.Is(err, cluster.ErrDisk) || system && errors.Is(err, cluster.ErrState)
}

// leaveFiles leaves the stores of a disk that failed a write to the end of the
// process, as a power cut would: closing them writes, and merges tables (see package
// tables). The lists have no sums against that and are made anew.
func (n *Node) leaveFiles() error {
	return os.WriteFile(filepath.Join(n.c.Dir, "views", damagedName), nil, 0o600)
}

// sealLog gives what encrypts the Raft log under a key of its own, which stands in a file
// under the disk's key; nil where the disk never had one.
func sealLog(path string, disk *sealing.Disk, on bool) (func(raft.LogStore) raft.LogStore, error) {
	if _, err := os.Stat(path); !on && errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	key, err := disk.Secret(path)
	if err != nil {
		return nil, err
	}
	return cluster.SealLog(key)
}
