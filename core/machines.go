package core

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/core/pki"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/trust"
	"wardline/sync/uplink"
	"wardline/sync/wire"
)

// protoRaft is Raft between core nodes (ALPN, RFC 7301).
const protoRaft = "wardline-raft/1"

// ownEvery is how often a node looks at its own certificate, whatever was committed.
const ownEvery = time.Minute

// machines is this node's part in the trust between the city's machines.
type machines struct {
	n     *Node
	ca    *pki.Authority
	h     *trust.Holder
	raft  *trust.Gate
	sync  *trust.Gate
	raftL net.Listener // what raft lets in
	lineL net.Listener
	desk  *pki.Desk
	deskL net.Listener
	joinL net.Listener // enrolments of nodes, at Raft's door: a new node knows no other
	https *trust.Gate  // nil without an HTTPS address
	httpL net.Listener
	// member keeps the certificate that this node was given for a token; nil at a founding
	// node, which makes itself one.
	member *trust.Member

	mu      sync.Mutex // guards below
	shown   uint32     // the generation of this node's certificate
	oldest  uint32
	learned uint32 // what the other nodes show to one that knows nothing yet
	lines   map[*line]struct{}
	conns   map[*raftConn]struct{}

	serving sync.WaitGroup // streams; one that was cut ends a moment after its method
}

// line is an open stream of a station.
type line struct {
	peer trust.Peer
	cut  context.CancelCauseFunc
}

// sureTime is the city's time, by which certificates are judged: the median of the
// nodes' clocks, not this one's. Zero while it is not known.
func (n *Node) sureTime() time.Time {
	if ms := n.machine.CityTime(); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// cityWall is the city's time, and this node's clock while that is not known.
func (n *Node) cityWall() time.Time {
	if t := n.sureTime(); !t.IsZero() {
		return t
	}
	return n.wall()
}

// openMachines opens the authority, and makes this node's own certificate or reads the one
// that it was given.
func (n *Node) openMachines() (err error) {
	x := &machines{n: n, h: trust.NewHolder(n.sureTime), lines: map[*line]struct{}{}, conns: map[*raftConn]struct{}{}}
	if x.ca, err = pki.Open(n.c.authorityFile(), 0, n.cityWall); err != nil {
		return fmt.Errorf("authority_key: %w", err)
	}
	x.h.SetCheck(x.check)
	if trust.Enrolled(n.c.keysDir()) {
		if x.member, err = n.c.member(x.h, n.cityWall, n.log); err != nil {
			return err
		}
	} else if !n.c.founding(n.c.ID) {
		return fmt.Errorf("token_file: this node is not enrolled; wardline enrol core/%s at the city prints a token for it", n.c.ID)
	}
	if err := x.follow(n.machine.Machines()); err != nil {
		return err
	}
	x.raft, x.sync = trust.NewGate(n.raftL, x.h, n.log), trust.NewGate(n.syncL, x.h, n.log)
	x.raftL, x.lineL = raftDoor{x.raft.Machines(protoRaft, trust.Node), x}, x.sync.Machines(wire.Proto, trust.Station)
	x.deskL, x.joinL = x.sync.Anyone(trust.ProtoEnrol, false), x.raft.Anyone(trust.ProtoEnrol, false)
	x.desk = &pki.Desk{Authority: x.ca, Registry: registry{n}, Secrets: n.secrets, Log: n.log}
	n.trust = x
	if n.c.HTTPS == "" {
		return nil
	}
	x.https, x.httpL, err = trust.ListenHTTPS(n.c.HTTPS, x.h, n.log)
	return err
}

// follow makes this node's certificate and roots what they are to be by now,
// and ends the lines of whom the state turned away.
func (x *machines) follow(now *fsm.Machines) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	oldest, current := now.Oldest, now.Current
	if x.learned > current {
		oldest, current = x.learned-1, x.learned // at least 1: nobody learns of the first
	}
	if x.shown != current || x.oldest != oldest {
		if err := x.show(oldest, current); err != nil {
			return err
		}
	}
	for c := range x.conns {
		if x.check(c.peer) != nil {
			_ = c.Conn.Close() // whoever uses it closes it too, and then it is forgotten
		}
	}
	for l := range x.lines {
		if err := now.Check(l.peer); err != nil {
			l.cut(err)
		}
	}
	return nil
}

