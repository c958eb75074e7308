// Package search finds incidents by what was said of them: Vietnamese with and without
// diacritics, over reports, places, summaries, notes, units, categories and ids.
//
// An index holds nothing that is not in its node's log: it follows the log by position
// like the lists of package view, can be thrown away and is then built again, and says
// how far it is. Its files are encrypted under a key that comes from the node's wrapping
// key, so that they are lost together. It promises no answer by itself: what it gives are
// candidates, and whoever answers reads each of them anew (Fields, Query.Match), so that
// what was erased, redacted or hidden from the asker since is not found.
//
// It never stands in the way of a report: it works at its own pace, and a fault of
// its files is a search that is not there, not a node that ends.
package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/tables"
	"wardline/sync/view"
)

// Log is what an index follows.
type Log interface {
	// Position is the position of the last committed entry.
	Position() uint64
	// After gives up to limit committed bodies after a position, in order.
	After(pos uint64, limit int) ([]view.Committed, error)
	// Changed is closed after the next commit.
	Changed() <-chan struct{}
	// Entries gives every committed entry of an incident.
	Entries(incident record.ID) ([]Entry, error)
	// Open decrypts a sealed part, see Opener.
	Open(at uint64, s *record.Sealed) ([]byte, error)
}

// Options join an index to its node.
type Options struct {
	// Dir is a folder of its own.
	Dir string
	Log Log
	// Key is the key of the index's files as it is now. When it is another one, the
	// index is thrown away and built again under that.
	Key func() ([32]byte, error)
	// Again says that a log which is shorter than the index comes again, the same, as a core
	// node's does after a power cut: it is waited for. Otherwise the index is begun anew.
	Again bool
	// Room says whether the disk has room for more than reports; nil: always. Without
	// room nothing is written here.
	Room   func() bool
	Logger *slog.Logger
}

// Limits.
const (
	// batch bounds the log entries of one transaction; it stays below Badger's limit.
	batch = 1024
	// pause is the least time between two transactions when nothing more waits (what comes
	// meanwhile shares the next one), and rest how many times as long as it worked the index
	// rests while entries stream in: reports need the processor more.
	pause = 250 * time.Millisecond
	rest  = 2
	// restFlood is that while more than floodRate entries a second are committed, as in a drain: at a third of a core
	// the index took 40 % of a core node's processor time, and an urgent report waited for it. Afterwards it catches up.
	restFlood = 15
	floodRate = 500
	// keyEvery is how often the key is looked at, and again how soon a store that could not
	// be opened is tried anew.
	keyEvery = time.Minute
	again    = 5 * time.Second
	// maxDoubts bounds the incidents that wait to be read anew because an answer found them changed.
	maxDoubts = 1024
)

// ErrNotReady says that the index cannot be asked: it is being opened, its files are at fault, or the node ends.
var ErrNotReady = errors.New("search: the index is not open")

// Index finds incidents of one node.
type Index struct {
	o      Options
	at     atomic.Uint64
	whole  atomic.Bool // has been level with the log since it was begun
	moved  atomic.Pointer[chan struct{}]
	doubts chan record.ID

	mu    sync.RWMutex // guards the rest; held for reading by whoever uses db
	db    *badger.DB
	epoch uint32 // of this build: cursors of another are void
	next  uint32 // the next incident's number
}

// New makes an index. It opens and starts nothing.
func New(o Options) *Index {
	x := &Index{o: o, doubts: make(chan record.ID, maxDoubts)}
	ch := make(chan struct{})
	x.moved.Store(&ch)
	return x
}

// State is how far an index is.
type State struct {
	// Word is ready (level with the log when last looked), behind, building (it was begun
	// anew and never was level yet) or closed (cannot be asked).
	Word string `json:"state"`
	// Position and Of are how far the log was followed, and how far it goes.
	Position uint64 `json:"position"`
	Of       uint64 `json:"of"`
}

// State tells how far the index is.
func (x *Index) State() State {
	s := State{Word: "ready", Position: x.at.Load(), Of: x.o.Log.Position()}
	x.mu.RLock()
	defer x.mu.RUnlock()
	switch {
	case x.db == nil:
		s.Word = "closed"
	case s.Position >= s.Of:
	case x.whole.Load():
		s.Word = "behind"
	default:
		s.Word = "building"
	}
	return s
}

// CatchUp waits until the index has taken in position pos, or ctx ends.
func (x *Index) CatchUp(ctx context.Context, pos uint64) {
	for {
		moved := *x.moved.Load()
		if x.at.Load() >= pos {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-moved:
		}
	}
}

// Again reads an incident anew soon: an answer found it other than the index says.
func (x *Index) Again(id record.ID) {
	select {
	case x.doubts <- id:
	default: // it is found again, and left out again
	}
}

