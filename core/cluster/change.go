package cluster

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/raft"
)

// admit takes a node in as a non-voter, on the leader. A node that is a member
// already comes with another disk: it is taken out first, so that the majority that
// commits its return does not count what the old disk had promised.
func (n *Node) admit(ctx context.Context, q joinRequest) error {
	n.changes.Lock()
	defer n.changes.Unlock()
	if q.ID == "" || q.Addr == "" {
		return fmt.Errorf("%w: a node needs an id and an address to join", ErrRefused)
	}
	if q.ID == n.cfg.ID {
		return fmt.Errorf("%w: %s is the leader's own id", ErrRefused, q.ID)
	}
	r := n.raft.Load()
	conf := r.GetConfiguration()
	if err := n.await(conf); err != nil {
		return proposeError(err)
	}
	index := conf.Index()
	servers := conf.Configuration().Servers
	for _, s := range servers {
		if s.ID != raft.ServerID(q.ID) {
			if string(s.Address) == q.Addr {
				return fmt.Errorf("%w: %s already is the address of %s", ErrRefused, q.Addr, s.ID)
			}
			continue
		}
		if q.Birth == "" {
			return nil // a member already; only a disk that comes back speaks for itself
		}
		alive, err := n.askStatus(ctx, n.addrOf(s))
		if err == nil && alive.ID == q.ID && alive.Member && alive.Birth != q.Birth && n.addrOf(s) != q.Addr {
			return fmt.Errorf("%w: a node called %s is alive at %s; give the new one another id", ErrRefused, q.ID, n.addrOf(s))
		}
		f := r.RemoveServer(s.ID, index, changeTimeout)
		if err := n.await(f); err != nil {
			return fmt.Errorf("take out %s: %w", q.ID, proposeError(err))
		}
		index = f.Index()
		n.lg.Warn("a member came back without its data: taken out", "node", q.ID)
	}
	if len(servers) >= maxMembers {
		return fmt.Errorf("%w: the cluster has %d nodes, at most %d are possible", ErrRefused, len(servers), maxMembers)
	}
	if err := n.await(r.AddNonvoter(raft.ServerID(q.ID), raft.ServerAddress(q.Addr), index, changeTimeout)); err != nil {
		return fmt.Errorf("take in %s: %w", q.ID, proposeError(err))
	}
	n.lg.Info("node taken in as a non-voter", "node", q.ID, "addr", q.Addr)
	return nil
}

// maxPromoteLag is how many Raft entries a non-voter may lack when it is made a
// voter: what a busy leader writes in about a second, so that the next commit does not wait for it.
const maxPromoteLag = 256

// promote makes a non-voter that has caught up a voter, and follows a member's
// change of address.
func (n *Node) promote(q joinRequest) error {
	n.changes.Lock()
	defer n.changes.Unlock()
	r := n.raft.Load()
	conf := r.GetConfiguration()
	if err := n.await(conf); err != nil {
		return proposeError(err)
	}
	for _, s := range conf.Configuration().Servers {
		if s.ID != raft.ServerID(q.ID) {
			continue
		}
		if s.Suffrage == raft.Voter && string(s.Address) == q.Addr {
			return nil
		}
		if commit := r.CommitIndex(); s.Suffrage != raft.Voter && q.Applied+maxPromoteLag < commit {
			return fmt.Errorf("%w: %s is at %d of %d", ErrRefused, q.ID, q.Applied, commit)
		}
		if err := n.await(r.AddVoter(s.ID, raft.ServerAddress(q.Addr), conf.Index(), changeTimeout)); err != nil {
			return proposeError(err)
		}
		n.lg.Info("node is a voter", "node", q.ID, "addr", q.Addr)
		return nil
	}
	return fmt.Errorf("%w: %s is not a member", ErrRefused, q.ID)
}

// remove takes a node out, on the leader.
func (n *Node) remove(id string) error {
	n.changes.Lock()
	defer n.changes.Unlock()
	if err := n.await(n.raft.Load().RemoveServer(raft.ServerID(id), 0, changeTimeout)); err != nil {
		return proposeError(err)
	}
	n.lg.Warn("node taken out", "node", id)
	return nil
}

// AddNode takes a node in as a non-voter, through whichever node leads; once it
// runs and has caught up, it becomes a voter by itself. A node that starts with an
// empty disk does this for itself. ErrRefused says why it may not join.
func (n *Node) AddNode(ctx context.Context, id, addr string) error {
	return n.change(ctx, askJoin, joinRequest{ID: id, Addr: addr}, func(q joinRequest) error { return n.admit(ctx, q) })
}

// RemoveNode takes a node out for good, through whichever node leads. Its
// process ends with ErrRemoved.
func (n *Node) RemoveNode(ctx context.Context, id string) error {
	return n.change(ctx, askRemove, joinRequest{ID: id}, func(q joinRequest) error { return n.remove(q.ID) })
}

func (n *Node) change(ctx context.Context, tag byte, q joinRequest, here func(joinRequest) error) error {
	return n.atLeader(ctx, func() error { return here(q) }, func(addr string) error {
		if q.Forwarded {
			return ErrNotLeader // one hop is enough
		}
		fwd := q
		fwd.Forwarded = true
		body, err := json.Marshal(fwd)
		if err != nil {
			return err
		}
		_, err = n.askers.ask(ctx, addr, tag, body)
		return err
	})
}
