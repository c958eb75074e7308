package crowd

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// tally counts a run. refused of a cable are NAKs; surprises are well-formed
// reports that were refused for good.
type tally struct {
	sent, acknowledged, city, repeats, refused, surprises atomic.Int64

	mu      sync.Mutex // guards latency
	latency histogram
}

func (t *tally) acked(after time.Duration) {
	t.acknowledged.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latency.add(after)
}

// line is the counts so far; waiting is how many have no answer.
func (t *tally) line(waiting, kept int) string {
	t.mu.Lock()
	p50, p99 := t.latency.quantile(0.5), t.latency.quantile(0.99)
	t.mu.Unlock()
	return fmt.Sprintf("sent %d acknowledged %d city %d repeats %d refused %d unanswered %d kept %d p50 %v p99 %v",
		t.sent.Load(), t.acknowledged.Load(), t.city.Load(), t.repeats.Load(), t.refused.Load(), waiting, kept, p50, p99)
}

const (
	// sub is how many buckets a doubling has: a quantile is at most 1/16 too high.
	sub     = 16
	subBits = 4
)

// histogram counts durations of a microsecond to centuries in fixed space.
type histogram struct {
	n       int64
	buckets [64 * sub]int64
}

// bucket of a number of microseconds: its power of two and the next bits.
func bucket(us uint64) int {
	if us < sub {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - subBits
	return (shift+1)*sub + int(us>>shift) - sub
}

// top is the largest number in a bucket.
func top(i int) uint64 {
	if i < sub {
		return uint64(i)
	}
	shift := i/sub - 1
	return (uint64(i%sub)+sub+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	h.n++
	h.buckets[bucket(uint64(max(0, d.Microseconds())))]++
}

// quantile is the upper bound of q of all durations, 0 without any.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q*float64(h.n-1)) + 1
	for i, n := range h.buckets {
		if rank -= n; n > 0 && rank <= 0 {
			return time.Duration(top(i)) * time.Microsecond
		}
	}
	return 0
}
