// Package view keeps lists of incidents that can be asked by status, unit and
// time, derived from a log of entries.
//
// A view holds nothing that is not in the log: it can be thrown away and is
// then built again. It follows the log by position, so a crash between a
// commit and the view loses nothing, and it never stands on the way of a
// report: readers that need to see their own write wait for it, bounded.
package view

import (
	"bytes"
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
	"wardline/sync/tables"
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

	begun begun
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
// who reported it.
var (
	keyMark  = []byte("vm")
	keyForm  = []byte("vf")
	keySrc   = []byte("vd")
	rowKey   = []byte("vs")
	openKey  = []byte("vo")
	closeKey = []byte("vc")
	errStale = errors.New("view: store and log do not belong together")
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

// step takes in the next entries; a log that is shorter than the view (a
// restored image) makes the view start over.
func (v *View) step() (int, error) {
	at := v.at.Load()
	switch short := at > v.log.Position(); {
	case short && v.late:
		return 0, nil // what is missing comes again
	case v.late && at > 0 && v.held != nil:
		same, err := v.holds(at)
		if err != nil {
			return 0, err
		}
		if !same {
			v.l.Warn("view is of another log and is built again", "view", at)
			if err := v.drop(); err != nil {
				return 0, err
			}
			at = 0
		}
		v.held = nil
	case short:
		v.l.Warn("view is ahead of its log and is built again", "view", at, "log", v.log.Position())
		at = 0
	}
	rows, err := v.log.After(at, batch)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	here := make(map[record.ID][]int, len(rows)) // which of rows are about an incident
	var ids []record.ID
	touch := func(id record.ID, i int) {
		if id.Zero() {
			return
		}
		if here[id] == nil {
			ids = append(ids, id)
		}
		here[id] = append(here[id], i)
	}
	for i := range rows {
		if len(ids) >= batchIncidents {
			rows = rows[:i]
			break
		}
		touch(rows[i].Body.Incident, i)
		for _, o := range rows[i].Body.Payload.Incidents {
			touch(o, i)
		}
	}
	last := &rows[len(rows)-1]
	wb := &writes{Txn: v.db.NewTransaction(true)}
	defer wb.Discard()
	for _, id := range ids {
		if err := v.take(wb, id, rows, here[id]); err != nil {
			return 0, err
		}
	}
	mark := append(binary.BigEndian.AppendUint64(make([]byte, 0, markSize), last.Position), last.Body.ID[:]...)
	if err := wb.Set(keyMark, mark); err != nil {
		return 0, err
	}
	if err := v.commit(wb.Txn, wb.cost); err != nil {
		return 0, err
	}
	v.at.Store(last.Position)
	ch := make(chan struct{})
	close(*v.moved.Swap(&ch))
	return len(rows), nil
}

// holds says whether the log has at a position what the view took in there.
func (v *View) holds(at uint64) (bool, error) {
	rows, err := v.log.After(at-1, 1)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return rows[0].Position == at && rows[0].Body.ID == *v.held, nil
}

// markSize is the length of the view's mark: the position of the last entry taken in, and its id.
const markSize = 8 + 16

// writes is a transaction whose cost is counted.
type writes struct {
	*badger.Txn
	cost int64
}

func (w *writes) Set(k, v []byte) error {
	w.cost += tables.Cost(k, v)
	return w.Txn.Set(k, v)
}

func (w *writes) Delete(k []byte) error {
	w.cost += tables.Cost(k, nil)
	return w.Txn.Delete(k)
}

// take takes in those of rows that are about an incident.
func (v *View) take(tx *writes, id record.ID, rows []Committed, which []int) error {
	old, err := getRow(tx.Txn, id)
	if err != nil {
		return err
	}
	next := Row{ID: id}
	if old != nil {
		next = *old
	}
	if !next.begins(rows, which, old == nil) {
		var bodies []record.Body
		if old != nil {
			bodies, err = v.log.Bodies(id)
		} else { // it began here: all of it is at hand
			for _, i := range which {
				bodies = append(bodies, rows[i].Body)
			}
		}
		if err != nil {
			return err
		}
		next = RowOf(record.Fold(id, bodies), 0)
	}
	next.Position = rows[which[len(which)-1]].Position
	return v.put(tx, old, next)
}

// RowOf is what a list shows of an incident whose last entry stands at pos.
func RowOf(in *record.Incident, pos uint64) Row {
	r := Row{ID: in.ID, Position: pos, Status: in.Status, Open: in.Open(), Stub: in.Stub, Category: in.Category,
		Priority: in.Priority, Lead: in.Lead, Silent: in.Silent, Conflicts: len(in.Conflicts),
		Cancelled: in.Cancelled, Suggested: len(in.Suggestions) > 0, Verdict: in.Verdict, Deadlines: in.Deadlines, ParkedUntil: in.ParkedUntil}
	if r.ReceivedAt = in.ReceivedAt(); in.Report() != nil {
		r.Device = in.Report().By.Name
	}
	if in.Place != nil {
		r.Place = *in.Place
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

// listKey is a row's place in its list; nil for none.
func (r *Row) listKey() []byte {
	if r == nil {
		return nil
	}
	prefix := closeKey
	if r.Open {
		prefix = openKey
	}
	k := binary.BigEndian.AppendUint64(append(make([]byte, 0, keySize), prefix...), ^uint64(max(r.ReceivedAt, 0))) // newest first
	return append(k, r.ID[:]...)
}

// keySize is the length of a place in a list: prefix, time, id.
const keySize = 2 + 8 + 16

// put writes the row of an incident; old is what stands there, or nil.
func (v *View) put(tx *writes, old *Row, r Row) error {
	if was, is := old.listKey(), r.listKey(); !bytes.Equal(was, is) {
		if was != nil {
			if err := tx.Delete(was); err != nil {
				return err
			}
		}
		if err := tx.Set(is, nil); err != nil {
			return err
		}
	}
	if old == nil || old.Device != r.Device || old.ReceivedAt != r.ReceivedAt || old.Verdict != r.Verdict {
		if err := v.source(tx, &r); err != nil {
			return err
		}
	}
	return tx.Set(append(slices.Clone(rowKey), r.ID[:]...), r.encode())
}

// sourceKey has the length before the name, so that no device's name begins another's.
func sourceKey(device string) []byte {
	return append(append(slices.Clone(keySrc), byte(len(device))), device...)
}

// source notes what became of a device's report.
func (v *View) source(tx *writes, r *Row) error {
	if r.Device == "" || len(r.Device) > 255 {
		return nil
	}
	at := binary.BigEndian.AppendUint64([]byte{}, uint64(max(r.ReceivedAt, 0)))
	return tx.Set(append(sourceKey(r.Device), r.ID[:]...), append(at, r.Verdict...))
}

// History is what became of the reports of one source.
type History struct {
	// Reports are the incidents that it began; of more than maxHistory the count stays there.
	Reports int
	// Verdicts counts them by verdict; "" has none yet.
	Verdicts map[string]int
	// Last is when the latest was received, milliseconds since the Unix epoch, UTC.
	Last int64
}

const maxHistory = 1000

// Source tells the history of a device.
func (v *View) Source(device string) (History, error) {
	h := History{Verdicts: map[string]int{}}
	err := v.db.View(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix = sourceKey(device)
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid() && h.Reports < maxHistory; it.Next() {
			if len(it.Item().Key()) != len(opt.Prefix)+len(record.ID{}) {
				continue
			}
			err := it.Item().Value(func(b []byte) error {
				if len(b) < 8 {
					return errRow
				}
				h.Reports++
				h.Last = max(h.Last, int64(binary.BigEndian.Uint64(b)))
				h.Verdicts[string(b[8:])]++
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return h, err
}

func getRow(tx *badger.Txn, id record.ID) (*Row, error) {
	it, err := tx.Get(append(slices.Clone(rowKey), id[:]...))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Row
	err = it.Value(func(b []byte) error { return r.decode(b) })
	r.ID = id
	return &r, err
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

// Query narrows a list. Zero values ask for everything.
type Query struct {
	Status string        // one of record.Statuses, or "open"
	Unit   record.UnitID // told of it
	Since  int64         // received at or after, milliseconds since the Unix epoch, UTC
	Limit  int
	Cursor []byte // Next of the page before
}

// Page is a part of a list, newest report first. Next is nil at the end.
type Page struct {
	Rows []Row
	Next []byte
}

// maxScan bounds how many rows one query looks at, so that a rare filter over
// millions of incidents costs one answer many pages instead of one core a
// minute; such a page may hold fewer rows than asked, and has a Next.
const maxScan = 20_000

// List answers a query. A cursor is the place of the last row of the page before.
func (v *View) List(q Query) (Page, error) {
	lists := [][]byte{openKey, closeKey}
	switch q.Status {
	case "":
	case "closed":
		lists = lists[1:]
	default:
		lists = lists[:1]
	}
	if q.Cursor != nil && (len(q.Cursor) != keySize || !slices.ContainsFunc(lists, func(l []byte) bool { return bytes.HasPrefix(q.Cursor, l) })) {
		return Page{}, ErrCursor
	}
	var p Page
	err := v.db.View(func(tx *badger.Txn) error {
		var its []*badger.Iterator
		for _, l := range lists {
			opt := badger.DefaultIteratorOptions
			opt.PrefetchValues = false
			opt.Prefix = l
			it := tx.NewIterator(opt)
			defer it.Close()
			it.Seek(append(slices.Clone(l), q.Cursor[min(len(q.Cursor), 2):]...))
			its = append(its, it)
		}
		scanned := 0
		var last []byte
		for {
			var next *badger.Iterator // of both lists the newer
			for _, it := range its {
				if it.Valid() && (next == nil || bytes.Compare(it.Item().Key()[2:], next.Item().Key()[2:]) < 0) {
					next = it
				}
			}
			if next == nil {
				return nil
			}
			key := next.Item().KeyCopy(nil)
			next.Next()
			if len(key) != keySize {
				return errRow
			}
			if q.Cursor != nil && bytes.Equal(key[2:], q.Cursor[2:]) {
				continue
			}
			if len(p.Rows) == q.Limit || scanned == maxScan {
				p.Next = last
				return nil
			}
			scanned++
			last = key
			if q.Since > 0 && int64(^binary.BigEndian.Uint64(key[2:10])) < q.Since {
				return nil // older ones follow
			}
			r, err := getRow(tx, record.ID(key[10:]))
			if err != nil {
				return err
			}
			if r != nil && q.matches(r) {
				p.Rows = append(p.Rows, *r)
			}
		}
	})
	return p, err
}

// ErrCursor says that a cursor is not from this list.
var ErrCursor = errors.New("cursor is not one that this list gave; start again without it")

func (q *Query) matches(r *Row) bool {
	if q.Status != "" && q.Status != "open" && q.Status != r.Status {
		return false
	}
	_, told := r.told(q.Unit)
	return q.Unit == "" || r.Lead == q.Unit || told
}
