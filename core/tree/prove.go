package tree

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
)

// leaves are those of a tile; fewer at the log's end.
func (t *Tree) leaves(n uint64) ([]tlog.Hash, error) {
	l, err := t.o.Log.Leaves(n*width, width)
	if err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	return l, nil
}

// tile is the hash over a whole tile.
func (t *Tree) tile(n uint64) (tlog.Hash, error) {
	l, err := t.leaves(n)
	if err != nil {
		return tlog.Hash{}, err
	}
	if len(l) != width {
		return tlog.Hash{}, fmt.Errorf("%w: %d entries after %d", ErrRange, len(l), n*width)
	}
	return over(l), nil
}

func over(l []tlog.Hash) tlog.Hash {
	var r audit.Range
	for _, h := range l {
		r.Add(h)
	}
	return r.Root()
}

// read reads a hash of the file by its place in it (tlog.StoredHashIndex over tiles).
func (t *Tree) read(at int64) (h tlog.Hash, err error) {
	if _, err := t.f.ReadAt(h[:], at*tlog.HashSize); err != nil {
		return h, fmt.Errorf("tree: %w", err)
	}
	return h, nil
}

func (t *Tree) readAll(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		var err error
		if out[i], err = t.read(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// reader gives the hashes of the whole tree: above the tiles from the file, within them
// from the log. One reader serves one request.
type reader struct {
	t    *Tree
	tile uint64
	l    []tlog.Hash // of tile; nil before the first
}

var _ tlog.HashReader = (*reader)(nil)

func (r *reader) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		level, k := tlog.SplitStoredHashIndex(n)
		var err error
		if level >= height {
			out[i], err = r.t.read(tlog.StoredHashIndex(level-height, k))
		} else {
			out[i], err = r.within(level, uint64(k))
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *reader) within(level int, k uint64) (tlog.Hash, error) {
	n := k >> (height - level)
	if r.l == nil || r.tile != n {
		l, err := r.t.leaves(n)
		if err != nil {
			return tlog.Hash{}, err
		}
		r.tile, r.l = n, l
	}
	from, to := k<<level-n*width, (k+1)<<level-n*width
	if uint64(len(r.l)) < to {
		return tlog.Hash{}, fmt.Errorf("%w: %d entries after %d", ErrRange, len(r.l), n*width)
	}
	return over(r.l[from:to]), nil
}

// root is the root over the first size entries; the tiles below it stand.
func (t *Tree) root(size uint64) (tlog.Hash, error) {
	if size == 0 {
		var r audit.Range
		return r.Root(), nil
	}
	return tlog.TreeHash(int64(size), &reader{t: t})
}

// reach makes sure that the tiles for a size stand.
func (t *Tree) reach(ctx context.Context, size uint64) error {
	if err := t.Failed(); err != nil {
		return err
	}
	if pos := t.o.Log.Position(); size > pos || size > audit.MaxSize {
		return fmt.Errorf("%w: %d entries", ErrRange, pos)
	}
	if size/width <= t.tiles.Load() {
		return nil
	}
	if err := t.take(ctx); err != nil {
		return err
	}
	defer t.give()
	return t.sound(ctx, t.o.Log.Position())
}

// Inclusion proves that the entry with a city index is in the tree of a log of
// this size: its leaf and the proof (RFC 9162, section 2.1.3).
func (t *Tree) Inclusion(ctx context.Context, index, size uint64) (leaf tlog.Hash, p tlog.RecordProof, err error) {
	if index == 0 || index > size {
		return leaf, nil, fmt.Errorf("%w: entry %d of %d", ErrRange, index, size)
	}
	if err := t.reach(ctx, size); err != nil {
		return leaf, nil, err
	}
	r := &reader{t: t}
	if leaf, err = r.within(0, index-1); err != nil {
		return leaf, nil, err
	}
	p, err = tlog.ProveRecord(int64(size), int64(index)-1, r)
	return leaf, p, err
}

// Consistency proves that the log of a size has grown out of the one of an
// earlier size (RFC 9162, section 2.1.4).
func (t *Tree) Consistency(ctx context.Context, from, to uint64) (tlog.TreeProof, error) {
	if from == 0 || from > to {
		return nil, fmt.Errorf("%w: from %d to %d", ErrRange, from, to)
	}
	if err := t.reach(ctx, to); err != nil {
		return nil, err
	}
	return tlog.ProveTree(int64(to), int64(from), &reader{t: t})
}
