package wire

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/record"
)

// maxHeads bounds the heads in a hello: three lanes of ten thousand lives.
const maxHeads = 30_000

// Greeted is what a station said of itself.
type Greeted struct {
	Origin record.Origin
	Boot   uint64
	Heads  []record.Head
	// Wrap wraps keys for this stream, Public is our half of its agreement.
	Wrap   *record.Wrapper
	Public []byte
}

// Greet reads a station's hello, the first frame of each stream, and makes the
// city's half of the agreement. ctx is the stream's (As). Its errors are gRPC's, for the station.
func Greet(ctx context.Context, h *Hello) (Greeted, error) {
	g := Greeted{Origin: record.Origin(h.GetOrigin()), Boot: h.GetBoot()}
	if h == nil || h.Version != Version {
		return g, status.Errorf(codes.InvalidArgument, "hello of version %d; this node speaks version %d", h.GetVersion(), Version)
	}
	if _, ok := g.Origin.Ward(); !ok {
		return g, status.Errorf(codes.InvalidArgument, "hello from %q, which is no station; one is called ward-NNNNN", g.Origin)
	}
	if err := may(ctx, g.Origin); err != nil {
		return g, err
	}
	if len(h.Heads) > maxHeads {
		return g, status.Errorf(codes.InvalidArgument, "hello with %d heads, at most %d", len(h.Heads), maxHeads)
	}
	for _, m := range h.Heads {
		g.Heads = append(g.Heads, ToHead(m))
	}
	agree, err := NewAgreement()
	if err != nil {
		return g, err
	}
	g.Public = agree.Public()
	if g.Wrap, err = agree.Wrapper(h.Wrapping, false); err != nil {
		return g, status.Error(codes.InvalidArgument, err.Error())
	}
	return g, nil
}

// SayHello makes a station's hello and its half of the agreement.
func SayHello(o record.Origin, boot uint64, heads []record.Head, wallMS int64) (*Hello, *Agreement, error) {
	agree, err := NewAgreement()
	if err != nil {
		return nil, nil, fmt.Errorf("wire: hello: %w", err)
	}
	h := &Hello{Version: Version, Origin: string(o), Boot: boot, WallMs: wallMS, Wrapping: agree.Public()}
	for _, hd := range heads {
		h.Heads = append(h.Heads, FromHead(hd))
	}
	return h, agree, nil
}
