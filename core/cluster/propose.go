package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// routineShare is what an entry keeps free for routine items when both lanes
// wait: an eighth, so that a flood of urgent ones slows the drain but never stops it.
const routineShare = maxEntryBytes / 8

// proposal is one item on its way through the leader.
type proposal struct {
	item  []byte
	taken atomic.Int32 // 0 in the queue, 1 in a Raft entry, 2 given up by its caller
	done  chan outcome // has room for the one outcome
}

type outcome struct {
	result []byte
	err    error
}

// queue holds what waits in one lane.
type queue struct {
	items []*proposal
	bytes int
}

// proposer is the one place where this node, while it leads, turns items into
// Raft entries. One goroutine packs; each entry under way has one that waits for it.
type proposer struct {
	apply    func([]byte) raft.ApplyFuture
	limits   [2]int
	maxBytes int
	low      func() bool // no routine items are taken
	wake     chan struct{}
	down     <-chan struct{} // closed when no outcome can come any more

	mu     sync.Mutex
	closed bool
	q      [2]queue
	// out counts the Raft entries under way: those with urgent items only, and those with routine ones.
	out [2]int
}

func newProposer(cfg Config, down <-chan struct{}, low func() bool, apply func([]byte) raft.ApplyFuture) *proposer {
	return &proposer{
		apply: apply, low: low, down: down, maxBytes: cfg.QueueBytes, limits: [2]int{cfg.UrgentItems, cfg.RoutineItems},
		wake: make(chan struct{}, 1),
	}
}

// propose queues an item and waits for its outcome.
func (p *proposer) propose(ctx context.Context, lane Lane, item []byte) ([]byte, error) {
	if lane == Routine && p.low() {
		return nil, ErrNoSpace
	}
	pr := &proposal{item: item, done: make(chan outcome, 1)}
	p.mu.Lock()
	q := &p.q[lane]
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, ErrClosed
	case len(q.items) >= p.limits[lane] || q.bytes+len(item) > p.maxBytes:
		p.mu.Unlock()
		return nil, ErrBusy
	}
	q.items = append(q.items, pr)
	q.bytes += len(item)
	p.mu.Unlock()
	p.signal()
	select {
	case o := <-pr.done:
		return o.result, o.err
	case <-ctx.Done():
		if pr.taken.CompareAndSwap(0, 2) {
			return nil, ctx.Err() // it never left the queue
		}
		return nil, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	case <-p.down:
		if pr.taken.CompareAndSwap(0, 2) {
			return nil, ErrClosed
		}
		select {
		case o := <-pr.done:
			return o.result, o.err
		default:
			return nil, fmt.Errorf("%w: %w", ErrUnknown, ErrClosed)
		}
	}
}

func (p *proposer) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run packs and hands to Raft until ctx ends, then turns away what waits.
func (p *proposer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			p.turnAway()
			return
		case <-p.wake:
		}
		for {
			batch, kind := p.take()
			if len(batch) == 0 {
				break
			}
			items := make([][]byte, len(batch))
			for i, pr := range batch {
				items[i] = pr.item
			}
			f := p.apply(packEntry(items))
			// At most ten of these. Raft, when it shuts down, leaves what is in
			// its queues unanswered: then one hangs until the process ends, and
			// nobody waits for it (down).
			go func() {
				answer(batch, f)
				p.mu.Lock()
				p.out[kind]--
				p.mu.Unlock()
				p.signal()
			}()
		}
	}
}

func (p *proposer) turnAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for i := range p.q {
		for _, pr := range p.q[i].items {
			if pr.taken.CompareAndSwap(0, 1) {
				pr.done <- outcome{err: ErrClosed}
			}
		}
		p.q[i] = queue{}
	}
}

// take picks what goes into the next Raft entry, urgent first; nothing when
// nothing waits or as much as may be is under way. kind is the counter that it was charged to.
func (p *proposer) take() (batch []*proposal, kind Lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	routine := len(p.q[Routine].items) > 0 && p.out[Routine] < routineOutstanding
	room := maxEntryBytes - entryOverhead
	kind = Urgent
	if p.out[Urgent] < urgentOutstanding {
		limit := room
		if routine {
			limit -= routineShare
		}
		batch = p.q[Urgent].fill(batch, &room, room-limit)
	}
	if routine {
		n := len(batch)
		if batch = p.q[Routine].fill(batch, &room, 0); len(batch) > n {
			kind = Routine
		}
	}
	if len(batch) > 0 {
		p.out[kind]++
	}
	return batch, kind
}

