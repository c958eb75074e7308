package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	boltstore "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/segment"
	"go.etcd.io/bbolt"
)

const (
	// logFolder is where the log store keeps its files, below Config.Dir.
	logFolder = "log"
	// cachedEntries are kept in memory for followers that are nearly up to
	// date: 64 of at most 256 KiB, 16 MiB.
	cachedEntries = 64
	// segmentBytes is the size of a file of raft-wal, which frees space by
	// whole files; one more is made ahead (segments).
	segmentBytes = 16 << 20
	// openLogTimeout bounds the wait for bolt's file lock.
	openLogTimeout = 5 * time.Second
	// entryCost is what an entry takes on disk beside its data, roughly.
	entryCost = 64
	// maxTrailing is how many entries stay before a snapshot, whatever their size.
	maxTrailing = 65536
)

// openLog opens the store of the log that cfg names; it is both log and stable store.
func openLog(cfg Config, lg hclog.Logger) (raft.LogStore, raft.StableStore, io.Closer, error) {
	dir := filepath.Join(cfg.Dir, logFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, nil, err
	}
	if cfg.LogStore == "bolt" {
		b, err := boltstore.New(boltstore.Options{
			Path: filepath.Join(dir, "log.db"),
			BoltOptions: &bbolt.Options{
				Timeout: openLogTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
			},
		})
		if err != nil {
			return nil, nil, nil, fmt.Errorf("open %s: %w", dir, err)
		}
		return b, b, b, nil
	}
	files, err := newSegments(dir, segmentBytes)
	if err != nil {
		return nil, nil, nil, err
	}
	w, err := wal.Open(dir, wal.WithSegmentSize(segmentBytes), wal.WithSegmentFiler(segment.NewFiler(dir, files)), wal.WithLogger(lg))
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("open %s: %w", dir, err), files.Close())
	}
	return w, w, closers{w, files}, nil
}

// closers are closed in order.
type closers []io.Closer

// Close implements io.Closer.
func (c closers) Close() error {
	var errs []error
	for _, x := range c {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// guardedLog is the log store as Raft sees it. It times every write for the
// watchdog, ends the node at the first write that fails (after a failed sync
// nothing is known of what is on disk), verifies what it reads, counts bytes,
// and keeps the log without a gap after a snapshot was installed. It is on purpose no
// raft.MonotonicLogStore: for those Raft drops the whole log after an install without
// taking back its idea of the last index.
type guardedLog struct {
	store raft.LogStore
	watch *watchdog
	fail  func(error)
	conf  *raft.Configuration // the last one that verify came by

	mu    sync.Mutex
	first uint64   // index of sizes[0]
	sizes []uint32 // bytes of each entry; 0 where it was not read yet
	total int64
}

var _ raft.LogStore = (*guardedLog)(nil)

func newGuardedLog(store raft.LogStore, watch *watchdog, fail func(error)) (*guardedLog, error) {
	cache, err := raft.NewLogCache(cachedEntries, store)
	if err != nil {
		return nil, err
	}
	return &guardedLog{store: cache, watch: watch, fail: fail}, nil
}

// verify reads entries from..last once, before Raft does, and gives an error
// that wraps ErrRejoin for the first that is missing or damaged.
func (g *guardedLog) verify(from uint64) error {
	first, last, err := g.span()
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.first, g.sizes, g.total = first, nil, 0
	if last > 0 {
		g.sizes = make([]uint32, last-first+1)
	}
	g.mu.Unlock()
	for i := max(from, first); last > 0 && i <= last; i++ {
		var l raft.Log
		if err := g.store.GetLog(i, &l); err != nil {
			return fmt.Errorf("log entry %d of %d..%d: %w (%w)", i, first, last, ErrRejoin, err)
		}
		if l.Index != i {
			return fmt.Errorf("log entry %d says that it is %d: %w", i, l.Index, ErrRejoin)
		}
		if err := g.check(&l); err != nil {
			return err
		}
		if l.Type == raft.LogConfiguration {
			conf, err := decodeConfiguration(l.Data)
			if err != nil {
				return fmt.Errorf("log entry %d: %w (%w)", i, ErrRejoin, err)
			}
			g.conf = &conf
		}
	}
	return nil
}

// decodeConfiguration is raft.DecodeConfiguration, which panics at a damaged one.
func decodeConfiguration(b []byte) (conf raft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("configuration: %v", r)
		}
	}()
	return raft.DecodeConfiguration(b), nil
}

func (g *guardedLog) span() (first, last uint64, err error) {
	if first, err = g.store.FirstIndex(); err == nil {
		last, err = g.store.LastIndex()
	}
	return first, last, err
}

