package core

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"wardline/core/fsm"
	"wardline/sync/trust"
)

// raftConn is a connection to another node that ends when the node is turned away.
type raftConn struct {
	trust.Conn
	x    *machines
	peer trust.Peer
}

// Close ends the connection and forgets it.
func (c *raftConn) Close() error {
	c.x.mu.Lock()
	delete(c.x.conns, c)
	c.x.mu.Unlock()
	return c.Conn.Close()
}

// watch keeps a proven connection of another node, to end it when the node may speak no more.
func (x *machines) watch(c trust.Conn) (net.Conn, error) {
	p, err := trust.PeerOf(c.ConnectionState().PeerCertificates[0])
	if err == nil {
		w := &raftConn{c, x, p}
		x.mu.Lock()
		x.conns[w] = struct{}{}
		x.mu.Unlock()
		if err = x.check(p); err == nil { // it may have been turned away since its handshake
			return w, nil
		}
		_ = w.Close() // it has no say any more
		return nil, err
	}
	_ = c.Close() // as above
	return nil, err
}

// raftDoor is the listener of Raft whose connections are watched.
type raftDoor struct {
	net.Listener
	x *machines
}

// Accept implements net.Listener.
func (d raftDoor) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		t, ok := c.(trust.Conn)
		if !ok {
			_ = c.Close() // no door gives such a one
			continue
		}
		if w, err := d.x.watch(t); err == nil {
			return w, nil
		}
	}
}

// check says whether a machine whose certificate is good may speak with this node.
func (x *machines) check(p trust.Peer) error {
	if p.Name.Kind == trust.Node && p.Epoch == 0 && !x.n.c.founding(p.Name.ID) {
		return fmt.Errorf("%w: it is no founding node, and no token let it in", trust.ErrRevoked)
	}
	return x.n.machine.Machines().Check(p)
}

// errTurnedAway ends a node that was revoked.
var errTurnedAway = fmt.Errorf("%w: an administrator turned this node away; to bring it back, empty its folder and put a new token (wardline enrol core/NAME) into token_file", trust.ErrRevoked)

// own says whether this node itself was revoked, under the certificate that it shows.
func (x *machines) own(now *fsm.Machines) error {
	c := x.h.Certificate()
	r, known := now.Of[trust.NodeName(x.n.c.ID)]
	if c == nil || !known || !r.Revoked {
		return nil
	}
	if p, err := trust.PeerOf(c.Leaf); err != nil || p.Epoch > r.Epoch {
		return err
	}
	return errTurnedAway
}

// expelEvery is how often the leader looks for members that were revoked.
const expelEvery = time.Second

// expel takes nodes that were revoked out of the cluster, at the node that leads (whoever
// took the order may have ended since), and ends this one when it is one of them.
func (x *machines) expel(ctx context.Context) error {
	t := time.NewTicker(expelEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if x.member != nil { // its own revocation it hears at the door alone: Raft speaks with it no more
			if _, problem := x.member.Status(); errors.Is(problem, trust.ErrRevoked) {
				return errTurnedAway
			}
		}
		if !x.n.raft.IsLeader() {
			continue
		}
		for name, r := range x.n.machine.Machines().Of {
			if name.Kind != trust.Node || !r.Revoked || name.ID == x.n.c.ID || !slices.Contains(x.n.raft.Members(), name.ID) {
				continue
			}
			if err := x.n.raft.RemoveNode(ctx, name.ID); err != nil && ctx.Err() == nil {
				x.n.log.Warn("a revoked node could not be taken out of the cluster yet", "node", name.ID, "err", err)
			}
		}
	}
}
