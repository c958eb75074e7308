package crowd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"wardline/sync/record"
)

// maxKept bounds the reports that one device keeps until they are in the city;
// half an hour of a cut city at 100 a second fits.
const maxKept = 200_000

// item is one report on its way.
type item struct {
	id   record.ID
	body []byte
	sum  string // SHA-256 of body, hexadecimal: names a report whose id cannot be read
	bad  bool   // malformed on purpose

	// The fields below are guarded by the outbox.
	first       time.Time // when it was first sent
	sent        int
	queued      bool
	flying      bool
	acked, city bool
}

func newItem(id record.ID, body []byte, bad bool) *item {
	h := sha256.Sum256(body)
	return &item{id: id, body: body, sum: hex.EncodeToString(h[:]), bad: bad}
}

// outbox holds what one device has not seen in the city yet.
type outbox struct {
	limit int // of reports without any answer
	tally *tally

	mu    sync.Mutex // guards below
	cond  sync.Cond  // something changed
	items map[record.ID]*item
	sums  map[string]*item // malformed ones: the answer may name nothing else
	fresh []*item
	again []*item
	turn  bool // the next is one that was sent before
	open  int  // items without an answer
}

func newOutbox(limit int, t *tally) *outbox {
	b := &outbox{limit: limit, tally: t, items: map[record.ID]*item{}, sums: map[string]*item{}}
	b.cond.L = &b.mu
	return b
}

// awaitLocked waits until ok; false when ctx has ended.
func (b *outbox) awaitLocked(ctx context.Context, ok func() bool) bool {
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.cond.Broadcast()
	})
	defer stop()
	for !ok() {
		if ctx.Err() != nil {
			return false
		}
		b.cond.Wait()
	}
	return true
}

// put takes a new report, once there is room; false when ctx has ended.
func (b *outbox) put(ctx context.Context, it *item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.awaitLocked(ctx, func() bool { return b.open < b.limit && len(b.items) < maxKept }) {
		return false
	}
	b.items[it.id] = it
	if it.bad {
		b.sums[it.sum] = it
	}
	it.queued = true
	b.open++
	b.fresh = append(b.fresh, it)
	b.cond.Broadcast()
	return true
}

// take is the next report to send, nil when ctx has ended. New ones and ones
// that are offered again take turns.
func (b *outbox) take(ctx context.Context) *item {
	b.mu.Lock()
	defer b.mu.Unlock()
	var it *item
	for it == nil || b.items[it.id] != it { // what was refused meanwhile is passed over
		if !b.awaitLocked(ctx, func() bool { return len(b.fresh)+len(b.again) > 0 }) || ctx.Err() != nil {
			return nil
		}
		q := &b.fresh
		if len(*q) == 0 || b.turn && len(b.again) > 0 {
			q = &b.again
		}
		b.turn = q == &b.fresh
		it = (*q)[0]
		*q = (*q)[1:]
		it.queued = false
	}
	it.flying = true
	if it.sent++; it.sent == 1 {
		it.first = time.Now()
		b.tally.sent.Add(1)
	} else {
		b.tally.repeats.Add(1)
	}
	return it
}

// landed says how a sending ended: acked, or to be sent again. It returns true
// when this was the report's first acknowledgement.
func (b *outbox) landed(it *item, acked, repeat bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.cond.Broadcast()
	it.flying = false
	if b.items[it.id] != it {
		return false // settled meanwhile
	}
	if !acked {
		b.queueLocked(it)
		return false
	}
	if it.bad {
		return false // the broker has it; its refusal is still to come
	}
	first := !it.acked
	if it.acked = true; first {
		b.open--
		b.tally.acked(time.Since(it.first))
	}
	if repeat {
		b.queueLocked(it)
	}
	b.doneLocked(it)
	return first
}

// inCity takes a city receipt.
func (b *outbox) inCity(id record.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[id]
	if it == nil || it.city || it.bad {
		return
	}
	it.city = true
	b.tally.city.Add(1)
	b.doneLocked(it)
	b.cond.Broadcast()
}

// refused takes a refusal for good; the report is named by its id or, when
// that could not be read, by its bytes. It says whether the report was well-formed.
func (b *outbox) refused(id record.ID, sum string) (surprise bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.cond.Broadcast()
	it := b.sums[sum]
	if it == nil {
		it = b.items[id]
	}
	if it == nil {
		return false
	}
	b.tally.refused.Add(1)
	if !it.acked {
		b.open--
	}
	if !it.bad {
		b.tally.surprises.Add(1)
	}
	b.dropLocked(it)
	return !it.bad
}

// offer queues everything that is not in the city: a new connection, a new
// incarnation of the station.
func (b *outbox) offer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range b.items {
		if !it.flying && it.sent > 0 {
			b.queueLocked(it)
		}
	}
	b.cond.Broadcast()
}

func (b *outbox) queueLocked(it *item) {
	if !it.queued {
		it.queued = true
		b.again = append(b.again, it)
	}
}

// doneLocked drops what is acknowledged and in the city, once it is sent no more.
func (b *outbox) doneLocked(it *item) {
	if it.acked && it.city && !it.queued && !it.flying {
		b.dropLocked(it)
	}
}

func (b *outbox) dropLocked(it *item) {
	delete(b.items, it.id)
	if b.sums[it.sum] == it {
		delete(b.sums, it.sum)
	}
}

// waiting is how many have no answer, and how many are not in the city yet.
func (b *outbox) waiting() (unanswered, kept int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, len(b.items)
}

// kept are acknowledged reports without a city receipt, at most n.
func (b *outbox) kept(n int) (ids []record.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, it := range b.items {
		if len(ids) == n {
			break
		}
		if it.acked && !it.city {
			ids = append(ids, id)
		}
	}
	return ids
}
