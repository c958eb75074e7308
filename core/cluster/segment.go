package cluster

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
	"golang.org/x/sys/unix"
)

// segments is the file system of raft-wal, with files that are full of zeros before
// they are used. Each append is synced, and what waits for it is an urgent report: into
// blocks that are written already, fdatasync is one write and one flush. Into blocks that were
// only reserved (raft-wal's own way) it also waits for the file system's journal, and with
// it for whatever tables some other store is writing just then.
type segments struct {
	*fs.FS
	dir  string
	size int64

	mu    sync.Mutex
	spare chan error // the next file is being made; its outcome. nil: nobody makes one
}

var _ types.VFS = (*segments)(nil)

const (
	// spareName is the next file of the log while it is made; raft-wal looks at *.wal alone.
	spareName = "next.zeros"
	// zeroStep is how much is written before it is synced, so that a file in the
	// making never keeps the disk from an append for long.
	zeroStep = 1 << 20
)

func newSegments(dir string, size int64) (*segments, error) {
	s := &segments{FS: fs.New(), dir: dir, size: size}
	if err := os.Remove(s.path()); err != nil && !errors.Is(err, os.ErrNotExist) { // half made
		return nil, err
	}
	return s, nil
}

func (s *segments) path() string { return filepath.Join(s.dir, spareName) }

// Create implements types.VFS. The file that was made ahead takes the name; the
// folder is synced with the first append.
func (s *segments) Create(dir, name string, size uint64) (types.WritableFile, error) {
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("a log file of %d bytes; at most %d are possible", size, math.MaxInt32)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.New("none was made")
	if s.spare != nil {
		err = <-s.spare
		s.spare = nil
	}
	if err != nil || int64(size) != s.size {
		if err := writeZeros(s.path(), int64(size)); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("create %s: %w", path, os.ErrExist)
	}
	if err := os.Rename(s.path(), path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s.ahead()
	return &segmentFile{File: f, fresh: dir}, nil
}

// ahead begins to make the next file; called with mu held.
func (s *segments) ahead() {
	done := make(chan error, 1)
	s.spare = done
	go func() { done <- writeZeros(s.path(), s.size) }()
}

// OpenWriter implements types.VFS.
func (s *segments) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spare == nil {
		s.ahead()
	}
	return &segmentFile{File: f}, nil
}

// Close waits until nothing is written any more.
func (s *segments) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spare != nil {
		<-s.spare // without it the next one is made when it is needed
		s.spare = nil
	}
	return nil
}

// writeZeros makes a file of zeros that is on the disk when it returns.
func writeZeros(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, zeroStep)
	for at := int64(0); err == nil && at < size; at += zeroStep {
		if _, err = f.WriteAt(zeros[:min(zeroStep, size-at)], at); err == nil {
			err = unix.Fdatasync(int(f.Fd()))
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path) // its room is needed
	}
	return err
}

// segmentFile is a file of the log that is written to.
type segmentFile struct {
	*os.File
	fresh string // the folder, until the file's name in it is on the disk
}

// Sync makes what was written durable, and the first time the file's name too. raft-wal
// calls it under its lock of writers.
func (f *segmentFile) Sync() error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	if f.fresh == "" {
		return nil
	}
	if err := syncDir(f.fresh); err != nil {
		return err
	}
	f.fresh = ""
	return nil
}
