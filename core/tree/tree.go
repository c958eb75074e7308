// Package tree is a node's Merkle tree over the city's log, and the checkpoints
// that it signs of it.
//
// It follows the log from outside: no apply waits for it and no row of the
// state belongs to it. It keeps one hash for 256 entries and what stands above those
// (a quarter of a byte an entry); the hashes below are computed again from the log when somebody asks
// for them. Its files can be thrown away and are then built again.
//
// It promises: every checkpoint that this node signs has grown out of the one that it
// signed before; a log that does not give the root which was signed of it is
// never signed again, and is named. All nodes sign with one key, and because they have one
// log, what they sign agrees.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
)

// Log is the city's log.
type Log interface {
	// Position is the city index of the last entry.
	Position() uint64
	// Leaves gives up to limit leaves (audit.Leaf) after a city index, in order.
	Leaves(after uint64, limit int) ([]tlog.Hash, error)
}

// Signer signs checkpoints with the key that is in force at their size, and opens those.
type Signer interface {
	Sign(c audit.Checkpoint) (note []byte, err error)
	Open(note []byte) (audit.Checkpoint, error)
}

// Options of a tree; all are needed.
type Options struct {
	Dir    string
	Log    Log
	Signer Signer
	Wall   func() time.Time
	Logger *slog.Logger
	// Alarm is told, once, that the log contradicts what was signed of it.
	Alarm func(detail string)
}

const (
	// height is the number of levels that are computed anew, 256 leaves: a proof then reads
	// 256 entries, a millisecond's work, and the tree of 10 million entries has 2.5 MB.
	height = 8
	width  = 1 << height
	// every and most are how long, and for how many entries, a node waits with the
	// next checkpoint. A signature costs two syncs of the disk that reports need more.
	every = 30 * time.Second
	most  = 10_000
	// stretch is how many tiles are built before others may have their turn, rest what
	// the processor then is left to them while a long log is caught up with.
	stretch = 16
	rest    = 2 * time.Millisecond
)

// Errors of a tree.
var (
	// ErrBehind says that the tree is still being built; ask again.
	ErrBehind = errors.New("tree: still being built")
	// ErrContradicted says that the log does not give what was signed of it.
	ErrContradicted = errors.New("tree: the log is not the one of which checkpoints were signed")
	// ErrRange says that a proof was asked for what the log does not have.
	ErrRange = errors.New("tree: the log is not that long")
)

// Signed is a checkpoint and the note by which it was signed.
type Signed struct {
	audit.Checkpoint
	Note []byte
}

// Tree is safe for use by many.
type Tree struct {
	o     Options
	f     *os.File
	tiles atomic.Uint64 // that stand in the file
	last  atomic.Pointer[Signed]
	bad   atomic.Pointer[error]

	turn    chan struct{} // holds one token; who has it grows the tree and signs
	checked bool          // guarded by turn: the file was held to the log since the start
	rebuilt bool          // guarded by turn: the file was built anew since the start
}

// Open opens the tree's files; it starts nothing.
func Open(o Options) (*Tree, error) {
	t := &Tree{o: o, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	if err := os.MkdirAll(filepath.Join(o.Dir, daysName), 0o700); err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	var err error
	if t.f, err = os.OpenFile(filepath.Join(o.Dir, "hashes"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	st, err := t.f.Stat()
	if err != nil {
		return nil, errors.Join(err, t.f.Close())
	}
	// What a crash left half-written is written again.
	have := st.Size() / tlog.HashSize
	n := sort.Search(int(have)+1, func(n int) bool { return tlog.StoredHashCount(int64(n)) > have }) - 1
	if err := t.f.Truncate(tlog.StoredHashCount(int64(n)) * tlog.HashSize); err != nil {
		return nil, errors.Join(err, t.f.Close())
	}
	t.tiles.Store(uint64(n))
	raw, err := os.ReadFile(filepath.Join(o.Dir, lastName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, t.f.Close())
	}
	if err == nil {
		c, err := o.Signer.Open(raw)
		if err != nil {
			o.Logger.Error("the last checkpoint cannot be read; whether the log is the one that it was made of is not known", "file", filepath.Join(o.Dir, lastName), "err", err)
		} else {
			t.last.Store(&Signed{c, raw})
		}
	}
	return t, nil
}

// Close closes the files, after the last call has returned.
func (t *Tree) Close() error { return t.f.Close() }

// Last is the last checkpoint that this node signed; false before the first.
func (t *Tree) Last() (Signed, bool) {
	if s := t.last.Load(); s != nil {
		return *s, true
	}
	return Signed{}, false
}

// Failed is ErrContradicted with the reason, or nil.
func (t *Tree) Failed() error {
	if e := t.bad.Load(); e != nil {
		return *e
	}
	return nil
}

// Run follows the log and signs from time to time, until ctx ends.
func (t *Tree) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var next time.Time
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		last, _ := t.Last()
		pos := t.o.Log.Position()
		if pos == last.Size || t.Failed() != nil || t.o.Wall().Before(next) && pos < last.Size+most {
			continue
		}
		_, err := t.Sign(ctx)
		next = t.o.Wall().Add(every)
		if err == nil {
			said = ""
		} else if ctx.Err() == nil && err.Error() != said { // once, not every half minute
			said = err.Error()
			t.o.Logger.Error("no checkpoint could be signed", "err", err)
		}
	}
}

// take waits for the turn.
func (t *Tree) take(ctx context.Context) error {
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d of %d entries", ErrBehind, t.tiles.Load()*width, t.o.Log.Position())
	}
}

