package tables

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Badger (v4.9.6, levelsController.subcompact) loses the error of a table that it
// could not write when it merges tables: it forgets the old ones all the same, and every
// row in them. A full disk does not come to that (a mapped write ends the process), a
// disk that fails a write does. On ext4 mounted with data_err=abort such a failure
// makes the file system read-only, so that the old tables cannot be forgotten either.

// Advise logs a warning where a file system could keep a failed write from losing
// rows and is not mounted so. What it cannot find out it leaves.
func Advise(dir string, log *slog.Logger) {
	kind, options, err := mountOf(dir)
	if err != nil {
		log.Debug("how the disk is mounted is not known", "dir", dir, "err", err)
		return
	}
	if kind == "ext4" && !slices.Contains(options, "data_err=abort") {
		log.Warn("a write that the disk fails may lose rows that are older: add data_err=abort to the options of this file system in /etc/fstab", "dir", dir)
	}
}

var errNoMount = errors.New("no mount holds it")

// mountOf is the type of the file system that holds dir, and its own options
// (proc(5), /proc/pid/mountinfo; escapes as \040 matter to no folder of ours).
func mountOf(dir string) (kind string, options []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", nil, err
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", nil, err
	}
	best := -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		front, back, ok := strings.Cut(lines.Text(), " - ")
		a, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(a) < 5 || len(b) < 3 {
			continue
		}
		at := strings.TrimSuffix(a[4], "/")
		if (dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= best {
			best, kind, options = len(at), b[0], strings.Split(b[2], ",")
		}
	}
	if err := f.Close(); err != nil {
		return "", nil, err
	}
	if best < 0 {
		return "", nil, fmt.Errorf("%s: %w", dir, errNoMount)
	}
	return kind, options, nil
}