// show makes the generations of the authority the ones that are trusted, and this
// node's certificate, if it is self-made, one of the current.
func (x *machines) show(oldest, current uint32) error {
	roots, err := x.ca.Roots(oldest, current)
	if err != nil {
		return err
	}
	if x.member == nil {
		own, err := x.ca.Own(current, trust.NodeName(x.n.c.ID), x.n.c.Names)
		if err != nil {
			return err
		}
		x.h.SetRoots(roots)
		x.h.SetCertificate(own)
	} else if g, ok := x.ca.Issued(x.h.Certificate()); !ok || g <= current { // else the state is of before the enrolment
		var raw [][]byte
		for _, c := range roots {
			raw = append(raw, c.Raw)
		}
		if err := x.member.SetRoots(raw); err != nil {
			return err
		}
	}
	x.shown, x.oldest = current, oldest
	// Nothing waits for this file: it is for people.
	if err := trust.WriteRoots(filepath.Join(x.n.c.Dir, trust.RootsFile), x.h.Roots()); err != nil {
		x.n.log.Error("the file of authorities for devices and browsers is not of today", "err", err)
	}
	return nil
}

// run follows the state until ctx ends.
func (x *machines) run(ctx context.Context) error {
	t := time.NewTicker(ownEvery)
	defer t.Stop()
	var last *fsm.Machines
	for {
		changed := x.n.machine.Changed()
		if now := x.n.machine.Machines(); now != last {
			if err := x.follow(now); err != nil {
				x.n.log.Error("this node's certificate cannot be made anew; it holds for a while yet", "err", err)
			}
			last = now
			if err := x.own(now); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-t.C:
			last = nil
		}
	}
}

// dial reaches another node for Raft. A node whose state is empty (it joins, or lost
// its disk) knows no generation but the first, which may be retired by now: it learns
// from the chains of the others, which lead back to the first, and shows the present one the
// next time.
func (x *machines) dial(ctx context.Context, addr string) (net.Conn, error) {
	raw, err := x.h.Dial(ctx, addr, protoRaft, trust.Node)
	if err != nil {
		return nil, err
	}
	proven, ok := raw.(trust.Conn)
	if !ok {
		return nil, errors.New("core: a connection that nobody proved")
	}
	c, err := x.watch(proven)
	if err != nil || x.member != nil || x.n.machine.CityIndex() > 0 {
		return c, err
	}
	g, ok := x.ca.Recognise(proven.ConnectionState().PeerCertificates)
	x.mu.Lock()
	news := ok && g > x.shown
	if news {
		x.learned = g
	}
	x.mu.Unlock()
	if !news {
		return c, nil
	}
	return c, x.follow(x.n.machine.Machines())
}

// admit says whose stream this is; its context ends when the machine is turned away.
func (x *machines) admit(ctx context.Context) (context.Context, func(), error) {
	p, err := wire.PeerOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	o, _ := p.Name.Origin() // the door lets stations alone in
	ctx, cut := context.WithCancelCause(wire.As(ctx, o))
	l := &line{p, cut}
	x.mu.Lock()
	x.lines[l] = struct{}{}
	x.mu.Unlock()
	if err := x.check(p); err != nil { // it was turned away since its handshake
		cut(err)
	}
	return ctx, func() {
		cut(nil)
		x.mu.Lock()
		delete(x.lines, l)
		x.mu.Unlock()
	}, nil
}

type lineServer struct {
	wire.UnimplementedLineServer
	x    *machines
	up   *uplink.Receiver
	down *downlink.Sender
}

// serve runs one stream as long as its machine may speak. The stream's own
// context ends with the method, which is what ends a Recv that hangs in it.
func (s lineServer) serve(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, done, err := s.x.admit(ctx)
	if err != nil {
		return err
	}
	defer done()
	ended := make(chan error, 1)
	s.x.serving.Go(func() { ended <- f(ctx) })
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return status.Errorf(codes.PermissionDenied, "the line ends: %v", context.Cause(ctx))
	}
}

