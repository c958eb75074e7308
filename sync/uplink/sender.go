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
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

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
	// SaveReceipt is durable when it returns.
	SaveReceipt(r record.Receipt) error
	// Reincarnate answers a fork: what stands from a seq on is appended again.
	Reincarnate(c record.ChainID, from record.Seq) error
	Changed() <-chan struct{}
	// Ahead says that the city holds more of a chain than this disk: a rollback.
	Ahead(c record.ChainID, have, city record.Seq)
}

// Limits of the line.
const (
	maxBatchEntries = 256
	maxBatchBytes   = 200 << 10
	// window is how many batches of one lane are under way: one is committed
	// while the next travels.
	window = 2
	// pingEvery and deadAfter find a line that vanished without refusing.
	pingEvery = 2 * time.Second
	deadAfter = 7 * time.Second
	// backoffMin and backoffMax bound the time between two tries.
	backoffMin = 200 * time.Millisecond
	backoffMax = 4 * time.Second
	// laterPause is how long a lane rests after the city said "later".
	laterPause = 300 * time.Millisecond
	// stepBack is how far a fork is searched backwards at a time.
	stepBack = 128
)

// Config of a sender.
type Config struct {
	// Connect opens a connection to the n-th try's core node.
	Connect func(try int) (*grpc.ClientConn, error)
	// Trust says whether a node's public key is to be believed; nil believes
	// what the line itself authenticated.
	Trust func(node string, key ed25519.PublicKey) error
	Boot  uint64
	Wall  func() time.Time
	Log   *slog.Logger
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
	wait := backoffMin
	for try := 0; ctx.Err() == nil; try++ {
		began := time.Now()
		err := s.session(ctx, try)
		was := s.Status().Connected
		s.set(func(st *Status) {
			if st.Connected {
				st.Connected, st.Since = false, s.c.Wall()
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		if was {
			s.c.Log.Warn("the line to the city broke", "err", err)
		} else {
			s.c.Log.Debug("no line to the city", "err", err)
		}
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

// chain is what a session knows of one chain.
type chain struct {
	ChainState
	next   record.Seq
	flight int
}

type flight struct {
	c          *chain
	from, last record.Seq
	hash       record.Hash
}

type session struct {
	s      *Sender
	stream grpc.BidiStreamingClient[wire.UpFrame, wire.UpReply]
	wrap   *record.Wrapper
	node   string
	key    ed25519.PublicKey
	city   map[record.ChainID]record.Head
	chains map[record.ChainID]*chain
	under  map[uint64]flight
	lanes  map[record.LaneID]int // batches under way
	rest   map[record.LaneID]time.Time
	number uint64
	picks  int
}

func (s *Sender) session(ctx context.Context, try int) error {
	conn, err := s.c.Connect(try)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it only frees what the session used
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &session{s: s, city: map[record.ChainID]record.Head{}, chains: map[record.ChainID]*chain{}, under: map[uint64]flight{},
		lanes: map[record.LaneID]int{}, rest: map[record.LaneID]time.Time{}}
	replies := make(chan *wire.UpReply, 16)
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	opened := make(chan error, 1)
	wg.Add(1)
	go func() {
		defer wg.Done()
		stream, err := wire.NewLineClient(conn).Up(ctx)
		x.stream = stream
		opened <- err
		if err != nil {
			return
		}
		for {
			r, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case replies <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	select {
	case err := <-opened:
		if err != nil {
			return err
		}
	case <-time.After(deadAfter):
		return errDead
	}
	if err := x.hello(replies, failed); err != nil {
		return err
	}
	return x.run(ctx, replies, failed)
}

var errDead = errors.New("uplink: the city has not answered in time")

func (x *session) hello(replies <-chan *wire.UpReply, failed <-chan error) error {
	agree, err := wire.NewAgreement()
	if err != nil {
		return err
	}
	h := &wire.Hello{Version: wire.Version, Origin: string(x.s.store.Origin()), Boot: x.s.c.Boot, WallMs: x.s.c.Wall().UnixMilli(), Wrapping: agree.Public()}
	for _, c := range x.s.store.Chains() {
		h.Heads = append(h.Heads, wire.FromHead(c.Head))
	}
	if err := x.stream.Send(&wire.UpFrame{Kind: &wire.UpFrame_Hello{Hello: h}}); err != nil {
		return err
	}
	var w *wire.Welcome
	select {
	case err := <-failed:
		return err
	case <-time.After(deadAfter):
		return errDead
	case r := <-replies:
		if w = r.GetWelcome(); w == nil {
			return errors.New("uplink: the city answered hello with something else")
		}
	}
	if x.wrap, err = agree.Wrapper(w.Wrapping, true); err != nil {
		return err
	}
	if len(w.PublicKey) != ed25519.PublicKeySize {
		return errors.New("uplink: the city's node has no key to sign receipts with")
	}
	x.node, x.key = w.Node, w.PublicKey
	if x.s.c.Trust != nil {
		if err := x.s.c.Trust(x.node, x.key); err != nil {
			return err
		}
	}
	for _, m := range w.Heads {
		hd := wire.ToHead(m)
		x.city[record.ChainID{Origin: x.s.store.Origin(), Incarnation: hd.Incarnation, Lane: hd.Lane}] = hd
	}
	have := map[record.ChainID]record.Seq{}
	for _, c := range x.s.store.Chains() {
		have[c.Chain] = c.Head.Seq
	}
	for id, hd := range x.city {
		if hd.Seq > have[id] {
			x.s.store.Ahead(id, have[id], hd.Seq)
		}
	}
	now := x.s.c.Wall()
	x.s.set(func(st *Status) {
		*st = Status{Connected: true, Since: now, LastHeard: now, Node: w.Node, Offset: time.UnixMilli(w.WallMs).Sub(now)}
	})
	x.s.c.Log.Info("the line to the city stands", "node", w.Node)
	return nil
}

func (x *session) run(ctx context.Context, replies <-chan *wire.UpReply, failed <-chan error) error {
	tick := time.NewTicker(laterPause) // lanes that rest go on with it
	defer tick.Stop()
	heard, pinged := time.Now(), time.Now()
	for {
		changed := x.s.store.Changed()
		for {
			sent, err := x.sendOne()
			if err != nil {
				return err
			}
			if !sent {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case r := <-replies:
			heard = time.Now()
			x.s.set(func(st *Status) { st.LastHeard = x.s.c.Wall() })
			if a := r.GetAnswer(); a != nil {
				if err := x.answered(a); err != nil {
					return err
				}
			}
		case <-tick.C:
			if time.Since(heard) > deadAfter {
				return errDead
			}
			if time.Since(pinged) < pingEvery {
				continue
			}
			pinged = time.Now()
			if err := x.stream.Send(&wire.UpFrame{Kind: &wire.UpFrame_PingMs{PingMs: x.s.c.Wall().UnixMilli()}}); err != nil {
				return err
			}
		case <-changed:
		}
	}
}

// refresh takes in what the store holds now.
func (x *session) refresh() {
	for _, c := range x.s.store.Chains() {
		k, ok := x.chains[c.Chain]
		if !ok {
			at := min(x.city[c.Chain].Seq, c.Head.Seq)
			k = &chain{next: at + 1}
			if c.City < at { // its receipt was lost on the way: the last entry again brings it
				k.next = at
			}
			x.chains[c.Chain] = k
		}
		k.ChainState = c
	}
}

// sendOne sends the next batch, urgent first; every eighth is of the others
// when they wait.
func (x *session) sendOne() (bool, error) {
	x.refresh()
	x.picks++
	order := []func(record.LaneID) bool{
		func(l record.LaneID) bool { return l == record.Urgent },
		func(l record.LaneID) bool { return l != record.Urgent },
	}
	if x.picks%8 == 0 {
		order[0], order[1] = order[1], order[0]
	}
	for _, in := range order {
		var best *chain
		for _, c := range x.chains {
			l := c.Chain.Lane
			if in(l) && c.next <= c.Head.Seq && x.lanes[l] < window && !time.Now().Before(x.rest[l]) &&
				(best == nil || c.Order < best.Order || (c.Order == best.Order && l < best.Chain.Lane)) {
				best = c
			}
		}
		if best != nil {
			return true, x.send(best)
		}
	}
	return false, nil
}

func (x *session) send(c *chain) error {
	list, keys, err := x.s.store.Read(c.Chain, c.next, maxBatchEntries, maxBatchBytes, x.wrap)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("uplink: the ledger has no entry %d of %v although its head is %d", c.next, c.Chain, c.Head.Seq)
	}
	b := &wire.Batch{Lane: uint32(c.Chain.Lane), Number: x.number}
	for _, e := range list {
		b.Entries = e.Append(b.Entries)
	}
	for _, k := range keys {
		b.Keys = append(b.Keys, k.Append(nil))
	}
	last := list[len(list)-1]
	x.under[x.number] = flight{c, c.next, last.Link.Seq, last.Hash()}
	x.number++
	x.lanes[c.Chain.Lane]++
	c.flight++
	c.next = last.Link.Seq + 1
	return x.stream.Send(&wire.UpFrame{Kind: &wire.UpFrame_Batch{Batch: b}})
}

// answered takes in what became of a batch.
func (x *session) answered(a *wire.Answer) error {
	f, ok := x.under[a.Number]
	if !ok {
		return fmt.Errorf("uplink: answer to batch %d, which was not sent", a.Number)
	}
	delete(x.under, a.Number)
	f.c.flight--
	lane := f.c.Chain.Lane
	x.lanes[lane]--
	switch a.Status {
	case wire.Answer_OK:
		return x.receipt(f, a.Receipt)
	case wire.Answer_GAP:
		if record.Seq(a.At) < f.c.next && f.c.flight == 0 {
			f.c.next = max(1, record.Seq(a.At))
		}
	case wire.Answer_LATER:
		x.rest[lane] = time.Now().Add(laterPause)
		if f.from < f.c.next {
			f.c.next = f.from
		}
	case wire.Answer_FORK:
		at := record.Seq(a.At)
		if at == f.from && at > 1 {
			f.c.next = max(1, at-min(at-1, stepBack)) // where it began lies further back
			return nil
		}
		if f.c.flight > 0 {
			return nil // one answer is enough, and the others will say the same
		}
		delete(x.chains, f.c.Chain)
		delete(x.city, f.c.Chain)
		if err := x.s.store.Reincarnate(f.c.Chain, at); err != nil {
			return err
		}
	default:
		return fmt.Errorf("uplink: the city refuses %v from %d: %s", f.c.Chain, f.from, a.Detail)
	}
	return nil
}

func (x *session) receipt(f flight, raw []byte) error {
	r, err := record.DecodeReceipt(raw)
	if err != nil {
		return err
	}
	if err := r.Verify(x.key); err != nil {
		return err
	}
	if r.Chain != f.c.Chain || r.Node != x.node {
		return fmt.Errorf("uplink: a receipt for %v signed by %s in answer to %v at %s", r.Chain, r.Node, f.c.Chain, x.node)
	}
	// The city may hold more of the chain than this batch; what it signs for
	// must be ours as far as we know it.
	if r.Seq > f.last {
		return nil // proved when the batch that ends there is answered
	}
	if r.Seq < f.last || r.Hash != f.hash {
		return fmt.Errorf("uplink: receipt for %d where %d was sent", r.Seq, f.last)
	}
	return x.s.store.SaveReceipt(r)
}
