package uplink

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"wardline/sync/record"
)

// kept is what became of a receipt.
type kept struct {
	f   flight
	err error
}

// keeper saves a session's receipts beside its sending: each is a sync of the station's
// disk, and an urgent entry must not wait for that of the routine's. Of a chain's receipts that wait
// only the last is saved, since it says all that those before it say. What is not saved when the session
// ends is asked for again by the next one.
type keeper struct {
	save   func(record.Receipt) error
	failed chan kept
	wake   chan struct{}
	ended  chan struct{} // closed when run has returned

	mu      sync.Mutex // guards below
	waiting map[record.ChainID]keeping
	busy    bool          // one is being saved
	idle    chan struct{} // closed when none waits and none is being saved; nil: nobody asks
}

type keeping struct {
	r record.Receipt
	f flight
}

func newKeeper(save func(record.Receipt) error) *keeper {
	return &keeper{save: save, failed: make(chan kept), wake: make(chan struct{}, 1), ended: make(chan struct{}), waiting: map[record.ChainID]keeping{}}
}

// put hands a receipt over; it does not wait. There is one of each chain at most.
func (k *keeper) put(r record.Receipt, f flight) {
	k.mu.Lock()
	k.waiting[r.Chain] = keeping{r, f}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// next takes the receipt that is saved next: of the most urgent lane.
func (k *keeper) next() (keeping, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = false
	if len(k.waiting) == 0 {
		if k.idle != nil {
			close(k.idle)
			k.idle = nil
		}
		return keeping{}, false
	}
	list := make([]record.ChainID, 0, len(k.waiting))
	for c := range k.waiting {
		list = append(list, c)
	}
	c := slices.MinFunc(list, func(a, b record.ChainID) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	x := k.waiting[c]
	delete(k.waiting, c)
	k.busy = true
	return x, true
}

// run saves until ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer close(k.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		for ctx.Err() == nil {
			x, ok := k.next()
			if !ok {
				break
			}
			if err := k.save(x.r); err != nil {
				select {
				case k.failed <- kept{x.f, err}:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// rest gives what is closed when everything that was put is saved, or failed.
func (k *keeper) rest() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == 0 && !k.busy {
		done := make(chan struct{})
		close(done)
		return done
	}
	if k.idle == nil {
		k.idle = make(chan struct{})
	}
	return k.idle
}
