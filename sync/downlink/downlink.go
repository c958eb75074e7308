// Package downlink brings what the city has for a ward to its station: the
// outbox, row by row, and after a long absence or a restored disk everything
// open that concerns the ward and the station's own entries that it lacks.
//
// The station saves its cursor with the data; the city forgets a row only when
// the station has acknowledged it. Both ends may die at any point.
package downlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/record"
	"wardline/sync/wire"
)

// Cursor is the last row of the outbox that a station has.
type Cursor struct {
	Seq  record.Seq
	Hash record.Hash
}

// Entry is an entry at its place in the city's order.
type Entry struct {
	Index uint64
	Raw   []byte // as record.Entry.Append wrote it
}

// Part is what goes down at once. A nil Cursor says that more of the same
// belongs to it.
type Part struct {
	Entries []Entry
	Keys    []record.WrappedKey
	Cursor  *Cursor
	Resync  bool
}

// Outbox is the city's side.
type Outbox interface {
	// Open says where to go on from a cursor: with rows, or with a resync when
	// the cursor is unknown or too old. heads are what is on the station's disk.
	Open(ctx context.Context, o record.Origin, c Cursor, heads []record.Head) (resync bool, err error)
	// Resync calls send with everything that the station needs, and gives the
	// cursor from which rows follow.
	Resync(ctx context.Context, o record.Origin, w *record.Wrapper, send func(Part) error) (Cursor, error)
	// Missing calls send with the station's own entries that its disk lacks.
	Missing(ctx context.Context, o record.Origin, heads []record.Head, w *record.Wrapper, send func(Part) error) error
	// Next calls send with the rows after a cursor, expanded, in parts of bounded
	// size of which the last carries the cursor that it returns; after itself when
	// there are none.
	Next(ctx context.Context, o record.Origin, after Cursor, w *record.Wrapper, send func(Part) error) (Cursor, error)
	// Taken says that the station has everything up to a cursor.
	Taken(ctx context.Context, o record.Origin, c Cursor) error
	Changed() <-chan struct{}
	Node() string
	Wall() time.Time
}

// Sink is the station's side.
type Sink interface {
	Origin() record.Origin
	Heads() []record.Head
	Cursor() (Cursor, error)
	// Apply is durable, with the cursor, when it returns.
	Apply(p Part, w *record.Wrapper) error
}

const (
	pingEvery = 2 * time.Second
	deadAfter = 7 * time.Second
	// maxAhead is how many parts may be under way without an acknowledgement.
	maxAhead   = 8
	ackEvery   = 500 * time.Millisecond
	backoffMin = 200 * time.Millisecond
	backoffMax = 4 * time.Second
)

// Sender is the city's end.
type Sender struct {
	Outbox Outbox
	Log    *slog.Logger
}

// Serve answers one Down stream.
func (v *Sender) Serve(stream grpc.BidiStreamingServer[wire.DownAck, wire.DownFrame]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	h := first.GetHello()
	if h == nil || h.Version != wire.Version || h.Origin == "" {
		return status.Errorf(codes.InvalidArgument, "hello of version %d; this node speaks version %d", h.GetVersion(), wire.Version)
	}
	origin := record.Origin(h.Origin)
	agree, err := wire.NewAgreement()
	if err != nil {
		return err
	}
	wrap, err := agree.Wrapper(h.Wrapping, false)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	var smu sync.Mutex
	send := func(f *wire.DownFrame) error {
		smu.Lock()
		defer smu.Unlock()
		return stream.Send(f)
	}
	if err := send(&wire.DownFrame{Welcome: &wire.Welcome{Node: v.Outbox.Node(), WallMs: v.Outbox.Wall().UnixMilli(), Wrapping: agree.Public()}}); err != nil {
		return err
	}
	acks := make(chan Cursor, 64)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer cancel()
		for {
			f, err := stream.Recv()
			if err != nil {
				return
			}
			if c := f.GetTaken(); c != nil {
				select {
				case acks <- toCursor(c):
				case <-ctx.Done():
					return
				}
				continue
			}
			if send(&wire.DownFrame{PongMs: f.GetPingMs()}) != nil {
				return
			}
		}
	}()
	part := func(p Part) error { return send(fromPart(p)) }
	var heads []record.Head
	for _, m := range h.Heads {
		heads = append(heads, wire.ToHead(m))
	}
	cur := toCursor(first.Cursor)
	resync, err := v.Outbox.Open(ctx, origin, cur, heads)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if err := v.Outbox.Missing(ctx, origin, heads, wrap, part); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if resync {
		if cur, err = v.Outbox.Resync(ctx, origin, wrap, part); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		if err := part(Part{Cursor: &cur, Resync: true}); err != nil {
			return err
		}
	}
	return v.rows(ctx, origin, cur, wrap, part, acks)
}

