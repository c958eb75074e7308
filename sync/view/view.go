// Package view keeps lists of incidents that can be asked by status, unit and
// time, derived from a log of entries.
//
// A view holds nothing that is not in the log: it can be thrown away and is
// then built again. It follows the log by position, so a crash between a
// commit and the view loses nothing, and it never stands on the way of a
// report: readers that need to see their own write wait for it, bounded.
package view

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Log is what a view follows.
type Log interface {
	// Position is the position of the last committed entry.
	Position() uint64
	// After gives up to limit committed bodies after a position, in order.
	After(pos uint64, limit int) ([]Committed, error)
	// Bodies gives every committed body of an incident.
	Bodies(incident record.ID) ([]record.Body, error)
	// Changed is closed after the next commit.
	Changed() <-chan struct{}
}

// Committed is one entry at its position.
type Committed struct {
	Position uint64
	Body     record.Body
}

// Row is what a list shows of an incident.
type Row struct {
	ID         record.ID
	Position   uint64 // of the entry that last changed it
	Status     string
	Open       bool
	Stub       bool
	Category   record.Category
	Priority   record.Priority
	ReceivedAt int64 // milliseconds since the Unix epoch, UTC; of a stub as its routing says
	Lead       record.UnitID
	Told       []Told // by unit, ascending
	Silent     bool
	Cancelled  bool // the source said so
	Conflicts  int
	// Suggested: probably about the same event as another.
	Suggested   bool
	Verdict     string
	Device      string       // of the first report
	Place       record.Place // zero: none
	Deadlines   []record.Deadline
	ParkedUntil int64       // milliseconds since the Unix epoch, UTC; 0: not parked
	Merged      []record.ID // with which it was merged directly
	Reached     record.Reached
	Exercise    record.ID // of which it is part; zero: it is real

	begun begun
	// bundle gives its place in the list of open incidents; zero: it has one of its own.
	bundle tail
}

// Told is one unit that was told of an incident, how far it is, and who of it has it.
type Told struct {
	Unit     record.UnitID
	Progress record.Progress
	Holder   string
}

// maxMerged bounds the merges that a row names; the incident names all of them.
const maxMerged = 50

func (r *Row) told(u record.UnitID) (int, bool) {
	return slices.BinarySearchFunc(r.Told, u, func(t Told, u record.UnitID) int { return strings.Compare(string(t.Unit), string(u)) })
}

// Limits.
const (
	// batch bounds what one transaction of the view takes in, so that it stays
	// far below Badger's transaction limit and a reader is never long behind.
	batch = 2048
	// batchIncidents bounds the incidents of one transaction: a merge names up to 512.
	batchIncidents = 2048
	// pace is the least time between two transactions while entries stream in:
	// each costs a sync of the disk that reports need more.
	pace = 20 * time.Millisecond
)

// View is a list of incidents over a log.
type View struct {
	db  *badger.DB
	log Log
	l   *slog.Logger
	at  atomic.Uint64
	// commit is how a transaction becomes durable; late says that it does so later (Late).
	commit func(tx *badger.Txn, cost int64) error
	late   bool
	// held is the entry at which a late view stood when it was opened, until the log has
	// shown that it is the one.
	held *record.ID
	// moved is closed and replaced when the view has moved on.
	moved atomic.Pointer[chan struct{}]
}

// Keys: 'v' and one letter; nothing else in the store begins with 'v'. An incident
// has three: its row by id, its place in one of the lists by time, newest first, and by
// who reported it; those that began together share the last two, in a bundle.
var (
	keyMark   = []byte("vm")
	keyForm   = []byte("vf")
	keySrc    = []byte("vd")
	keySent   = []byte("ve")
	rowKey    = []byte("vs")
	openKey   = []byte("vo")
	closeKey  = []byte("vc")
	bundleKey = []byte("vb")
	leftKey   = []byte("vl") // of a bundle -> how many have left it
	errStale  = errors.New("view: store and log do not belong together")
)

