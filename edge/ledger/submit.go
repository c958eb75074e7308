package ledger

import (
	"crypto/sha256"
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
	// Behind, when set, is appended right behind the body, in the same lane (a routine report's
	// routing must not stand before an urgent one on the line) and in the same
	// transaction, unless the body is a repeat: the station's own routing of a report.
	Behind *record.Body
}

// Once names a report that must be appended only once; the id and the fingerprint are those of the
// body. Extra is kept with the answer.
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
	body   encoded
	behind encoded
	size   int
	came   time.Time
	done   func(Result, error)
	decide func(View) ([]Append, any, error)
	after  func(any, []Result, error)
	op     func(*batch) error
	solo   bool // op reads what is on disk: a batch of its own
}

// encoded is a body's bytes and their sum, made before the committer's turn.
type encoded struct {
	raw []byte
	sum record.Hash
}

func encode(b *record.Body) (e encoded, err error) {
	e.raw, err = b.Encode()
	e.sum = sha256.Sum256(e.raw)
	return e, err
}

// queue is what waits: rows from head on.
type queue struct {
	rows  []*request
	head  int
	bytes int
}

func (q *queue) len() int { return len(q.rows) - q.head }

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

func (r *request) encode() (err error) {
	r.size = 128
	if r.a.NoEntry {
		return checkNotes(r.a.Notes)
	}
	if r.body, err = encode(&r.a.Body); err != nil {
		return err
	}
	if o := r.a.Once; o != nil {
		if p := &r.a.Body.Payload; o.ID != p.Report || o.ID != r.a.Body.Incident || o.Fingerprint != p.Fingerprint {
			return fmt.Errorf("ledger: report %s with another id, incident or fingerprint in its body", o.ID)
		}
		if len(o.Extra) > maxExtra {
			return fmt.Errorf("ledger: %d bytes beside a stored answer, at most %d", len(o.Extra), maxExtra)
		}
	}
	if r.a.Behind != nil {
		if r.behind, err = encode(r.a.Behind); err != nil {
			return err
		}
	}
	r.size = len(r.body.raw) + len(r.behind.raw) + 512 // links, key, rows that name it
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
	if planted.QueueDrops && q.len() >= 8 && r.after == nil {
		l.qmu.Unlock()
		r.done(Result{}, nil)
		return nil
	}
	if q.len() >= queueEntries || q.bytes+r.size > queueBytes {
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
	out := l.taken[:0]
	if l.urgent.len() > 0 && l.urgent.first().solo {
		out, _ = l.urgent.next(out, 0)
		return out
	}
	share := 0
	if l.other.len() > 0 {
		share = maxBatchEntries / 8
	}
	out, bytes := l.urgent.pop(out, maxBatchEntries-share, maxBatchBytes*7/8, 0)
	out, bytes = l.other.pop(out, maxBatchEntries, maxBatchBytes, bytes)
	out, _ = l.urgent.pop(out, maxBatchEntries, maxBatchBytes, bytes)
	l.taken = out
	return out
}

func (q *queue) first() *request { return q.rows[q.head] }

func (q *queue) pop(out []*request, count, limit, bytes int) ([]*request, int) {
	for q.len() > 0 && !q.first().solo && len(out) < count && (bytes+q.first().size <= limit || len(out) == 0) {
		out, bytes = q.next(out, bytes)
	}
	return out, bytes
}

// next moves the first request to out. What went before is cleared away when it is
// half of the list, so that a queue that never empties does not grow.
func (q *queue) next(out []*request, bytes int) ([]*request, int) {
	r := q.first()
	q.rows[q.head] = nil
	q.head++
	if q.head >= 64 && 2*q.head >= len(q.rows) {
		n := copy(q.rows, q.rows[q.head:])
		clear(q.rows[n:])
		q.rows, q.head = q.rows[:n], 0
	}
	q.bytes -= r.size
	return append(out, r), bytes + r.size
}
