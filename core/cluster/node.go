package cluster

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Node is one member of the cluster, in one process. New makes it, Run is its life.
type Node struct {
	cfg   Config
	lg    *slog.Logger
	addr  string
	state State
	space *Space
	wrap  func(raft.LogStore) raft.LogStore
	local func(question []byte) ([]byte, error)
	fit   func() bool

	wall   func() time.Time
	clocks clocks // used by Median alone

	mux     *mux
	askers  *askers
	answers *answerer
	watch   *watchdog
	machine *machine
	prop    *proposer
	reads   *readers

	// Set while Run starts, before raft is; read only after that.
	log     *guardedLog
	snaps   *snapStore
	witness *witness

	raft      atomic.Pointer[raft.Raft]
	outcomes  [2][outcomes]atomic.Uint64 // by lane
	readyTerm atomic.Uint64              // the term in which this node, leading, has committed
	low       atomic.Bool
	started   atomic.Bool
	ready     chan struct{}
	closing   chan struct{}
	failed    chan struct{}
	down      chan struct{} // closed when Raft answers no more
	downOnce  sync.Once
	members   atomic.Pointer[raft.Configuration] // as last seen
	changes   sync.Mutex                         // one change of members at a time

	mu    sync.Mutex
	ident identity
	fatal error
}

// New checks the configuration, locks nothing and starts nothing.
func New(cfg Config, state State, deps Deps) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Listener == nil {
		return nil, errors.New("cluster: a listener is needed")
	}
	n := &Node{
		wall: deps.Wall, clocks: clocks{},
		cfg: cfg, state: state, space: deps.Space, lg: deps.Log, wrap: deps.WrapLog, local: deps.Local, fit: deps.Fit, addr: cfg.Advertise,
		ready: make(chan struct{}), closing: make(chan struct{}), failed: make(chan struct{}), down: make(chan struct{}),
	}
	if n.wall == nil {
		n.wall = time.Now
	}
	if n.lg == nil {
		n.lg = slog.New(slog.DiscardHandler)
	}
	if n.addr == "" {
		n.addr = deps.Listener.Addr().String()
	}
	if host, _, err := net.SplitHostPort(n.addr); err != nil || host == "" || net.ParseIP(host).IsUnspecified() {
		return nil, fmt.Errorf("advertise is %q; it must be a host and port where the other nodes reach this one", n.addr)
	}
	n.answers = newAnswerer(n.answer)
	n.mux = newMux(deps.Listener, deps.Dial, n.answers.serve)
	n.askers = newAskers(n.mux)
	n.watch = newWatchdog(cfg.StallLimit)
	n.machine = newMachine(state, n.watch, n.fail)
	n.prop = newProposer(cfg, n.down, n.low.Load, func(b []byte) raft.ApplyFuture { return n.raft.Load().Apply(b, 0) })
	n.reads = newReaders()
	return n, nil
}

// Ready is closed once Raft runs here; a leader may still have to be found.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// fail ends the node at once: first it disappears from the others' sight, so
// that they elect a new leader, then Run returns err.
func (n *Node) fail(err error) {
	n.mu.Lock()
	first := n.fatal == nil
	if first {
		n.fatal = err
	}
	n.mu.Unlock()
	if !first {
		return
	}
	n.mux.close()
	n.lg.Error("this node ends", "error", err)
	if errors.Is(err, ErrRejoin) {
		if werr := writeJSON(n.cfg.Dir, rejoinName, rejoinMark{Birth: newBirth(), Reason: err.Error()}); werr != nil {
			n.lg.Error("rejoin mark not written", "error", werr)
		}
	}
	close(n.failed)
	n.closeDown()
}

func (n *Node) closeDown() { n.downOnce.Do(func() { close(n.down) }) }

// await waits for what Raft answers, or until it answers no more: when it shuts
// down it leaves what is in its queues as it is.
func (n *Node) await(f raft.Future) error {
	ch := make(chan error, 1)
	go func() { ch <- f.Error() }()
	select {
	case err := <-ch:
		return err
	case <-n.down:
		return ErrClosed
	}
}

func (n *Node) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fatal
}

