package cluster

import (
	"context"
	"sync"
	"time"
)

// watchdog knows every disk operation that is under way and how long it has
// been. A leader whose disk stalls goes on heartbeating (heartbeats do not pass
// the disk) and cannot hand over (that waits for the stalled loop), so nobody
// else would ever take the lead: somebody in the process has to look at the clock.
type watchdog struct {
	limit time.Duration

	mu      sync.Mutex
	next    uint64
	running map[uint64]diskOp
}

type diskOp struct {
	name  string
	since time.Time
	// progress, when set, counts what the operation has finished so far: one
	// that takes long but goes on does not hang.
	progress func() uint64
	done     uint64
}

func newWatchdog(limit time.Duration) *watchdog {
	return &watchdog{limit: limit, running: map[uint64]diskOp{}}
}

// begin notes an operation; the caller calls the result when it has returned.
func (w *watchdog) begin(name string) (end func()) { return w.beginLong(name, nil) }

// beginLong is begin for an operation of many steps, which progress counts.
func (w *watchdog) beginLong(name string, progress func() uint64) (end func()) {
	op := diskOp{name: name, since: time.Now(), progress: progress}
	if progress != nil {
		op.done = progress()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	w.running[id] = op
	return func() {
		w.mu.Lock()
		delete(w.running, id)
		w.mu.Unlock()
	}
}

// stalled gives the oldest operation over the limit, nil when there is none.
func (w *watchdog) stalled(now time.Time) *StallError {
	w.mu.Lock()
	defer w.mu.Unlock()
	var worst *StallError
	for id, op := range w.running {
		if op.progress != nil {
			if done := op.progress(); done != op.done {
				op.done, op.since = done, now
				w.running[id] = op
			}
		}
		if age := now.Sub(op.since); age > w.limit && (worst == nil || age > worst.Age) {
			worst = &StallError{Op: op.name, Age: age}
		}
	}
	return worst
}

// run looks until ctx ends or something stalls, and says what.
func (w *watchdog) run(ctx context.Context) *StallError {
	t := time.NewTicker(max(w.limit/10, 10*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			if s := w.stalled(now); s != nil {
				return s
			}
		}
	}
}