// Run opens the index and follows the log until ctx ends. A fault of its files ends
// nothing but the search: it is said, and tried again.
func (x *Index) Run(ctx context.Context) error {
	for {
		err := x.live(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errKey) || errors.Is(err, tables.ErrDamaged) || errors.Is(err, errRow) {
			x.o.Logger.Warn("the search index is built anew", "dir", x.o.Dir, "why", err)
			if err = x.wipe(); err == nil {
				continue
			}
		}
		if err != nil {
			x.o.Logger.Error("the search index stops and is opened again", "dir", x.o.Dir, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
}

// room says whether anything may be written.
func (x *Index) room() bool { return x.o.Room == nil || x.o.Room() }

// errKey says that the key of the files is not the node's any more.
var errKey = errors.New("search: the key has changed")

// live is one life of the store: opened, followed, closed.
func (x *Index) live(ctx context.Context) error {
	for !x.room() { // what maps files is killed on a full disk: nothing is opened
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
	return x.hold(ctx, nil)
}

// hold opens the store, follows the log (or does what a test does instead) and closes it.
func (x *Index) hold(ctx context.Context, instead func() error) error {
	key, err := x.o.Key()
	if err != nil {
		return err
	}
	proof, err := x.open(key)
	if err != nil {
		return err
	}
	defer func() {
		_ = proof.Wait() // follow said it, or nobody asks any more
		x.mu.Lock()
		defer x.mu.Unlock()
		if err := x.db.Close(); err != nil {
			x.o.Logger.Error("search index", "err", err)
		}
		x.db = nil
	}()
	if instead != nil {
		return instead()
	}
	return x.follow(ctx, key, proof)
}

// sameKey says whether the files' key is still the node's.
func (x *Index) sameKey(key [32]byte) error {
	now, err := x.o.Key()
	if err == nil && now != key {
		err = errKey
	}
	return err
}

// follow takes in the log.
func (x *Index) follow(ctx context.Context, key [32]byte, proof *tables.Proof) error {
	look := time.NewTicker(keyEvery)
	defer look.Stop()
	proved := proof.Done()
	was, seen := x.o.Log.Position(), time.Now()
	for {
		changed := x.o.Log.Changed()
		began, is := time.Now(), x.o.Log.Position()
		times := share(is-min(was, is), began.Sub(seen))
		was, seen = is, began
		n := 0
		if x.room() {
			var err error
			if n, err = x.step(); err != nil {
				return err
			}
		}
		var tick <-chan time.Time
		if n > 0 {
			wait := times * time.Since(began)
			if n < batch {
				wait = max(pause, wait)
			}
			changed, tick = nil, time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		case <-changed:
		case id := <-x.doubts:
			if !x.room() {
				continue
			}
			if err := x.take([]record.ID{id}, x.at.Load()); err != nil {
				return err
			}
		case <-proved:
			if proved = nil; proof.Wait() != nil {
				return proof.Wait()
			}
		case <-look.C:
			if err := x.sameKey(key); err != nil {
				return err
			}
		}
	}
}

// share is how many times as long as it worked the index rests, when so many entries were
// committed in a time.
func share(entries uint64, in time.Duration) time.Duration {
	if float64(entries) > floodRate*in.Seconds() {
		return restFlood
	}
	return rest
}

// step takes in the next entries; a log that is shorter than the index (a restored
// image) makes it begin anew.
func (x *Index) step() (int, error) {
	at := x.at.Load()
	if of := x.o.Log.Position(); at > of {
		if x.o.Again {
			return 0, nil
		}
		return 0, fmt.Errorf("%w: it is at %d, its log at %d", errRow, at, of)
	}
	rows, err := x.o.Log.After(at, batch)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 {
		x.whole.Store(true)
		return 0, nil
	}
	for n := len(rows); ; n = (n + 1) / 2 {
		err := x.take(touched(rows[:n]), rows[n-1].Position)
		if errors.Is(err, badger.ErrTxnTooBig) && n > 1 {
			continue
		}
		return n, err
	}
}

// touched are the incidents of which the entries say something that is found by.
func touched(rows []view.Committed) (ids []record.ID) {
	have := make(map[record.ID]bool, len(rows))
	for i := range rows {
		b := &rows[i].Body
		quiet := (b.Kind == record.KindSuggested || b.Kind == record.KindMissed) && len(b.Tells()) == 0 || b.Kind == record.KindOpened
		if !quiet && !b.Incident.Zero() && !have[b.Incident] {
			have[b.Incident] = true
			ids = append(ids, b.Incident)
		}
	}
	return ids
}
