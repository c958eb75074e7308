package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"wardline/sync/record"
)

// Kind says what became of a message.
type Kind uint8

// The kinds; the zero value promises nothing.
const (
	// Later: it cannot be taken now and must be sent again.
	Later Kind = iota
	// Kept: it is on the disk.
	Kept
	// Refused: it is no report and never will be; its bytes are on the disk.
	Refused
)

// Message is what a device published at the other broker.
type Message struct {
	Ward record.WardCode
	// Device is the device's name behind the bridge: "bridge/device", or the
	// bridge's own when the topic names none.
	Device string
	Topic  string
	// Payload is what the handler may keep; nobody changes it afterwards.
	Payload []byte
	// Cut says that the payload was longer; what is here is over the limit
	// already, and is there to be kept, not read.
	Cut bool
	// Misfit says what is wrong with the topic; such a message is no report.
	Misfit string
}

// Handler is the station behind a bridge.
type Handler interface {
	// Deliver takes a message and does not block. answer is called once, from
	// any goroutine, after the sync; it does not block.
	Deliver(m Message, answer func(Kind))
}

// Status is a bridge as the desk shows it.
type Status struct {
	Connected bool
	// Since is when it connected or was lost; the start, before either.
	Since time.Time
	// Broker is the address, without user and password.
	Broker string
	// Err is why it is not connected, or what is wrong although it is.
	Err string
	// Waiting: messages were refused for now and wait at the broker.
	Waiting bool
	// Counts since the start.
	Received, Kept, Refused, Later int64
	// Lost are messages of QoS 0 that could not be stored in time.
	Lost int64
}

// Bridge is one connection to a broker that is not ours.
type Bridge struct {
	c       Config
	origin  record.Origin
	addr    address
	handler Handler
	wall    func() time.Time
	log     *slog.Logger
	pace    pace
	bounds  bounds

	queue   chan *item    // to the handler; never full, see take
	answers chan *item    // from the handler; never full, see take
	room    chan struct{} // a message was answered; wakes admit

	mu       sync.Mutex // guards below
	st       Status
	said     string    // the error that was logged last
	lostSaid time.Time // when a loss was
	count    int       // messages in work
	bytes    int       // of their payloads
	closing  bool
	idle     chan struct{} // closed when closing and count is 0
}

// pace is how long things wait.
type pace struct {
	first, most time.Duration // between attempts to connect
	again, long time.Duration // before what was refused for now is asked for again
	steady      time.Duration // a connection that stood so long starts the waits anew
	drain       time.Duration // for answers under way, at the end
}

// defaultPace: a broker that restarts is found again within a second or two, one
// that is gone is asked twice a minute.
var defaultPace = pace{first: 500 * time.Millisecond, most: 30 * time.Second, again: time.Second, long: 30 * time.Second,
	steady: time.Minute, drain: 3 * time.Second}

// New makes a bridge; it checks and starts nothing.
func New(c Config, origin record.Origin, h Handler, wall func() time.Time, log *slog.Logger) (*Bridge, error) {
	fail := func(err error) (*Bridge, error) { return nil, fmt.Errorf("bridge %s: %w", c.Name, err) }
	if err := c.Validate(); err != nil {
		return fail(err)
	}
	a, err := c.address()
	if err != nil {
		return fail(err)
	}
	if _, _, err := c.credentials(a); err != nil {
		return fail(err)
	}
	if _, err := c.tlsConfig(a); err != nil {
		return fail(err)
	}
	b := &Bridge{c: c, origin: origin, addr: a, handler: h, wall: wall, log: log.With("bridge", c.Name, "broker", a.String()), pace: defaultPace,
		idle: make(chan struct{}), room: make(chan struct{}, 1), st: Status{Since: wall(), Broker: a.String(), Err: "not connected yet"}}
	b.setBounds(defaultBounds)
	return b, nil
}

// Name is the bridge's name.
func (b *Bridge) Name() string { return b.c.Name }

// Status is the state now.
func (b *Bridge) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.st
}

// Run connects for ever and returns after ctx has ended, without an error: a
// broker that is gone is no reason to end a station. At the end it takes no more,
// waits a moment for the answers of what it took, so that they are acknowledged,
// and disconnects. It is called once.
func (b *Bridge) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { b.deliver(work) })
	wg.Go(func() { b.settle(work) })
	defer wg.Wait()
	defer stop()
	var connect, again wait
	subscribed := false
	for ctx.Err() == nil {
		s := &session{b: b, again: make(chan struct{}, 1), lost: make(chan error, 1)}
		start := b.wall()
		err := s.run(ctx, &subscribed, &again)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errAgain):
			connect.tries = 0
			continue // it has waited already
		default:
			b.down(err)
			if s.up && b.wall().Sub(start) >= b.pace.steady {
				connect.tries = 0
			}
			sleep(ctx, connect.next(b.pace.first, b.pace.most))
		}
	}
	b.drain() // without a connection too: what came at QoS 0 may be here only
	b.setState(func(st *Status) bool {
		was := st.Connected
		st.Connected, st.Err = false, "the station is stopping"
		return was
	})
	return nil
}

// setState changes the status under its lock; f says whether the state turned.
func (b *Bridge) setState(f func(*Status) bool) (turned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if turned = f(&b.st); turned {
		b.st.Since = b.wall()
	}
	return turned
}

func (b *Bridge) up(present bool, problem string) {
	turned := b.setState(func(st *Status) bool {
		was := st.Connected
		st.Connected, st.Err = true, problem
		return !was
	})
	b.mu.Lock()
	fresh := b.said != problem
	b.said = problem
	b.mu.Unlock()
	if turned {
		b.log.Info("bridge connected", "session_kept", present)
	}
	if problem != "" && fresh {
		b.log.Warn("bridge: " + problem)
	}
}

// down says once what is wrong, however often it is tried.
func (b *Bridge) down(err error) {
	turned := b.setState(func(st *Status) bool {
		was := st.Connected
		st.Connected, st.Err = false, err.Error()
		return was
	})
	b.mu.Lock()
	fresh := b.said != err.Error()
	b.said = err.Error()
	b.mu.Unlock()
	switch {
	case turned:
		b.log.Warn("bridge lost; it is tried again", "err", err)
	case fresh:
		b.log.Warn("bridge cannot connect; it is tried again", "err", err)
	}
}

// wait is a backoff with jitter: between half and the whole of a time that doubles.
type wait struct{ tries int }

func (w *wait) next(first, most time.Duration) time.Duration {
	d := most
	if w.tries < 20 {
		d = min(most, first<<w.tries)
	}
	w.tries++
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