func (s lineServer) Up(st grpc.BidiStreamingServer[wire.UpFrame, wire.UpReply]) error {
	return s.serve(st.Context(), func(ctx context.Context) error { return s.up.Serve(ctx, st) })
}

func (s lineServer) Down(st grpc.BidiStreamingServer[wire.DownAck, wire.DownFrame]) error {
	return s.serve(st.Context(), func(ctx context.Context) error { return s.down.Serve(ctx, st) })
}

func (n *Node) serveLines(ctx context.Context) error {
	g := wire.NewServer(wire.Machines(n.trust.h))
	wire.RegisterLineServer(g, lineServer{x: n.trust, up: n.line.Up(), down: n.line.Down()})
	done := make(chan error, 1)
	go func() { done <- g.Serve(n.trust.lineL) }()
	select {
	case err := <-done:
		if ctx.Err() != nil { // the door closed first
			err = nil
		}
		g.Stop()
		n.trust.serving.Wait()
		return err
	case <-ctx.Done():
		g.Stop()
		<-done
		n.trust.serving.Wait()
		return nil
	}
}

// registry decides enrolments by the city's state.
type registry struct{ n *Node }

// Enrol implements pki.Registry.
func (r registry) Enrol(ctx context.Context, c pki.Claim) (g pki.Grant, err error) {
	change := trust.Change{Op: trust.OpRenew, Name: c.Name, Secret: c.Resume, Next: c.Next, Key: c.Key}
	if c.Token != (record.Hash{}) {
		change.Op, change.Secret = trust.OpEnrol, c.Token
	}
	// The same claim again is the same entry: its answer may have been lost.
	id := record.DerivedID("machine", []byte(change.Op), []byte(c.Name.String()), change.Secret[:], c.Next[:], c.Key[:])
	if err := r.n.changeMachines(ctx, id, change, record.Actor{Kind: record.BySystem, Name: c.Name.String()}); err != nil {
		return g, err
	}
	now := r.n.machine.Machines()
	m := now.Of[c.Name]
	switch {
	case m.Revoked:
		return g, trust.ErrRevoked
	case m.Held:
		return g, trust.ErrHeld
	case m.Key != c.Key: // it went on since
		return g, trust.ErrToken
	}
	return pki.Grant{Epoch: m.Epoch, Names: m.Names, Oldest: now.Oldest, Current: now.Current}, nil
}

// errRefused says that the city's state does not take a change of machines.
var errRefused = errors.New("core: refused")

// changeMachines commits an entry about machines. A refusal is one of the errors
// of trust where there is one.
func (n *Node) changeMachines(ctx context.Context, id record.ID, c trust.Change, by record.Actor) error {
	data, err := c.Encode()
	if err != nil {
		return err
	}
	b := record.Body{ID: id, Kind: record.KindMachine, Origin: record.CoreOrigin, Actor: by, HLC: n.clock.Now(), Clock: record.ClockSure,
		ReceivedAt: n.wall().UnixMilli(), Payload: record.Payload{Step: string(c.Op), Data: data}}
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	res, err := n.propose(ctx, cluster.Routine, fsm.Body(raw, nil))
	if err != nil {
		return err
	}
	if res.Status != fsm.Refused {
		return nil
	}
	if res.Word == "" || errors.Is(trust.Meaning(res.Word), trust.ErrLater) {
		return fmt.Errorf("%w: %s", errRefused, res.Detail)
	}
	return trust.Meaning(res.Word)
}

// namedDoor is a door with its name in metrics.
type namedDoor struct {
	name string
	gate *trust.Gate
}

func (n *Node) doors() []namedDoor {
	list := []namedDoor{{"raft", n.trust.raft}, {"sync", n.trust.sync}}
	if n.trust.https != nil {
		list = append(list, namedDoor{"https", n.trust.https})
	}
	return list
}
