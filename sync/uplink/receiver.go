package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/packed"
	"wardline/sync/record"
	"wardline/sync/wire"
)

// Outcome is what became of a batch at the city.
type Outcome struct {
	Status wire.Answer_Status
	// Seq, Hash and Index are the chain's head and its place, for OK.
	Seq    record.Seq
	Hash   record.Hash
	Index  uint64
	At     record.Seq
	Detail string
}

// City is the core behind the receiver; any node.
type City interface {
	Node() string
	PublicKey() []byte
	// Heads are what the city holds of an origin, read so that everything
	// receipted before is among them.
	Heads(ctx context.Context, o record.Origin) ([]record.Head, error)
	// Append returns after the commit and this node's apply. An error means
	// that the outcome is unknown or that there is no room now.
	Append(ctx context.Context, lane record.LaneID, entries []byte, keys []record.WrappedKey, w *record.Wrapper) (Outcome, error)
	Sign(r *record.Receipt)
	// Up, Heard and Gone say that a station's line stands, that something came
	// over it, and that it broke. An error of Up refuses the line.
	Up(o record.Origin, boot uint64, heads []record.Head) error
	Heard(o record.Origin, boot uint64)
	Gone(o record.Origin, boot uint64)
	Wall() time.Time
}

// Receiver is the core's end.
type Receiver struct {
	City City
	// Health takes what a station says of itself with a ping; nil: nobody asks.
	Health func(o record.Origin, h *wire.Health)
	Log    *slog.Logger
}

// appendLimit is how long one batch may take; after it the sender is told to
// send it again.
const appendLimit = 15 * time.Second

// Serve answers one Up stream until it ends, or ends it with an error for the
// station. ctx is the stream's.
func (v *Receiver) Serve(ctx context.Context, stream wire.UpServer) error {
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
	origin := g.Origin
	heads, err := v.City.Heads(ctx, origin)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if err := v.City.Up(origin, g.Boot, g.Heads); err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	defer v.City.Gone(origin, g.Boot)
	out := wire.NewOutlet(stream)
	w := &wire.Welcome{Node: v.City.Node(), WallMs: v.City.Wall().UnixMilli(), PublicKey: v.City.PublicKey(), Wrapping: g.Public, Unpacks: true}
	for _, hd := range heads {
		w.Heads = append(w.Heads, wire.FromHead(hd))
	}
	if err := out.Send(ctx, &wire.UpReply{Kind: &wire.UpReply_Welcome{Welcome: w}}); err != nil {
		return err
	}
	pong, ended := wire.Pongs(ctx, out, func(ms int64) *wire.UpReply { return &wire.UpReply{Kind: &wire.UpReply_PongMs{PongMs: ms}} })
	defer ended()
	// A worker per lane keeps the order of each chain and lets urgent pass.
	work := map[record.LaneID]chan *wire.Batch{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		v.City.Heard(origin, g.Boot)
		if f.GetBatch() == nil {
			if h := f.GetHealth(); h != nil && v.Health != nil {
				v.Health(origin, h)
			}
			pong(f.GetPingMs())
			continue
		}
		b := f.GetBatch()
		lane := record.LaneID(b.Lane)
		if lane < record.Urgent || lane > record.Telemetry {
			return status.Errorf(codes.InvalidArgument, "lane %s is not a station's", lane)
		}
		ch := work[lane]
		if ch == nil {
			ch = make(chan *wire.Batch, window)
			work[lane] = ch
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					select {
					case <-ctx.Done():
						return
					case b := <-ch:
						if out.Send(ctx, &wire.UpReply{Kind: &wire.UpReply_Answer{Answer: v.take(ctx, origin, lane, b, g.Wrap)}}) != nil {
							cancel()
							return
						}
					}
				}
			}()
		}
		select {
		case ch <- b:
		case <-ctx.Done():
			return nil
		}
	}
}

func (v *Receiver) take(ctx context.Context, origin record.Origin, lane record.LaneID, b *wire.Batch, w *record.Wrapper) *wire.Answer {
	a := &wire.Answer{Number: b.Number}
	refuse := func(format string, args ...any) *wire.Answer {
		a.Status, a.Detail = wire.Answer_REFUSED, fmt.Sprintf(format, args...)
		return a
	}
	entries, err := packed.Unpack(b.Entries, wire.MaxMessage)
	if err != nil {
		return refuse("%v", err)
	}
	e, _, err := record.DecodeEntry(entries)
	if err != nil {
		return refuse("%v", err)
	}
	if e.Link.Origin != origin || e.Link.Lane != lane {
		return refuse("entries of %s/%s on a line of %s/%s", e.Link.Origin, e.Link.Lane, origin, lane)
	}
	keys := make([]record.WrappedKey, 0, len(b.Keys))
	for _, raw := range b.Keys {
		k, err := record.DecodeWrappedKey(raw)
		if err != nil {
			return refuse("%v", err)
		}
		keys = append(keys, k)
	}
	ctx, cancel := context.WithTimeout(ctx, appendLimit)
	defer cancel()
	out, err := v.City.Append(ctx, lane, entries, keys, w)
	if err != nil {
		v.Log.Debug("a batch could not be committed now", "origin", origin, "err", err)
		a.Status, a.Detail = wire.Answer_LATER, "not now"
		return a
	}
	a.Status, a.At, a.Detail = out.Status, uint64(out.At), out.Detail
	if out.Status == wire.Answer_OK {
		r := record.Receipt{Chain: e.Link.Chain(), Seq: out.Seq, Hash: out.Hash, CityIndex: out.Index, At: v.City.Wall().UnixMilli(), Node: v.City.Node()}
		v.City.Sign(&r)
		a.Receipt = r.Append(nil)
	}
	return a
}