// Run founds or joins the cluster and takes part in it until ctx ends (nil) or
// the node must not go on (the error says why; ErrRejoin and StallError among them).
// After a StallError a goroutine still hangs in the disk: the process must exit.
// A node runs once.
func (n *Node) Run(ctx context.Context) error {
	if n.started.Swap(true) {
		return errors.New("cluster: a node runs once")
	}
	var listening sync.WaitGroup
	err := n.run(ctx, &listening)
	n.mux.close()
	if errors.Is(err, ErrRejoin) {
		n.fail(err) // leaves the mark, if nobody did
	}
	if f := n.failure(); f != nil {
		err = f
	}
	served := make(chan struct{})
	go func() {
		listening.Wait()
		n.mux.wg.Wait()
		n.askers.wg.Wait()
		close(served)
	}()
	patience := time.NewTimer(lastPatience)
	defer patience.Stop()
	select {
	case <-served:
	case <-patience.C:
		if n.failure() == nil { // nothing hangs in the disk, so they will end
			<-served
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (n *Node) run(ctx context.Context, listening *sync.WaitGroup) error {
	defer n.stopProposals()
	if n.space == nil {
		s, err := OpenSpace(n.cfg.Dir, n.cfg.ReserveBytes, n.cfg.BallastBytes, n.lg)
		if err != nil {
			return err
		}
		n.space = s
	}
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return err
	}
	lock, err := lockDir(n.cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := n.space.Check(); err != nil {
		return err
	}
	if n.ident, err = loadIdentity(n.cfg); err != nil {
		return err
	}
	n.witness = openWitness(n.cfg.Dir, n.lg)
	listening.Go(func() {
		if err := n.mux.serve(); err != nil {
			n.fail(err)
		}
	})
	disk, err := n.open(ctx)
	if err != nil {
		return err
	}
	r, err := n.startRaft(disk)
	if err != nil {
		return errors.Join(err, disk.closer.Close())
	}
	n.raft.Store(r)
	n.mux.openRaft()
	close(n.ready)
	if n.work(ctx, r) {
		// Only a Raft that has ended lets go of the log.
		return disk.closer.Close()
	}
	return n.failure()
}

// work runs the node's goroutines until ctx or the node ends, and then ends
// Raft; it says whether everything has ended. The order: hand the lead over while
// others can still be reached; turn new items away; end Raft, which answers what was
// under way; then those who waited for that.
func (n *Node) work(ctx context.Context, r *raft.Raft) (ended bool) {
	wctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var loops sync.WaitGroup
	watched := make(chan struct{})
	go func() { // not in loops: it watches their end
		defer close(watched)
		if s := n.watch.run(wctx); s != nil {
			n.fail(s)
		}
	}()
	pctx, stopProposing := context.WithCancel(wctx)
	loops.Go(func() { n.prop.run(pctx) })
	loops.Go(func() { n.reads.run(pctx, n) })
	loops.Go(func() { n.watchLeadership(pctx, r) })
	loops.Go(func() { n.steward(pctx, r) })
	loops.Go(func() { n.keepMembership(pctx, r) })
	loops.Go(func() { n.sayHeld(pctx, r) })

	select {
	case <-ctx.Done():
		n.handOver(r)
	case <-n.failed:
	}
	close(n.closing)
	stopProposing()
	done := make(chan struct{})
	go func() {
		f := r.Shutdown()
		n.mux.close() // Raft's loop may be reading a snapshot from there
		if err := f.Error(); err != nil {
			n.lg.Warn("raft shutdown", "error", err)
		}
		n.closeDown()
		loops.Wait()
		close(done)
	}()
	select {
	case <-done:
		cancel()
		<-watched
		return true
	case <-n.failed:
	}
	// The disk may hang: a little patience for a clean end, then let go.
	t := time.NewTimer(lastPatience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// lastPatience is how long a failed node waits for its own goroutines.
const lastPatience = time.Second

func (n *Node) stopProposals() {
	n.closeDown()
	n.prop.turnAway()
	select {
	case <-n.closing:
	default:
		close(n.closing)
	}
}

// handOver gives the lead to another node, if this one has it.
func (n *Node) handOver(r *raft.Raft) {
	if r.State() != raft.Leader {
		return
	}
	done := make(chan error, 1)
	go func() { done <- r.LeadershipTransfer().Error() }()
	t := time.NewTimer(2 * n.cfg.Heartbeat) // raft gives up after one
	defer t.Stop()
	select {
	case err := <-done:
		if err != nil {
			n.lg.Warn("the lead was not handed over", "error", err)
		}
	case <-t.C:
	case <-n.failed:
	}
}

// answer serves another node's request.
func (n *Node) answer(ctx context.Context, tag byte, body []byte) ([]byte, error) {
	if tag == askStatus {
		return json.Marshal(n.status())
	}
	if tag == askClock {
		return binary.BigEndian.AppendUint64(nil, uint64(n.wall().UnixMilli())), nil
	}
	if tag == askLocal && n.local != nil {
		return n.localAnswer(body)
	}
	if tag == askHeld {
		return n.heard(body)
	}
	r := n.raft.Load()
	if r == nil {
		return nil, ErrNoLeader
	}
	var q joinRequest
	if tag == askJoin || tag == askPromote || tag == askRemove {
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	leads := r.State() == raft.Leader
	switch tag {
	case askJoin:
		return nil, n.change(ctx, tag, q, func(q joinRequest) error { return n.admit(ctx, q) })
	case askRemove:
		return nil, n.change(ctx, tag, q, func(q joinRequest) error { return n.remove(q.ID) })
	case askPropose, askReadIndex, askPromote:
		if !leads {
			return nil, ErrNotLeader
		}
	default:
		return nil, fmt.Errorf("%w: request %d is not known here", ErrRefused, tag)
	}
	switch tag {
	case askPromote:
		return nil, n.promote(q)
	case askReadIndex:
		i, err := n.reads.index(ctx)
		if err != nil {
			return nil, err
		}
		return binary.BigEndian.AppendUint64(nil, i), nil
	}
	if len(body) < 2 || Lane(body[0]) > Routine || len(body)-1 > MaxItem {
		return nil, fmt.Errorf("%w: proposal of %d bytes", ErrRefused, len(body))
	}
	result, err := n.prop.propose(ctx, Lane(body[0]), body[1:])
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("%w: %w", ErrBusy, err) // it never left the queue
	}
	return result, err
}

func (n *Node) status() status {
	s := status{identity: n.me(), Founders: n.cfg.founders(), Low: n.low.Load()}
	if r := n.raft.Load(); r != nil && r.State() == raft.Leader && n.readyTerm.Load() == r.CurrentTerm() {
		s.Leads = true
		s.Members = n.memberIDs()
	}
	return s
}
