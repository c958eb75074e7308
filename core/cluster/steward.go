package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// stewardEvery is how often the disk and the log's size are looked at.
	stewardEvery = 500 * time.Millisecond
	// membershipEvery is how often a node looks whether it is what it should be.
	membershipEvery = 250 * time.Millisecond
	// handOverPause is between two tries to hand over because of a full disk.
	handOverPause = 10 * time.Second
	// lonelyAfter is for how many heartbeats a node goes without a leader
	// before it asks whether it was removed.
	lonelyAfter = 6
	// receiveIdleLimit is for how long a snapshot may bring nothing. Raft reads
	// it without a deadline in its one loop, which would wait for a leader that
	// was stopped in mid-stream for ever.
	receiveIdleLimit = 15 * time.Second
	// maxEntriesPerMark makes a mark although few bytes were written: what
	// Raft reads again at a start.
	maxEntriesPerMark = 65536
)

// watchLeadership finds out when this node leads in truth: it has committed an
// entry of its own term, so that its commit index is the cluster's.
func (n *Node) watchLeadership(ctx context.Context, r *raft.Raft) {
	for {
		select {
		case <-ctx.Done():
			return
		case leads := <-r.LeaderCh():
			if !leads {
				n.lg.Info("no longer leading")
				continue
			}
		}
		term := r.CurrentTerm()
		if err := n.await(r.Barrier(0)); err != nil {
			continue
		}
		if r.State() == raft.Leader && r.CurrentTerm() == term {
			n.readyTerm.Store(term)
			n.lg.Info("leading", "term", term)
		}
	}
}

// steward looks after the disk: free space, the log's length, a snapshot that stopped coming.
func (n *Node) steward(ctx context.Context, r *raft.Raft) {
	t := time.NewTicker(stewardEvery)
	defer t.Stop()
	var handedOver time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if !n.checkSpace() {
				return
			}
			if n.low.Load() && r.State() == raft.Leader && now.Sub(handedOver) > handOverPause {
				handedOver = now
				n.handOverToRoom(ctx, r)
			}
			if n.snaps.receiveIdle(now) > receiveIdleLimit {
				n.lg.Warn("the snapshot that was being received stopped coming; Raft's connections are closed")
				n.mux.cutRaft()
			}
			n.shorten(r)
			if r.State() == raft.Shutdown && ctx.Err() == nil {
				n.fail(ErrRemoved) // Raft ends by itself when a leader is taken out
				return
			}
		}
	}
}

// checkSpace looks at the free space; false means that the node ends.
func (n *Node) checkSpace() bool {
	level, err := n.space.Level()
	if err != nil {
		n.lg.Warn("free space unknown", "error", err)
		return true
	}
	if level == SpaceCritical {
		n.fail(n.space.full())
		return false
	}
	low := level == SpaceLow
	if n.low.Swap(low) != low {
		n.lg.Warn("free space crossed the reserve", "low", low, "free", n.space.Free(), "reserve", n.cfg.ReserveBytes)
		if !low {
			if err := n.space.settle(); err != nil {
				n.lg.Warn("ballast", "error", err)
			}
		}
	}
	return true
}

// handOverToRoom gives the lead to a voter that has room on its disk. Where
// nobody has, the lead stays: urgent items still have a place.
func (n *Node) handOverToRoom(ctx context.Context, r *raft.Raft) {
	conf := n.members.Load()
	if conf == nil {
		return
	}
	for _, s := range conf.Servers {
		if s.Suffrage != raft.Voter || string(s.ID) == n.cfg.ID {
			continue
		}
		if st, err := n.askStatus(ctx, n.addrOf(s)); err != nil || st.Low || !st.Member {
			continue
		}
		err := n.await(r.LeadershipTransferToServer(s.ID, s.Address))
		n.lg.Warn("disk below its reserve: the lead is handed over", "to", s.ID, "error", err)
		if err == nil {
			return
		}
	}
}

// shorten sets a new snapshot mark once enough was written since the last one,
// and lets Raft drop the log before it.
func (n *Node) shorten(r *raft.Raft) {
	bytes, entries := n.log.size(n.snaps.current().Index)
	if bytes < n.cfg.SnapshotBytes && entries < maxEntriesPerMark || n.snaps.keepLog(time.Now()) {
		return
	}
	rc := r.ReloadableConfig()
	rc.TrailingLogs = n.log.trailing(n.cfg.TrailingBytes)
	if err := r.ReloadConfig(rc); err != nil {
		n.lg.Error("raft settings", "error", err)
		return
	}
	switch err := n.await(r.Snapshot()); {
	case err == nil, errors.Is(err, raft.ErrNothingNewToSnapshot), errors.Is(err, ErrClosed):
	default:
		// Raft refuses while a change of members is under way; it is tried again.
		n.lg.Debug("no snapshot mark now", "error", err)
	}
}

