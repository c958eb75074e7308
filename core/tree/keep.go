package tree

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The last checkpoint stands in a file of its own; the last of each day (UTC) in one
// by the name of the day, so that an export shows how the log grew.
const (
	lastName = "checkpoint"
	daysName = "days"
)

// keep writes a checkpoint before anybody sees it: what this node signed it must
// not forget.
func (t *Tree) keep(s *Signed) error {
	if err := writeFile(filepath.Join(t.o.Dir, lastName), s.Note); err != nil {
		return err
	}
	return writeFile(filepath.Join(t.o.Dir, daysName, time.UnixMilli(s.At).UTC().Format(time.DateOnly)), s.Note)
}

// Days are the last checkpoints of the days before, by ascending size, up to a size. A
// file that cannot be read as one is named in the log and passed over.
func (t *Tree) Days(size uint64) ([]Signed, error) {
	dir := filepath.Join(t.o.Dir, daysName)
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []Signed
	for _, f := range list {
		if _, err := time.Parse(time.DateOnly, f.Name()); err != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		c, err := t.o.Signer.Open(raw)
		if err != nil {
			t.o.Logger.Warn("a day's checkpoint cannot be read", "file", filepath.Join(dir, f.Name()), "err", err)
			continue
		}
		if c.Size > 0 && c.Size <= size {
			out = append(out, Signed{c, raw})
		}
	}
	slices.SortFunc(out, func(a, b Signed) int {
		switch {
		case a.Size != b.Size && a.Size < b.Size:
			return -1
		case a.Size != b.Size:
			return 1
		}
		return int(a.At - b.At)
	})
	return slices.CompactFunc(out, func(a, b Signed) bool { return a.Size == b.Size }), nil
}

// writeFile replaces a file durably: a temporary one, its sync, a rename, the sync of
// the folder.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
