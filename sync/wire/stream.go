package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Times of a line.
const (
	// PingEvery and DeadAfter find a line that vanished without refusing: each
	// ping is answered, and a station that heard nothing for DeadAfter takes the
	// line for dead. At the city gRPC's keepalive does the same (NewServer).
	PingEvery = 2 * time.Second
	DeadAfter = 7 * time.Second
	// backoffMin and backoffMax bound the time between two tries.
	backoffMin = 200 * time.Millisecond
	backoffMax = 4 * time.Second
	// queue is how many frames may wait for the session that reads them.
	queue = 16
)

// ErrDead says that the city was not heard for DeadAfter.
var ErrDead = errors.New("wire: the city has not answered in time")

// Stream is one end of an open stream of frames: what both ends need of gRPC,
// so that they run over a simulated network too. One goroutine may send while
// another receives.
type Stream[Out, In any] interface {
	Send(*Out) error
	Recv() (*In, error)
}

// The two streams, as each end sees them.
type (
	// UpClient is the station's end of Up.
	UpClient = Stream[UpFrame, UpReply]
	// UpServer is the city's end of Up.
	UpServer = Stream[UpReply, UpFrame]
	// DownClient is the station's end of Down.
	DownClient = Stream[DownAck, DownFrame]
	// DownServer is the city's end of Down.
	DownServer = Stream[DownFrame, DownAck]
)

// Opener opens the n-th try's stream from the station. The stream ends when
// ctx does; free gives back what it used.
type Opener[Out, In any] func(ctx context.Context, try int) (s Stream[Out, In], free func(), err error)

// Connect gives the connection of the n-th try, each time a new one.
type Connect func(try int) (*grpc.ClientConn, error)

// Up opens Up over gRPC.
func (c Connect) Up(ctx context.Context, try int) (UpClient, func(), error) {
	return dialed(c, try, func(l LineClient) (UpClient, error) { return l.Up(ctx) })
}

// Down opens Down over gRPC.
func (c Connect) Down(ctx context.Context, try int) (DownClient, func(), error) {
	return dialed(c, try, func(l LineClient) (DownClient, error) { return l.Down(ctx) })
}

func dialed[S any](c Connect, try int, open func(LineClient) (S, error)) (S, func(), error) {
	var none S
	conn, err := c(try)
	if err != nil {
		return none, nil, err
	}
	s, err := open(NewLineClient(conn))
	if err != nil {
		return none, nil, errors.Join(err, conn.Close())
	}
	return s, func() { _ = conn.Close() }, nil // the session's result is known by then
}

// Session is the station's end of a stream while it lasts.
type Session[Out, In any] struct {
	// Frames is what arrived, in order.
	Frames <-chan *In
	ctx    context.Context
	out    Outlet[Out]
	hello  chan struct{} // closed after the first frame
	first  sync.Once
}

// Send sends one frame; the first one is the hello. It fails when the line is
// taken for dead, also while it waits for room.
func (s *Session[Out, In]) Send(f *Out) error {
	err := s.out.Send(s.ctx, f)
	if err == nil {
		s.first.Do(func() { close(s.hello) })
	}
	return err
}

// pings sends one each PingEvery, whatever the session is busy with: a slow
// disk of ours is no dead line.
func (s *Session[Out, In]) pings(ping func() *Out) {
	select {
	case <-s.hello:
	case <-s.ctx.Done():
		return
	}
	tick := time.NewTicker(PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			if s.out.Send(s.ctx, ping()) != nil {
				return // whoever reads hears why
			}
		}
	}
}

// Beat keeps a line alive: Ping makes what the city answers at once, Pong says
// of what arrived that it is no more than such an answer; the session does not
// get it.
type Beat[Out, In any] struct {
	Ping func() *Out
	Pong func(*In) bool
}

// Hold opens a stream and calls f with it. The context of f ends, with its
// cause, when the stream breaks or nothing was heard for DeadAfter. Hold
// returns after everything that it started has ended.
func Hold[Out, In any](ctx context.Context, open Opener[Out, In], try int, beat Beat[Out, In], f func(context.Context, *Session[Out, In]) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dead := time.AfterFunc(DeadAfter, func() { cancel(ErrDead) })
	defer dead.Stop()
	because := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	stream, free, err := open(ctx, try)
	if err != nil {
		return because(err)
	}
	frames := make(chan *In, queue)
	s := &Session[Out, In]{Frames: frames, ctx: ctx, out: NewOutlet(stream), hello: make(chan struct{})}
	var wg sync.WaitGroup
	defer func() {
		cancel(nil)
		free()
		wg.Wait()
	}()
	wg.Go(func() { s.pings(beat.Ping) })
	wg.Go(func() {
		for {
			in, err := stream.Recv()
			if err != nil {
				cancel(err)
				return
			}
			if beat.Pong(in) {
				dead.Reset(DeadAfter)
				continue
			}
			dead.Stop() // the line is not dead while a frame waits for us
			select {
			case frames <- in:
			case <-ctx.Done():
				return
			}
			dead.Reset(DeadAfter)
		}
	})
	err = f(ctx, s)
	return because(err)
}

// Keep calls session again and again until ctx ends, with growing pauses; broke
// hears why each one ended. jitter spreads a pause, so that a hundred stations
// do not come back at once; nil draws it.
func Keep(ctx context.Context, jitter func(time.Duration) time.Duration, session func(ctx context.Context, try int) error, broke func(error)) {
	if jitter == nil {
		jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d) }
	}
	wait := backoffMin
	for try := 0; ctx.Err() == nil; try++ {
		began := time.Now()
		err := session(ctx, try)
		if ctx.Err() != nil {
			return
		}
		broke(err)
		if time.Since(began) > 2*backoffMax {
			wait = backoffMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(jitter(wait)):
		}
		wait = min(2*wait, backoffMax)
	}
}

// Outlet lets several goroutines send on one stream, one at a time. Who waits
// for its turn gives up when ctx ends: a Send may wait for a line that is slow.
type Outlet[Out any] struct {
	send func(*Out) error
	turn chan struct{}
}

// NewOutlet makes the outlet of a stream.
func NewOutlet[Out, In any](s Stream[Out, In]) Outlet[Out] {
	return Outlet[Out]{s.Send, make(chan struct{}, 1)}
}

// Send sends one frame.
func (o Outlet[Out]) Send(ctx context.Context, f *Out) error {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.turn }()
	return o.send(f)
}

// Pongs answers pings beside everything else: the city's end must never stop
// reading because the station does not read now. A ping that comes before the
// last one is answered is left out. The goroutine ends with ctx; wait for it.
func Pongs[Out any](ctx context.Context, out Outlet[Out], pong func(ms int64) *Out) (answer func(ms int64), wait func()) {
	due := make(chan int64, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case ms := <-due:
				if out.Send(ctx, pong(ms)) != nil {
					return // whoever reads hears why
				}
			}
		}
	})
	return func(ms int64) {
		select {
		case due <- ms:
		default:
		}
	}, wg.Wait
}
