package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"wardline/sync/record"
)

// freeSpace asks the system how much an unprivileged writer may still use.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ledger: free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// gate decides which lanes there is room for. It is used by the committer alone.
type gate struct {
	o       *Options
	checked time.Time
	written int64 // bytes since the last look
	free    int64
	state   spaceState
}

type spaceState int32

const (
	roomForAll spaceState = iota
	roomForUrgent
	noRoom
)

// Looks are by time and by bytes, so that a flood cannot run through the
// reserve between two of them.
const (
	lookEvery = 100 * time.Millisecond
	lookBytes = 2 << 20
)

func (g *gate) look(now time.Time) error {
	if now.Sub(g.checked) < lookEvery && g.written < lookBytes && !g.checked.IsZero() && !now.Before(g.checked) {
		return nil
	}
	free, err := g.o.FreeSpace(g.o.Dir)
	if err != nil {
		return err
	}
	g.checked, g.written, g.free = now, 0, free
	was := g.state
	switch {
	case free < g.o.Floor:
		// The last reserve: the ballast goes, so that urgent entries still get in.
		if dropBallast(g.o.Dir) {
			g.o.Log.Error("disk is full: the ballast file was given up so that urgent reports still get in; free some space",
				"dir", g.o.Dir, "free_bytes", free)
			g.checked = time.Time{}
			return g.look(now)
		}
		g.state = noRoom
	case free < g.o.Reserve:
		g.state = roomForUrgent
	default:
		g.state = roomForAll
		if free > g.o.Reserve+2*g.o.Ballast {
			if err := makeBallast(g.o.Dir, g.o.Ballast); err != nil {
				g.o.Log.Warn("ballast file could not be made again", "err", err)
			}
		}
	}
	if was != g.state {
		g.o.Log.Warn("room on the station's disk changed", "state", g.state.String(), "free_bytes", free, "reserve_bytes", g.o.Reserve)
	}
	return nil
}

var rooms = [...]string{"all", "urgent_only", "none"}

func (s spaceState) String() string { return rooms[s] }

// Rooms are the words that Stats.Room may have.
func Rooms() []string { return rooms[:] }

func (g *gate) allows(lane record.LaneID) bool {
	return g.state == roomForAll || (g.state == roomForUrgent && lane == record.Urgent)
}

const ballastName = "ballast"

func dropBallast(dir string) bool { return os.Remove(filepath.Join(dir, ballastName)) == nil }

// makeBallast makes the file with its blocks allocated; a file with holes
// would give nothing back.
func makeBallast(dir string, size int64) error {
	path := filepath.Join(dir, ballastName)
	if _, err := os.Stat(path); err == nil || size == 0 || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new") // it was never ballast
	}
	return err
}