// fill moves items from the queue's head while they fit into room and leave
// keep of it; the first item of an entry may use all.
func (q *queue) fill(batch []*proposal, room *int, keep int) []*proposal {
	n := 0
	for _, pr := range q.items {
		size := packedSize(pr.item)
		if size > *room || len(batch) > 0 && *room-size < keep {
			break
		}
		n++
		q.bytes -= len(pr.item)
		if !pr.taken.CompareAndSwap(0, 1) {
			continue // its caller gave up
		}
		*room -= size
		batch = append(batch, pr)
	}
	clear(q.items[:n])
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil // let the array go after a burst
	}
	return batch
}

// answer waits for a Raft entry and gives each item's caller its outcome.
func answer(batch []*proposal, f raft.ApplyFuture) {
	var results [][]byte
	err := proposeError(f.Error())
	if err == nil {
		switch r := f.Response().(type) {
		case [][]byte:
			results = r
		case error:
			err = fmt.Errorf("%w: %w", ErrUnknown, r)
		}
	}
	for i, pr := range batch {
		o := outcome{err: err}
		if err == nil && i < len(results) {
			o.result = results[i]
		} else if err == nil {
			o.err = fmt.Errorf("%w: the state has no result for it", ErrUnknown)
		}
		pr.done <- o
	}
}

// proposeError tells what Raft did not take from what it may have taken.
func proposeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// depth is how many items wait in each lane.
func (p *proposer) depth() (urgent, routine int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.q[Urgent].items), len(p.q[Routine].items)
}

// leaderPoll is how often a caller looks again for a leader while there is none.
const leaderPoll = 20 * time.Millisecond

// Propose commits one item through whichever node leads and gives the State's
// result for it. It looks for a leader for at most Config.LeaderWait, and waits for
// the outcome until ctx ends. Errors: ErrUnknown (may be committed; propose it
// again), ErrNoLeader, ErrBusy, ErrNoSpace, ErrTooLarge, ErrClosed or the
// context's (not taken). The item must not be changed before Propose returns.
func (n *Node) Propose(ctx context.Context, lane Lane, item []byte) ([]byte, error) {
	if len(item) == 0 || len(item) > MaxItem {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(item), MaxItem)
	}
	if lane > Routine {
		return nil, fmt.Errorf("lane %d: there are %d (urgent) and %d (routine)", lane, Urgent, Routine)
	}
	var result []byte
	err := n.atLeader(ctx, func() (err error) {
		result, err = n.prop.propose(ctx, lane, item)
		return err
	}, func(addr string) (err error) {
		result, err = n.askers.ask(ctx, addr, askPropose, append([]byte{byte(lane)}, item...))
		return err
	})
	n.outcomes[lane][outcomeOf(err)].Add(1)
	return result, err
}

// atLeader runs here when this node leads, else there, and again while the
// answer is that the one asked does not lead, for at most Config.LeaderWait.
func (n *Node) atLeader(ctx context.Context, here func() error, there func(addr string) error) error {
	until := time.Now().Add(n.cfg.LeaderWait)
	for {
		err := n.once(here, there)
		if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrNoLeader) || errors.Is(err, ErrUnknown) {
			return err
		}
		if !time.Now().Before(until) {
			return fmt.Errorf("%w: %w", ErrNoLeader, err)
		}
		t := time.NewTimer(leaderPoll)
		select {
		case <-t.C:
		case <-n.closing:
			t.Stop()
			return ErrClosed
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
		}
	}
}

func (n *Node) once(here func() error, there func(addr string) error) error {
	r := n.raft.Load()
	if r == nil {
		return ErrNoLeader
	}
	if r.State() == raft.Leader {
		return here()
	}
	addr, id := r.LeaderWithID()
	if addr == "" || string(id) == n.cfg.ID {
		return ErrNoLeader
	}
	return there(string(addr))
}