// New opens the view that lies in db. It starts nothing.
func New(db *badger.DB, log Log, l *slog.Logger) (*View, error) {
	v := &View{db: db, log: log, l: l, commit: func(tx *badger.Txn, _ int64) error { return tx.Commit() }}
	ch := make(chan struct{})
	v.moved.Store(&ch)
	if err := v.form(); err != nil {
		return nil, err
	}
	err := db.View(func(tx *badger.Txn) error {
		it, err := tx.Get(keyMark)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return it.Value(func(b []byte) error {
			if len(b) != 8 && len(b) != markSize {
				return fmt.Errorf("%w: mark of %d bytes", errStale, len(b))
			}
			v.at.Store(binary.BigEndian.Uint64(b))
			if len(b) == markSize {
				v.held = new(record.ID)
				copy(v.held[:], b[8:])
			}
			return nil
		})
	})
	return v, err
}

// Late makes the view one whose log and store lose their last part in a power cut, each as much
// as it will, and whose log then comes again, the same: a core node's state. Such a view waits
// for a log that is shorter. commit keeps the order of transactions; cost is the sum of
// tables.Cost. Call it before Run.
func (v *View) Late(commit func(tx *badger.Txn, cost int64) error) {
	v.commit, v.late = commit, true
}

// form throws away rows that another version of the program wrote.
func (v *View) form() error {
	same := false
	err := v.db.View(func(tx *badger.Txn) error {
		it, err := tx.Get(keyForm)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return it.Value(func(b []byte) error {
			same = len(b) == 1 && b[0] == rowVersion
			return nil
		})
	})
	if err != nil || same {
		return err
	}
	return v.drop()
}

// drop empties the view's rows.
func (v *View) drop() error {
	if err := v.db.DropPrefix([]byte("v")); err != nil {
		return err
	}
	return v.db.Update(func(tx *badger.Txn) error { return tx.Set(keyForm, []byte{rowVersion}) })
}

// Position is how far the view has followed the log.
func (v *View) Position() uint64 { return v.at.Load() }

// Run follows the log until ctx ends.
func (v *View) Run(ctx context.Context) error {
	for {
		changed := v.log.Changed()
		n, err := v.step()
		if err != nil {
			return fmt.Errorf("view: %w", err)
		}
		if n > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pace):
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// RowOf is what a list shows of an incident whose last entry stands at pos.
func RowOf(in *record.Incident, pos uint64) Row {
	r := Row{ID: in.ID, Position: pos, Status: in.Status, Open: in.Open(), Stub: in.Stub, Category: in.Category,
		Priority: in.Priority, Lead: in.Lead, Silent: in.Silent, Conflicts: len(in.Conflicts),
		Cancelled: in.Cancelled, Reached: in.Reached(), Suggested: len(in.Suggestions) > 0, Verdict: in.Verdict, Deadlines: in.Deadlines, ParkedUntil: in.ParkedUntil}
	if r.ReceivedAt = in.ReceivedAt(); in.Report() != nil {
		r.Device = in.Report().By.Name
	}
	if in.Place != nil {
		r.Place = *in.Place
	}
	if in.Exercise != nil {
		r.Exercise = *in.Exercise
	}
	for _, e := range in.Edges[:min(len(in.Edges), maxMerged)] {
		r.Merged = append(r.Merged, e.Other)
	}
	for _, u := range in.Units {
		t := Told{Unit: u.Unit, Progress: u.Progress}
		if u.Holder != nil {
			t.Holder = u.Holder.Officer
		}
		r.Told = append(r.Told, t)
	}
	return r
}

// CatchUp waits until the view has taken in position pos.
func (v *View) CatchUp(ctx context.Context, pos uint64) error {
	for {
		moved := *v.moved.Load()
		if v.at.Load() >= pos {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}
