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

	"wardline/core/cluster"
	"wardline/sync/tables"
)

// damagedName is the file in the folder of the lists that says that they are to
// be made anew at the next start.
const damagedName = "DAMAGED"

// provedWithin is how long the lists are waited for before they are shown.
const provedWithin = 300 * time.Millisecond

// openViews opens the lists, which come from the state: damaged ones are thrown
// away and made anew. What is found later says the proof.
func openViews(dir string, log *slog.Logger) (*badger.DB, *tables.Proof, error) {
	open := func() (*badger.DB, *tables.Proof, error) {
		db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(true).WithMemTableSize(8 << 20).WithNumMemtables(2).
			WithBlockCacheSize(16 << 20).WithIndexCacheSize(8 << 20).WithValueLogFileSize(16 << 20).WithCompression(0).
			WithDetectConflicts(false).WithNumCompactors(2).WithMetricsEnabled(false).WithLogger(nil))
		if err != nil {
			return nil, nil, err
		}
		p := tables.Begin(db)
		if err := p.Within(provedWithin); err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
		return db, p, nil
	}
	_, err := os.Stat(filepath.Join(dir, damagedName))
	if err == nil {
		err = tables.ErrDamaged
	} else {
		var db *badger.DB
		var p *tables.Proof
		if db, p, err = open(); err == nil {
			return db, p, nil
		}
		if _, system := errors.AsType[syscall.Errno](err); system {
			return nil, nil, err // no room, no right: nothing is wrong with what is there
		}
	}
	log.Error("the lists are damaged and are made anew from the state", "dir", dir, "err", err)
	if err := os.RemoveAll(dir); err != nil {
		return nil, nil, err
	}
	return open()
}

// proveFiles ends the node when a table turns out damaged that is served from
// already: its state comes from the others at the next start, its lists from its state.
func (n *Node) proveFiles(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.listed.Done():
	}
	if err := n.listed.Wait(); err != nil {
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
