package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Run is the one writer. It ends when ctx does, after what was accepted is
// committed and answered, or with an error at the first failed sync.
func (l *Ledger) Run(ctx context.Context) error {
	l.bg.Add(1)
	go l.fillFilter()
	heads := time.NewTicker(time.Second)
	defer heads.Stop()
	for {
		batch := l.take()
		if len(batch) > 0 {
			if err := l.commit(batch); err != nil {
				return l.fail(err, batch)
			}
		}
		moved, err := l.continueMoves()
		if err != nil {
			return l.fail(err, nil)
		}
		if len(batch) > 0 || moved {
			select {
			case <-heads.C:
				l.tick()
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
			l.qmu.Lock()
			l.closed = true
			left := l.urgent.len() + l.other.len()
			l.qmu.Unlock()
			if left == 0 {
				return nil
			}
		case <-l.wake:
		case <-heads.C:
			l.tick()
		}
	}
}

// tick is done every second: the heads are written beside the ledger, and the
// disk is looked at, so that room is noticed although nothing may be appended.
func (l *Ledger) tick() {
	if err := l.writeHeads(); err != nil {
		l.o.Log.Error("heads could not be written beside the ledger", "err", err)
	}
	if err := l.gate.look(l.o.Wall()); err != nil {
		l.o.Log.Error("free space of the station's disk is not known", "err", err)
		return
	}
	l.seeRoom()
}

// fail ends the ledger: after a failed sync nobody knows what is on the disk,
// so nothing more is acknowledged until it is opened and proved again.
func (l *Ledger) fail(err error, batch []*request) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	l.smu.Lock()
	l.failed = err
	l.smu.Unlock()
	l.qmu.Lock()
	l.closed = true
	batch = append(batch, l.urgent.rows[l.urgent.head:]...)
	batch = append(batch, l.other.rows[l.other.head:]...)
	l.urgent, l.other = queue{}, queue{}
	l.qmu.Unlock()
	for _, r := range batch {
		r.answer(Result{}, nil, nil, ErrFailed)
	}
	return err
}

func (r *request) answer(res Result, v any, all []Result, err error) {
	if r.after != nil {
		r.after(v, all, err)
		return
	}
	r.done(res, err)
}

// answer is what one request is told after the sync.
type answer struct {
	r   *request
	res Result
	v   any
	all []Result
	err error
}

// commit writes one batch and answers it after the sync.
func (l *Ledger) commit(reqs []*request) error {
	began := time.Now()
	if err := l.gate.look(l.o.Wall()); err != nil {
		return err
	}
	l.seeRoom()
	b := l.newBatch(reqs)
	defer b.end()
	answers := l.done[:0]
	for _, r := range reqs {
		answers = append(answers, b.one(r))
	}
	l.done = answers
	if err := b.closeBlock(); err != nil {
		return err
	}
	for name, c := range b.chains {
		if err := b.tx.Set(chainKey(rowChain, name.inc, name.lane), c.encode()); err != nil {
			return err
		}
	}
	if b.broken != nil {
		return b.broken
	}
	if planted.AckBeforeSync {
		l.tell(answers)
		answers = nil
	}
	if err := b.tx.Commit(); err != nil {
		return err
	}
	l.smu.Lock()
	l.inc, l.order = b.inc, b.order
	for name, c := range b.chains {
		l.chains[name] = c
	}
	for _, f := range b.onCommit {
		f()
	}
	l.smu.Unlock()
	for i := range b.used {
		if u := &b.used[i]; len(u.v) >= nearLeast {
			l.near.put(u.first, u.v)
			u.v = nil // its buffer is not used again
		}
	}
	l.ids.add(slices.Collect(maps.Keys(b.once))...)
	l.gate.written += b.bytes
	l.counts.entries.Add(b.entries)
	l.counts.batches.Add(1)
	l.position.Store(b.pos)
	l.observe(began, reqs)
	l.tell(answers)
	if b.pos > 0 {
		l.notify()
	}
	return nil
}

// tell answers.
func (l *Ledger) tell(answers []answer) {
	for i := range answers {
		a := &answers[i]
		a.r.answer(a.res, a.v, a.all, a.err)
	}
	clear(answers)
}

// observe tells how long a commit and its requests took.
func (l *Ledger) observe(began time.Time, reqs []*request) {
	if l.o.Observe == nil {
		return
	}
	now := time.Now()
	l.waits = l.waits[:0]
	for _, r := range reqs {
		l.waits = append(l.waits, now.Sub(r.came))
	}
	l.o.Observe(now.Sub(began), l.waits)
}

// one puts a request into the transaction and gives what to do after the sync.
// What fails for the request alone (no room, another content) fails it alone.
func (b *batch) one(r *request) answer {
	if !b.l.gate.allows(r.lane) {
		b.l.counts.refused.Add(1)
		return answer{r: r, err: ErrNoSpace}
	}
	if r.op != nil {
		return answer{r: r, err: r.op(b)}
	}
	if r.decide == nil {
		res, err := b.append(r)
		return answer{r: r, res: res, err: err}
	}
	list, v, err := r.decide(b)
	if err != nil {
		return answer{r: r, v: v, err: err}
	}
	parts := make([]request, len(list))
	for i := range list { // all before the first is appended: all or nothing
		parts[i].a = list[i]
		if err := parts[i].encode(); err != nil {
			return answer{r: r, v: v, err: err}
		}
	}
	var all []Result
	for i := range parts {
		res, err := b.append(&parts[i])
		if err != nil {
			return answer{r: r, v: v, all: all, err: err}
		}
		all = append(all, res)
	}
	return answer{r: r, v: v, all: all}
}

// fillFilter reads the known ids in the background, so that the start does not
// wait for them.
func (l *Ledger) fillFilter() {
	defer l.bg.Done()
	err := l.db.View(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.PrefetchValues = false
		opt.Prefix = []byte{rowOnce}
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			select {
			case <-l.stop:
				return errStop
			default:
			}
			if k := it.Item().Key(); len(k) == 17 {
				l.ids.add(record.ID(k[1:]))
			}
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, errStop) {
			l.o.Log.Warn("known ids could not be read ahead; each report costs a look-up", "err", err)
		}
		return
	}
	l.ids.setReady() // ids committed meanwhile were added by the committer
}
