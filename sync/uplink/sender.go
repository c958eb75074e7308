// Package uplink carries a station's chains to the city: the Sender at the
// station, the Receiver at the core, tested against each other.
//
// It promises: entries of a chain arrive in order, each once; a receipt is
// kept only when its signature holds; urgent goes first and nothing starves;
// a line that vanishes without refusing is noticed; both ends may die at any
// point. It interprets no entry, and holds nothing that is not in the store:
// what it knows of a session dies with it.
package uplink

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"wardline/sync/record"
	"wardline/sync/wire"
)

// ChainState is one chain of the station and how far the city confirmed it.
type ChainState struct {
	Chain record.ChainID
	Order uint64 // incarnations in the order in which they began
	Head  record.Head
	City  record.Seq
}

// Store is the station's ledger.
type Store interface {
	Origin() record.Origin
	Chains() []ChainState
	// Read gives consecutive entries, with their keys wrapped for the line by w.
	Read(c record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error)
	// SaveReceipt is durable when it returns. After an error the same receipt is
	// asked for again.
	SaveReceipt(r record.Receipt) error
	// Reincarnate answers a fork: what stands from a seq on is appended again.
	Reincarnate(c record.ChainID, from record.Seq) error
	Changed() <-chan struct{}
	// Ahead says that the city holds more of a chain than this disk: a rollback,
	// or a clone at work.
	Ahead(c record.ChainID, have, city record.Seq)
	// Refused says that the city refuses a chain's entries for good. They are
	// offered again from time to time: a newer program may take them.
	Refused(c record.ChainID, from record.Seq, detail string)
}

// Limits of the line.
const (
	maxBatchEntries = 256
	maxBatchBytes   = 200 << 10
	// window is how many batches of one lane are under way: one is committed
	// while the next travels.
	window = 2
	// laterPause is how long a lane rests after the city said "later".
	laterPause = 300 * time.Millisecond
	// refusedPause is how long a chain rests that the city refuses. The others
	// go on: one entry that cannot be read stands in nobody's way.
	refusedPause = 30 * time.Second
	// stepBack is how far a fork is searched backwards at a time.
	stepBack = 128
)

// Config of a sender.
type Config struct {
	// Open opens the n-th try's stream.
	Open wire.Opener[wire.UpFrame, wire.UpReply]
	// Trust says whether a node's public key is to be believed; nil believes
	// what the line itself authenticated.
	Trust func(node string, key ed25519.PublicKey) error
	Boot  uint64
	Wall  func() time.Time
	// Health says with each ping how the station is, for people at the city; nil: nothing.
	Health func() *wire.Health
	// Jitter spreads the pauses between tries; nil draws it.
	Jitter func(time.Duration) time.Duration
	Log    *slog.Logger
}

// Sender is the station's end.
type Sender struct {
	c     Config
	store Store

	mu     sync.Mutex // guards status
	status Status
}

// Status is how the line is, for people.
type Status struct {
	Connected bool
	Since     time.Time
	LastHeard time.Time
	Node      string
	// Offset is the city's wall clock less ours at the handshake.
	Offset time.Duration
	// Forged counts receipts that did not prove what was sent: forged, damaged, or for
	// something else. Each ends the line.
	Forged uint64
}

// New makes a sender; it starts nothing.
func New(c Config, s Store) *Sender {
	return &Sender{c: c, store: s, status: Status{Since: c.Wall()}}
}

// Status is how the line is.
func (s *Sender) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Sender) set(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}

// Run keeps the line up until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	wire.Keep(ctx, s.c.Jitter, s.session, func(err error) {
		if s.Status().Connected {
			s.c.Log.Warn("the line to the city broke", "err", err)
		} else {
			s.c.Log.Debug("no line to the city", "err", err)
		}
		s.down()
	})
	s.down()
	return nil
}

func (s *Sender) down() {
	s.set(func(st *Status) {
		if st.Connected {
			st.Connected, st.Since = false, s.c.Wall()
		}
	})
}

func (s *Sender) session(ctx context.Context, try int) error {
	return wire.Hold(ctx, s.c.Open, try, wire.Beat[wire.UpFrame, wire.UpReply]{Ping: s.ping, Pong: s.pong}, func(ctx context.Context, line *upSession) error {
		ctx, cancel := context.WithCancel(ctx)
		keep := newKeeper(s.store.SaveReceipt)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { keep.run(ctx) })
		x := &session{s: s, line: line, keep: keep, city: map[record.ChainID]record.Head{}, chains: map[record.ChainID]*chain{},
			under: map[uint64]flight{}, lanes: map[record.LaneID]int{}, rest: map[record.LaneID]time.Time{}}
		if err := x.hello(ctx); err != nil {
			return err
		}
		return x.run(ctx)
	})
}

func (s *Sender) ping() *wire.UpFrame {
	f := &wire.UpFrame{Kind: &wire.UpFrame_PingMs{PingMs: s.c.Wall().UnixMilli()}}
	if s.c.Health != nil {
		f.Health = s.c.Health()
	}
	return f
}

func (s *Sender) pong(r *wire.UpReply) bool {
	s.set(func(st *Status) { st.LastHeard = s.c.Wall() })
	return r.GetAnswer() == nil && r.GetWelcome() == nil
}