// check verifies a command's checksum and notes the entry's size.
func (g *guardedLog) check(l *raft.Log) error {
	g.mu.Lock()
	if i := l.Index - g.first; l.Index >= g.first && i < uint64(len(g.sizes)) && g.sizes[i] == 0 {
		g.sizes[i] = uint32(len(l.Data) + entryCost)
		g.total += int64(g.sizes[i])
	}
	g.mu.Unlock()
	if l.Type != raft.LogCommand {
		return nil
	}
	if err := checkEntry(l.Data); err != nil {
		return fmt.Errorf("log entry %d: %w (%w)", l.Index, ErrRejoin, err)
	}
	return nil
}

// FirstIndex implements raft.LogStore.
func (g *guardedLog) FirstIndex() (uint64, error) { return g.store.FirstIndex() }

// LastIndex implements raft.LogStore.
func (g *guardedLog) LastIndex() (uint64, error) { return g.store.LastIndex() }

// GetLog implements raft.LogStore. On a damaged entry it does not return: Raft
// panics on an error here while it applies, and the node is ending anyway.
func (g *guardedLog) GetLog(index uint64, l *raft.Log) error {
	if g.cut(index) {
		return raft.ErrLogNotFound
	}
	if err := g.store.GetLog(index, l); err != nil {
		return err
	}
	if err := g.check(l); err != nil {
		g.fail(err)
		select {} // the process ends with Run
	}
	return nil
}

// cut says that the entry was dropped. raft-wal goes on giving dropped entries
// out of its last file, which would make what a node has depend on where a file ends.
func (g *guardedLog) cut(index uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sizes) > 0 && index < g.first
}

// StoreLog implements raft.LogStore.
func (g *guardedLog) StoreLog(l *raft.Log) error { return g.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (g *guardedLog) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	first, last, err := g.span()
	if err != nil {
		return g.failed("read the log's ends", err)
	}
	if last > 0 && logs[0].Index > last+1 {
		// A snapshot was installed beyond the log's end (also when the process
		// was killed before it could say so): what is here lies below it.
		if err := g.DeleteRange(first, last); err != nil {
			return err
		}
		last = 0
	}
	end := g.watch.begin("store log")
	err = g.store.StoreLogs(logs)
	end()
	if err != nil {
		return g.failed("store log", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if last == 0 || len(g.sizes) == 0 {
		g.first, g.sizes, g.total = logs[0].Index, nil, 0
	}
	for _, l := range logs {
		n := uint32(len(l.Data) + entryCost)
		g.sizes = append(g.sizes, n)
		g.total += int64(n)
	}
	return nil
}

// DeleteRange implements raft.LogStore.
func (g *guardedLog) DeleteRange(from, to uint64) error {
	end := g.watch.begin("truncate log")
	err := g.store.DeleteRange(from, to)
	end()
	if err != nil {
		return g.failed("truncate log", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.sizes) == 0 || to < g.first || from >= g.first+uint64(len(g.sizes)) {
		return nil
	}
	if from <= g.first { // the head goes
		n := min(to-g.first+1, uint64(len(g.sizes)))
		g.first, g.sizes = g.first+n, append([]uint32(nil), g.sizes[n:]...)
	} else { // the tail goes
		g.sizes = g.sizes[:from-g.first]
	}
	g.total = 0
	for _, n := range g.sizes {
		g.total += int64(n)
	}
	return nil
}

func (g *guardedLog) failed(op string, err error) error {
	err = fmt.Errorf("%s: %w: %w", op, ErrDisk, err)
	g.fail(err)
	return err
}

// size is the bytes and the entries of the log after an index.
func (g *guardedLog) size(after uint64) (bytes int64, entries int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if after < g.first {
		return g.total, len(g.sizes)
	}
	for _, n := range g.sizes[min(after-g.first+1, uint64(len(g.sizes))):] {
		bytes += int64(n)
		entries++
	}
	return bytes, entries
}

// trailing is how many of the last entries fit into so many bytes; where all
// do, those that come meanwhile shall not push any out.
func (g *guardedLog) trailing(limit int64) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := uint64(0)
	for i := len(g.sizes) - 1; i >= 0; i-- {
		if limit -= int64(g.sizes[i]); limit < 0 {
			return n
		}
		if n++; n == maxTrailing {
			return n
		}
	}
	return maxTrailing
}

// guardedStable is the store of term and vote as Raft sees it.
type guardedStable struct {
	raft.StableStore
	watch *watchdog
	fail  func(error)
}

// Set implements raft.StableStore.
func (s *guardedStable) Set(key, val []byte) error {
	defer s.watch.begin("store vote")()
	if err := s.StableStore.Set(key, val); err != nil {
		s.fail(fmt.Errorf("store vote: %w: %w", ErrDisk, err))
		return err
	}
	return nil
}

// SetUint64 implements raft.StableStore.
func (s *guardedStable) SetUint64(key []byte, val uint64) error {
	defer s.watch.begin("store term")()
	if err := s.StableStore.SetUint64(key, val); err != nil {
		s.fail(fmt.Errorf("store term: %w: %w", ErrDisk, err))
		return err
	}
	return nil
}
