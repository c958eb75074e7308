package downlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"wardline/sync/record"
	"wardline/sync/wire"
)

// Config of a receiver.
type Config struct {
	// Open opens the n-th try's stream.
	Open wire.Opener[wire.DownAck, wire.DownFrame]
	Boot uint64
	Wall func() time.Time
	// Jitter spreads the pauses between tries; nil draws it.
	Jitter func(time.Duration) time.Duration
	Log    *slog.Logger
}

// Receiver is the station's end.
type Receiver struct {
	c     Config
	sink  Sink
	again chan struct{}
}

// New makes a receiver; it starts nothing.
func New(c Config, s Sink) *Receiver { return &Receiver{c, s, make(chan struct{}, 1)} }

// Again opens the stream anew: the disk lacks entries of its own that the city
// holds, and the city sends those at the beginning of a stream.
func (r *Receiver) Again() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

var errAgain = errors.New("downlink: opened anew, this disk lacks entries of its own")

// Run keeps the downlink up until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	wire.Keep(ctx, r.c.Jitter, func(ctx context.Context, try int) error {
		return wire.Hold(ctx, r.c.Open, try, wire.Beat[wire.DownAck, wire.DownFrame]{Ping: r.ping, Pong: pong}, r.session)
	}, func(err error) { r.c.Log.Debug("downlink broke", "err", err) })
	return nil
}

func (r *Receiver) ping() *wire.DownAck {
	return &wire.DownAck{Kind: &wire.DownAck_PingMs{PingMs: r.c.Wall().UnixMilli()}}
}

func pong(f *wire.DownFrame) bool { return f.PongMs != 0 }

type downSession = wire.Session[wire.DownAck, wire.DownFrame]

func (r *Receiver) session(ctx context.Context, line *downSession) error {
	cur, err := r.sink.Cursor()
	if err != nil {
		return err
	}
	h, agree, err := wire.SayHello(r.sink.Origin(), r.c.Boot, r.sink.Heads(), r.c.Wall().UnixMilli())
	if err != nil {
		return err
	}
	if err := line.Send(&wire.DownAck{Kind: &wire.DownAck_Hello{Hello: h}, Cursor: fromCursor(cur)}); err != nil {
		return err
	}
	var wrap *record.Wrapper
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.again:
			return errAgain
		case f := <-line.Frames:
			switch {
			case f.Welcome != nil:
				if wrap, err = agree.Wrapper(f.Welcome.Wrapping, true); err != nil {
					return err
				}
			case wrap == nil:
				return errors.New("downlink: the city sent entries before its welcome")
			default:
				if err := r.take(line, f, wrap); err != nil {
					return err
				}
			}
		}
	}
}

// take keeps a part and then says so.
func (r *Receiver) take(line *downSession, f *wire.DownFrame, w *record.Wrapper) error {
	p, err := toPart(f)
	if err != nil {
		return err
	}
	if err := r.sink.Apply(p, w); err != nil {
		return fmt.Errorf("downlink: %w", err)
	}
	if p.Cursor == nil {
		return nil
	}
	return line.Send(&wire.DownAck{Kind: &wire.DownAck_Taken{Taken: fromCursor(*p.Cursor)}})
}
