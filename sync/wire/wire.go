// Package wire is the messages between a station and the city, and how both
// ends dial and listen. Entries are bytes here; nothing is interpreted.
package wire

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"wardline/sync/record"
)

// Version of the messages; the two ends of a line must agree.
const Version = 1

// Limits of the line.
const (
	// MaxMessage bounds one message: a batch of 256 KiB with its keys, or one
	// part of an import of wards.
	MaxMessage = 2 << 20
	// silence is how long a line may be silent before it is taken for dead: a
	// black hole refuses nothing, so only the missing answer tells.
	pingEvery = 4 * time.Second
	silence   = 4 * time.Second
)

// Dial prepares a connection to a core node; it connects when used. A nil
// creds speaks in the clear, for tests alone; Machines gives those of the city.
func Dial(addr string, creds credentials.TransportCredentials, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	opts := append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: silence, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 3 * time.Second}, MinConnectTimeout: 3 * time.Second}),
		grpc.WithDisableServiceConfig(),
	}, more...)
	return grpc.NewClient("passthrough:///"+addr, opts...)
}

// NewServer makes the server side with the same limits.
func NewServer(creds credentials.TransportCredentials) *grpc.Server {
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	return grpc.NewServer(grpc.Creds(creds), grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
		grpc.MaxConcurrentStreams(16),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: silence}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 2 * time.Second, PermitWithoutStream: true}))
}

// FromHead makes a message of a head.
func FromHead(h record.Head) *Head {
	return &Head{Incarnation: uint64(h.Incarnation), Lane: uint32(h.Lane), Seq: uint64(h.Seq), Hash: h.Hash[:]}
}

// ToHead reads a head from a message.
func ToHead(h *Head) record.Head {
	out := record.Head{Incarnation: record.Incarnation(h.GetIncarnation()), Lane: record.LaneID(h.GetLane()), Seq: record.Seq(h.GetSeq())}
	copy(out.Hash[:], h.GetHash())
	return out
}