// keepMembership brings this node to what it should be: a voter once it has
// caught up, under the address where it is, and gone once it was taken out.
func (n *Node) keepMembership(ctx context.Context, r *raft.Raft) {
	t := time.NewTicker(membershipEvery)
	defer t.Stop()
	led := time.Now() // when there last was a leader
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		f := r.GetConfiguration()
		if n.await(f) != nil {
			continue
		}
		conf := f.Configuration()
		n.members.Store(&conf)
		addr, _ := r.LeaderWithID()
		if addr == "" {
			if time.Since(led) > lonelyAfter*n.cfg.Heartbeat && n.wasRemoved(ctx) {
				n.fail(ErrRemoved)
				return
			}
			continue
		}
		led = time.Now()
		for _, s := range conf.Servers {
			if string(s.ID) == n.cfg.ID && (s.Suffrage != raft.Voter && (n.fit == nil || n.fit()) || s.Suffrage == raft.Voter && string(s.Address) != n.addr) {
				n.askPromotion(ctx, r)
			}
		}
	}
}

// askPromotion asks the leader once; the next round asks again.
func (n *Node) askPromotion(ctx context.Context, r *raft.Raft) {
	q := joinRequest{ID: n.cfg.ID, Addr: n.addr, Applied: n.machine.appliedIndex()}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return
	}
	err = n.once(func() error { return n.promote(q) }, func(addr string) error {
		_, err := n.askers.ask(ctx, addr, askPromote, body)
		return err
	})
	if err != nil {
		n.lg.Debug("not a voter yet", "error", err)
	}
}

// wasRemoved asks the others; only a leader's word counts.
func (n *Node) wasRemoved(ctx context.Context) bool {
	for _, s := range n.askAll(ctx) {
		if !s.Leads || len(s.Members) == 0 {
			continue
		}
		for _, id := range s.Members {
			if id == n.cfg.ID {
				return false
			}
		}
		return true
	}
	return false
}

// Members are the names of the cluster's nodes, as this one knows them.
func (n *Node) Members() []string { return n.memberIDs() }

func (n *Node) memberIDs() []string {
	conf := n.members.Load()
	if conf == nil {
		return nil
	}
	var ids []string
	for _, s := range conf.Servers {
		ids = append(ids, string(s.ID))
	}
	return ids
}

// Leader is the id and the address of the node that leads, as this one knows it; empty when it knows none.
func (n *Node) Leader() (id, addr string) {
	r := n.raft.Load()
	if r == nil {
		return "", ""
	}
	a, i := r.LeaderWithID()
	return string(i), string(a)
}

// IsLeader says whether this node leads and has committed in its term. It may
// have lost the lead since: for a certain answer use ReadIndex.
func (n *Node) IsLeader() bool {
	r := n.raft.Load()
	return r != nil && r.State() == raft.Leader && n.readyTerm.Load() == r.CurrentTerm()
}

// Stats are a node's figures, for its metrics and its health.
type Stats struct {
	ID, Role, LeaderID          string
	Voter                       bool
	Members                     int
	Term                        uint64
	LastIndex, Commit, Applied  uint64 // Raft's counting
	Mark                        uint64 // index of the snapshot mark
	LogBytes                    int64
	LogEntries                  int
	QueuedUrgent, QueuedRoutine int
	SnapshotsSending            int
	FreeBytes                   int64
	Low                         bool
	SinceLeader                 time.Duration // since a follower heard of its leader; 0 at the leader
}

// Stats reads the figures; zero but for ID and Role before Ready.
func (n *Node) Stats() Stats {
	s := Stats{ID: n.cfg.ID, Role: "starting", Low: n.low.Load()}
	r := n.raft.Load()
	if r == nil {
		return s
	}
	s.Role, s.Term, s.LastIndex, s.Commit = r.State().String(), r.CurrentTerm(), r.LastIndex(), r.CommitIndex()
	s.LeaderID, _ = n.Leader()
	s.Applied = n.machine.appliedIndex()
	s.Mark = n.snaps.current().Index
	s.LogBytes, s.LogEntries = n.log.size(0)
	s.QueuedUrgent, s.QueuedRoutine = n.prop.depth()
	s.FreeBytes = n.space.Free()
	n.snaps.mu.Lock()
	s.SnapshotsSending = n.snaps.streams
	n.snaps.mu.Unlock()
	if conf := n.members.Load(); conf != nil {
		s.Members = len(conf.Servers)
		for _, m := range conf.Servers {
			s.Voter = s.Voter || string(m.ID) == n.cfg.ID && m.Suffrage == raft.Voter
		}
	}
	if s.SinceLeader = time.Since(r.LastContact()); r.State() == raft.Leader || r.LastContact().IsZero() {
		s.SinceLeader = 0
	}
	return s
}
