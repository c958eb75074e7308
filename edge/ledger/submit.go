package ledger

import (
	"fmt"
	"time"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Append is what is to be appended.
type Append struct {
	Lane record.LaneID
	Body record.Body
	Keys []record.WrappedKey
	// Once makes the ledger recognise an id after any time.
	Once *Once
	// Notes are written in the same transaction.
	Notes []Note
	// NoEntry writes the notes alone.
	NoEntry bool
}

// Once names what must be appended only once. Extra is kept with the answer.
type Once struct {
	ID          record.ID
	Fingerprint record.Hash
	Extra       []byte
}

// Note is a small row beside the entries.
type Note struct{ Key, Value []byte }

// Result says where an entry stands. For a repeat it is where the first one stands.
type Result struct {
	Repeat   bool
	First    Stored
	Link     record.Link
	Hash     record.Hash
	Position uint64
}

// View is the state as the committer sees it: everything committed and
// everything earlier in the same batch.
type View interface {
	Note(key []byte) ([]byte, error)
	Once(id record.ID) (Stored, bool, error)
	Incident(id record.ID) ([]record.Body, error)
}

// request is one thing that waits for the committer.
type request struct {
	lane   record.LaneID
	a      Append
	raw    []byte
	size   int
	came   time.Time
	done   func(Result, error)
	decide func(View) ([]Append, any, error)
	after  func(any, []Result, error)
	op     func(*batch) error
}

type queue struct {
	rows  []*request
	bytes int
}

// Submit appends. done is called once, after the sync, from the committer's
// goroutine, and must not block; or at once with an error when there is no
// room to wait.
func (l *Ledger) Submit(a Append, done func(Result, error)) {
	r := &request{lane: a.Lane, a: a, done: done}
	if err := r.encode(); err != nil {
		done(Result{}, err)
		return
	}
	if err := l.enqueue(r); err != nil {
		done(Result{}, err)
	}
}

func (r *request) encode() error {
	r.size = 128
	if r.a.NoEntry {
		return checkNotes(r.a.Notes)
	}
	raw, err := r.a.Body.Encode()
	if err != nil {
		return err
	}
	if r.a.Once != nil && len(r.a.Once.Extra) > maxExtra {
		return fmt.Errorf("ledger: %d bytes beside a stored answer, at most %d", len(r.a.Once.Extra), maxExtra)
	}
	r.raw, r.size = raw, len(raw)+512
	return checkNotes(r.a.Notes)
}

func checkNotes(notes []Note) error {
	for _, n := range notes {
		if len(n.Value) > maxNote || len(n.Key) > 256 {
			return fmt.Errorf("ledger: note of %d bytes, at most %d", len(n.Value), maxNote)
		}
	}
	return nil
}

// Decide runs f in commit order: what it reads cannot change before what it
// returns is committed. after is called after the sync, as in Submit.
func (l *Ledger) Decide(lane record.LaneID, f func(View) ([]Append, any, error), after func(any, []Result, error)) {
	r := &request{lane: lane, decide: f, after: after, size: 8 << 10}
	if err := l.enqueue(r); err != nil {
		after(nil, nil, err)
	}
}

func (l *Ledger) enqueue(r *request) error {
	r.came = time.Now()
	l.qmu.Lock()
	if l.closed {
		l.qmu.Unlock()
		return ErrClosed
	}
	q := &l.other
	if r.lane == record.Urgent {
		q = &l.urgent
	}
	if planted.QueueDrops && len(q.rows) >= 8 && r.after == nil {
		l.qmu.Unlock()
		r.done(Result{}, nil)
		return nil
	}
	if len(q.rows) >= queueEntries || q.bytes+r.size > queueBytes {
		l.qmu.Unlock()
		l.counts.refused.Add(1)
		return ErrBusy
	}
	q.rows = append(q.rows, r)
	q.bytes += r.size
	l.qmu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// take gives the next batch: urgent first, but at least an eighth of a batch
// for the rest, so that nothing starves.
func (l *Ledger) take() []*request {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	share := 0
	if len(l.other.rows) > 0 {
		share = maxBatchEntries / 8
	}
	out, bytes := l.urgent.pop(nil, maxBatchEntries-share, maxBatchBytes*7/8, 0)
	out, bytes = l.other.pop(out, maxBatchEntries, maxBatchBytes, bytes)
	out, _ = l.urgent.pop(out, maxBatchEntries, maxBatchBytes, bytes)
	return out
}

func (q *queue) pop(out []*request, count, limit, bytes int) ([]*request, int) {
	n := 0
	for n < len(q.rows) && len(out) < count && (bytes+q.rows[n].size <= limit || len(out) == 0) {
		bytes += q.rows[n].size
		q.bytes -= q.rows[n].size
		out = append(out, q.rows[n])
		q.rows[n] = nil
		n++
	}
	q.rows = q.rows[n:]
	if len(q.rows) == 0 {
		q.rows = nil
	}
	return out, bytes
}
