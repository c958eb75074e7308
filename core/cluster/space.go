package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Space is the free-space gate of a node's disk. A full disk kills what maps
// its files (Badger, bolt) with SIGBUS, at reopening too, so the node stops
// well before, and keeps a ballast file that it gives up to get open again.
type Space struct {
	dir              string
	reserve, ballast int64
	free             func(path string) (int64, error)
	log              *slog.Logger
	last             atomic.Int64
}

// SpaceLevel says how full the disk is.
type SpaceLevel int32

// The levels: Plenty; Low, under the reserve; Critical, under half of it.
const (
	SpacePlenty SpaceLevel = iota
	SpaceLow
	SpaceCritical
)

const ballastName = "ballast"

// OpenSpace looks at the disk under dir and makes the folder and the ballast.
// Call it before anything on that disk is opened: with less than half of the
// reserve free it gives the ballast up, and is made again when there is room.
// Sizes are in bytes; a nil log says nothing.
func OpenSpace(dir string, reserve, ballast int64, log *slog.Logger) (*Space, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Space{dir: dir, reserve: reserve, ballast: ballast, free: statFree, log: log}
	if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, unix.ENOSPC) {
		return nil, err
	}
	if err := s.settle(); err != nil {
		return nil, err
	}
	return s, nil
}

// settle gives the ballast up or makes it, by what is free.
func (s *Space) settle() error {
	level, err := s.Level()
	if err != nil {
		return err
	}
	if level == SpaceCritical {
		return s.GiveUpBallast()
	}
	if s.ballast == 0 || s.last.Load() < s.reserve+s.ballast {
		return nil
	}
	path := filepath.Join(s.dir, ballastName)
	if st, err := os.Stat(path); err == nil && st.Size() == s.ballast {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("ballast: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, s.ballast)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		// A file system that cannot reserve, or no room after all: go without.
		s.log.Warn("no ballast on this disk", "dir", s.dir, "error", err)
		return os.Remove(path)
	}
	return nil
}

// Check says, with an error that wraps ErrDiskFull, that too little is free to
// open or to go on: less than half of the reserve.
func (s *Space) Check() error {
	level, err := s.Level()
	if err == nil && level == SpaceCritical {
		err = s.full()
	}
	return err
}

func (s *Space) full() error {
	return fmt.Errorf("%w: %d MiB are free under %s, at least %d are needed", ErrDiskFull, s.Free()>>20, s.dir, s.reserve>>21)
}

// GiveUpBallast frees the ballast's space, so that a full disk can be opened once more.
func (s *Space) GiveUpBallast() error {
	err := os.Remove(filepath.Join(s.dir, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ballast: %w", err)
	}
	s.log.Warn("disk nearly full: ballast given up", "dir", s.dir, "bytes", s.ballast)
	return nil
}

// Level asks the file system how much is free.
func (s *Space) Level() (SpaceLevel, error) {
	free, err := s.free(s.dir)
	if err != nil {
		return SpaceCritical, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	s.last.Store(free)
	switch {
	case free < s.reserve/2:
		return SpaceCritical, nil
	case free < s.reserve:
		return SpaceLow, nil
	}
	return SpacePlenty, nil
}

// Free is what was free when last asked, in bytes.
func (s *Space) Free() int64 { return s.last.Load() }

func statFree(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// withRoom runs open, and once more without the ballast when the disk is full.
func (s *Space) withRoom(open func() error) error {
	err := open()
	if err == nil || !errors.Is(err, unix.ENOSPC) {
		return err
	}
	if gerr := s.GiveUpBallast(); gerr != nil {
		return errors.Join(err, gerr)
	}
	return open()
}
