package crowd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"wardline/sync/record"
)

const (
	// backlog bounds the unanswered reports of one device at a given rate: people
	// go on writing while their phone has no network.
	backlog = 50_000
	// grace is how long an interrupted run waits for answers that are on their way.
	grace = 2 * time.Second
	// backoffMin and backoffMax bound the pause between attempts to connect.
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
	// answerWithin bounds one exchange with a station: a black hole answers never.
	answerWithin = 15 * time.Second
	// maxIncarnations bounds how many of a station are remembered.
	maxIncarnations = 64
)

// ErrUnanswered: something was never acknowledged.
var ErrUnanswered = errors.New("never acknowledged")

// crowd is one run of apps or kiosks.
type crowd struct {
	o     Options
	tally tally
	ids   *idFile // nil without Options.IDs
	boxes []*outbox
}

// Run plays until the options' count or duration is reached or ctx ends, then
// waits for what is on its way. It returns an error that wraps ErrUnanswered
// when something was never acknowledged.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.Out = &printer{w: o.Out}
	senders, err := o.resolve()
	if err != nil {
		return err
	}
	if o.wired() {
		return runWired(ctx, o)
	}
	c := &crowd{o: o}
	if o.IDs != "" {
		if c.ids, err = openIDs(o.IDs); err != nil {
			return err
		}
	}
	to := o.MQTT
	if o.Via == ViaHTTP {
		to = o.URL
	}
	fmt.Fprintf(o.Out, "%d %s device(s) of ward %s over %s to %s, seed %d\n", len(senders), o.Kind, senders[0].ward, o.Via, to, o.Seed)
	err = c.run(ctx, senders)
	if c.ids != nil {
		err = errors.Join(err, c.ids.close())
	}
	return err
}

func (c *crowd) run(ctx context.Context, senders []sender) error {
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	limit := backlog
	if c.o.Rate == 0 {
		limit = 2 * c.o.Window // as fast as acknowledged
	}
	var wg sync.WaitGroup
	for _, s := range senders {
		box := newOutbox(limit, &c.tally)
		c.boxes = append(c.boxes, box)
		wg.Go(func() {
			if err := c.device(work, s, box); err != nil {
				stop(err)
			}
		})
	}
	if c.ids != nil {
		wg.Go(func() {
			select {
			case <-work.Done():
			case <-c.ids.dead:
				stop(c.ids.err)
			}
		})
	}
	wg.Go(func() { everySecond(work, c.o.Out, c.line) })
	c.source(ctx, work, senders)
	c.settle(ctx, work)
	stop(nil)
	wg.Wait()
	fmt.Fprintf(c.o.Out, "end: %s\n", c.line())
	if err := context.Cause(work); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if n, _ := c.waiting(); n > 0 {
		return fmt.Errorf("sim: %d of %d reports: %w", n, c.tally.sent.Load(), ErrUnanswered)
	}
	if n := c.tally.surprises.Load(); n > 0 {
		return fmt.Errorf("sim: %d well-formed reports were refused for good and so %w", n, ErrUnanswered)
	}
	return nil
}

func (c *crowd) device(ctx context.Context, s sender, box *outbox) error {
	d := &phone{crowd: c, sender: s, box: box, seen: map[string]bool{}}
	if c.o.Via == ViaHTTP {
		return d.runHTTP(ctx)
	}
	return d.runMQTT(ctx)
}

func (c *crowd) waiting() (unanswered, kept int) {
	for _, b := range c.boxes {
		u, k := b.waiting()
		unanswered, kept = unanswered+u, kept+k
	}
	return unanswered, kept
}

func (c *crowd) line() string { return c.tally.line(c.waiting()) }

// pace calls next for each event in its time, until the options' end, next's
// false or the end of either context.
func pace(ctx, work context.Context, o *Options, next func(ctx context.Context) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	if o.Duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	start := time.Now()
	for k := 0; o.Count == 0 || k < o.Count; k++ {
		if o.Rate > 0 {
			due := start.Add(time.Duration(float64(k) / o.Rate * float64(time.Second)))
			if !sleep(ctx, time.Until(due)) {
				return
			}
		}
		if ctx.Err() != nil || !next(ctx) {
			return
		}
	}
}

// source makes reports, device by device in turn.
func (c *crowd) source(ctx, work context.Context, senders []sender) {
	s, k := newStories(c.o.Seed, c.o.Kind, c.o.Malformed), 0
	pace(ctx, work, &c.o, func(ctx context.Context) bool {
		i := k % len(senders)
		k++
		return c.boxes[i].put(ctx, s.next(senders[i].ward, time.Now()))
	})
}

// settle waits until every report is answered and in the city. A run that was
// interrupted waits for answers only, and not for long.
func (c *crowd) settle(ctx, work context.Context) {
	begun := time.Now()
	for work.Err() == nil {
		unanswered, kept := c.waiting()
		switch waited := time.Since(begun); {
		case kept == 0, waited >= c.o.Settle, ctx.Err() != nil && (unanswered == 0 || waited >= grace):
			return
		}
		sleep(work, 20*time.Millisecond)
	}
}

// sleep waits; false when ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// jittered is a pause between half of d and one and a half.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// phone is one device of the run: an app or a kiosk.
type phone struct {
	*crowd
	sender
	box *outbox

	mu   sync.Mutex // guards seen
	seen map[string]bool
}

// landed says how a sending ended.
func (p *phone) landed(it *item, acked bool) {
	if p.box.landed(it, acked, acked && rand.Float64() < p.o.Repeat) && p.ids != nil {
		p.ids.add(it.id)
	}
}

// incarnation takes the station's; a new one means that its disk may be an old
// image, so everything that is not in the city is offered again.
func (p *phone) incarnation(s string) {
	if s == "" {
		return
	}
	p.mu.Lock()
	known, any := p.seen[s], len(p.seen) > 0
	if len(p.seen) < maxIncarnations {
		p.seen[s] = true
	}
	p.mu.Unlock()
	if any && !known {
		p.box.offer()
	}
}

// refused takes a refusal for good.
func (p *phone) refused(id record.ID, sum, why string) {
	if p.box.refused(id, sum) {
		fmt.Fprintf(p.o.Out, "%s: report %s was refused: %s\n", p.id, id, why)
	}
}