// rows sends what follows a cursor, as fast as the station takes it.
func (v *Sender) rows(ctx context.Context, o record.Origin, cur Cursor, w *record.Wrapper, part func(Part) error, acks <-chan Cursor) error {
	ahead := 0
	var taken, told Cursor
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		changed := v.Outbox.Changed()
		if ahead < maxAhead {
			next, err := v.Outbox.Next(ctx, o, cur, w, part)
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
		case taken = <-acks:
			ahead = max(0, ahead-1)
		case <-changed:
		case <-tick.C:
			if taken.Seq > told.Seq {
				if err := v.Outbox.Taken(ctx, o, taken); err != nil {
					v.Log.Debug("what a station took could not be noted now", "origin", o, "err", err)
					continue
				}
				told = taken
			}
		}
	}
}

func toCursor(c *wire.Cursor) Cursor {
	out := Cursor{Seq: record.Seq(c.GetSeq())}
	copy(out.Hash[:], c.GetHash())
	return out
}

func fromCursor(c Cursor) *wire.Cursor { return &wire.Cursor{Seq: uint64(c.Seq), Hash: c.Hash[:]} }

func fromPart(p Part) *wire.DownFrame {
	f := &wire.DownFrame{Resync: p.Resync}
	for _, e := range p.Entries {
		f.Entries = append(f.Entries, &wire.CityEntry{Index: e.Index, Entry: e.Raw})
	}
	for _, k := range p.Keys {
		f.Keys = append(f.Keys, k.Append(nil))
	}
	if p.Cursor != nil {
		f.Cursor = fromCursor(*p.Cursor)
	}
	return f
}

func toPart(f *wire.DownFrame) (Part, error) {
	p := Part{Resync: f.Resync}
	for _, e := range f.Entries {
		p.Entries = append(p.Entries, Entry{e.Index, e.Entry})
	}
	for _, raw := range f.Keys {
		k, err := record.DecodeWrappedKey(raw)
		if err != nil {
			return p, err
		}
		p.Keys = append(p.Keys, k)
	}
	if f.Cursor != nil {
		c := toCursor(f.Cursor)
		p.Cursor = &c
	}
	return p, nil
}

// Config of a receiver.
type Config struct {
	Connect func(try int) (*grpc.ClientConn, error)
	Boot    uint64
	Wall    func() time.Time
	Log     *slog.Logger
}

// Receiver is the station's end.
type Receiver struct {
	c    Config
	sink Sink
}

// New makes a receiver; it starts nothing.
func New(c Config, s Sink) *Receiver { return &Receiver{c, s} }

// Run keeps the downlink up until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	wait := backoffMin
	for try := 0; ctx.Err() == nil; try++ {
		began := time.Now()
		err := r.session(ctx, try)
		if ctx.Err() != nil {
			return nil
		}
		r.c.Log.Debug("downlink broke", "err", err)
		if time.Since(began) > 2*backoffMax {
			wait = backoffMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, backoffMax)
	}
	return nil
}

var errDead = errors.New("downlink: the city has not answered in time")

func (r *Receiver) session(ctx context.Context, try int) error {
	conn, err := r.c.Connect(try)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it only frees what the session used
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agree, err := wire.NewAgreement()
	if err != nil {
		return err
	}
	cur, err := r.sink.Cursor()
	if err != nil {
		return err
	}
	h := &wire.Hello{Version: wire.Version, Origin: string(r.sink.Origin()), Boot: r.c.Boot, WallMs: r.c.Wall().UnixMilli(), Wrapping: agree.Public()}
	for _, hd := range r.sink.Heads() {
		h.Heads = append(h.Heads, wire.FromHead(hd))
	}
	frames := make(chan *wire.DownFrame, 4)
	failed := make(chan error, 1)
	streams := make(chan grpc.BidiStreamingClient[wire.DownAck, wire.DownFrame], 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Add(1)
	go func() {
		defer wg.Done()
		stream, err := wire.NewLineClient(conn).Down(ctx)
		if err != nil {
			failed <- err
			return
		}
		streams <- stream
		for {
			f, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case frames <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	var stream grpc.BidiStreamingClient[wire.DownAck, wire.DownFrame]
	select {
	case stream = <-streams:
	case err := <-failed:
		return err
	case <-time.After(deadAfter):
		return errDead
	}
	if err := stream.Send(&wire.DownAck{Kind: &wire.DownAck_Hello{Hello: h}, Cursor: fromCursor(cur)}); err != nil {
		return err
	}
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	heard := time.Now()
	var wrap *record.Wrapper
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case f := <-frames:
			heard = time.Now()
			switch {
			case f.Welcome != nil:
				if wrap, err = agree.Wrapper(f.Welcome.Wrapping, true); err != nil {
					return err
				}
			case f.PongMs != 0:
			case wrap == nil:
				return errors.New("downlink: the city sent entries before its welcome")
			default:
				if err := r.take(stream, f, wrap); err != nil {
					return err
				}
			}
		case <-tick.C:
			if time.Since(heard) > deadAfter {
				return errDead
			}
			if err := stream.Send(&wire.DownAck{Kind: &wire.DownAck_PingMs{PingMs: r.c.Wall().UnixMilli()}}); err != nil {
				return err
			}
		}
	}
}

func (r *Receiver) take(stream grpc.BidiStreamingClient[wire.DownAck, wire.DownFrame], f *wire.DownFrame, w *record.Wrapper) error {
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
	return stream.Send(&wire.DownAck{Kind: &wire.DownAck_Taken{Taken: fromCursor(*p.Cursor)}})
}