func (t *Tree) give() { t.turn <- struct{}{} }

// Sign signs a checkpoint of all that the log has now, or gives the last one
// when nothing came since. When it returns, the checkpoint is synced to disk.
func (t *Tree) Sign(ctx context.Context) (Signed, error) {
	size := t.o.Log.Position()
	if err := t.take(ctx); err != nil {
		return Signed{}, err
	}
	defer t.give()
	last, had := t.Last()
	if had && last.Size >= size && t.Failed() == nil && t.checked {
		if size = t.o.Log.Position(); last.Size == size {
			return last, nil
		}
	}
	if err := t.sound(ctx, size); err != nil {
		return Signed{}, err
	}
	root, err := t.root(size)
	if err != nil {
		return Signed{}, err
	}
	s := Signed{Checkpoint: audit.Checkpoint{Size: size, Root: root, At: max(t.o.Wall().UnixMilli(), last.At)}}
	if s.Note, err = t.o.Signer.Sign(s.Checkpoint); err != nil {
		return Signed{}, err
	}
	if err := t.keep(&s); err != nil {
		return Signed{}, fmt.Errorf("tree: %w", err)
	}
	t.last.Store(&s)
	return s, nil
}

// sound grows the tree to a size and holds it to the last checkpoint. A file
// that does not fit is built anew once, because it may be the file that is damaged; if it
// then still does not, the log is another.
func (t *Tree) sound(ctx context.Context, size uint64) error {
	if err := t.Failed(); err != nil {
		return err
	}
	if last, had := t.Last(); had && last.Size > size {
		return fmt.Errorf("%w: the log has %d entries, and a checkpoint of %d was signed: this node is still taking it from the others, or it was restored from an older copy", ErrBehind, size, last.Size)
	}
	for {
		ok, err := t.fits(ctx, size)
		if err != nil || ok {
			return err
		}
		last, had := t.Last()
		if t.rebuilt && had {
			err := fmt.Errorf("%w: entries up to %d do not give the root that was signed at %s; compare this node's digest with the others', keep %s for the auditors, and only then move it aside to begin anew",
				ErrContradicted, last.Size, time.UnixMilli(last.At).UTC().Format(time.RFC3339), t.o.Dir)
			t.bad.Store(&err)
			t.o.Alarm(err.Error())
			return err
		}
		t.o.Logger.Warn("the tree over the log does not fit to it and is built anew")
		t.rebuilt = true
		t.tiles.Store(0)
		if err := t.f.Truncate(0); err != nil {
			return fmt.Errorf("tree: %w", err)
		}
	}
}

// fits grows the tree and says whether it agrees with the log and with the last checkpoint.
func (t *Tree) fits(ctx context.Context, size uint64) (bool, error) {
	if n := t.tiles.Load(); !t.checked && n > 0 {
		if n*width > size {
			return false, nil // what was followed is not there: a shorter log
		}
		h, err := t.tile(n - 1)
		if err != nil {
			return false, err
		}
		kept, err := t.read(tlog.StoredHashIndex(0, int64(n)-1))
		if err != nil || kept != h {
			return false, err
		}
	}
	if err := t.grow(ctx, size); err != nil {
		return false, err
	}
	if last, had := t.Last(); had {
		root, err := t.root(last.Size)
		if err != nil || root != last.Root {
			return false, err
		}
	}
	t.checked = true
	return true, nil
}

// grow builds the tiles that a log of this size fills.
func (t *Tree) grow(ctx context.Context, size uint64) error {
	for n := t.tiles.Load(); (n+1)*width <= size; n++ {
		h, err := t.tile(n)
		if err != nil {
			return err
		}
		more, err := tlog.StoredHashesForRecordHash(int64(n), h, tlog.HashReaderFunc(t.readAll))
		if err != nil {
			return err
		}
		b := make([]byte, 0, len(more)*tlog.HashSize)
		for _, h := range more {
			b = append(b, h[:]...)
		}
		if _, err := t.f.WriteAt(b, tlog.StoredHashCount(int64(n))*tlog.HashSize); err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		t.tiles.Store(n + 1)
		if (n+1)%stretch != 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %d of %d entries", ErrBehind, (n+1)*width, size)
		case <-time.After(rest):
		}
	}
	return nil
}
