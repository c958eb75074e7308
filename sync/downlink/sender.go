package downlink

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/wire"
)

// Sender is the city's end.
type Sender struct {
	Outbox Outbox
	Log    *slog.Logger
}

// Serve answers one Down stream until it ends, or ends it with an error for
// the station. ctx is the stream's. The goroutine that reads the stream ends
// with the stream, which whoever called Serve ends as it returns (gRPC does):
// nothing else can interrupt a Recv.
func (v *Sender) Serve(ctx context.Context, stream wire.DownServer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	g, err := wire.Greet(ctx, first.GetHello())
	if err != nil {
		return err
	}
	x := &serving{v: v, g: g, stream: stream, out: wire.NewOutlet(stream), acks: make(chan Cursor, ackQueue)}
	part := func(p Part) error { return x.out.Send(ctx, fromPart(p)) }
	w := &wire.Welcome{Node: v.Outbox.Node(), WallMs: v.Outbox.Wall().UnixMilli(), Wrapping: g.Public}
	if err := x.out.Send(ctx, &wire.DownFrame{Welcome: w}); err != nil {
		return err
	}
	go x.read(ctx, cancel)
	cur := toCursor(first.Cursor)
	resync, err := v.Outbox.Open(ctx, g.Origin, cur, g.Heads)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if err := v.Outbox.Missing(ctx, g.Origin, g.Heads, g.Wrap, part); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if resync {
		if cur, err = v.Outbox.Resync(ctx, g.Origin, g.Wrap, part); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		if err := part(Part{Cursor: &cur, Resync: true}); err != nil {
			return err
		}
	}
	return x.rows(ctx, cur, part)
}

// serving is one stream while it lasts.
type serving struct {
	v      *Sender
	g      wire.Greeted
	stream wire.DownServer
	out    wire.Outlet[wire.DownFrame]
	acks   chan Cursor
}

// read takes acknowledgements and answers pings.
func (x *serving) read(ctx context.Context, cancel func()) {
	pong, ended := wire.Pongs(ctx, x.out, func(ms int64) *wire.DownFrame { return &wire.DownFrame{PongMs: ms} })
	defer ended()
	defer cancel()
	for {
		f, err := x.stream.Recv()
		if err != nil {
			return
		}
		if c := f.GetTaken(); c != nil {
			select {
			case x.acks <- toCursor(c):
			case <-ctx.Done():
				return
			}
			continue
		}
		pong(f.GetPingMs())
	}
}

// rows sends what follows a cursor, as fast as the station takes it.
func (x *serving) rows(ctx context.Context, cur Cursor, part func(Part) error) error {
	ahead := 0
	var taken, told Cursor
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		changed := x.v.Outbox.Changed()
		if ahead < maxAhead {
			next, err := x.v.Outbox.Next(ctx, x.g.Origin, cur, x.g.Wrap, part)
			if err != nil {
				return status.Error(codes.Unavailable, err.Error())
			}
			if next != cur {
				cur = next
				ahead++
				continue
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case taken = <-x.acks:
			ahead = max(0, ahead-1)
		case <-changed:
		case <-tick.C:
			if taken.Seq > told.Seq {
				if err := x.v.Outbox.Taken(ctx, x.g.Origin, taken); err != nil {
					x.v.Log.Debug("what a station took could not be noted now", "origin", x.g.Origin, "err", err)
					continue
				}
				told = taken
			}
		}
	}
}
