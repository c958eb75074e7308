package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"
)

// disk is what is open below Config.Dir.
type disk struct {
	stable raft.StableStore
	closer io.Closer
	// found, when not nil, are the founding nodes: the log is to begin with them.
	found map[string]string
}

// open brings this node's disk to where Raft can start on it: as it was, or
// founded, or emptied and joined.
func (n *Node) open(ctx context.Context) (*disk, error) {
	var mark rejoinMark
	marked, err := readJSON(n.cfg.Dir, rejoinName, &mark)
	if err != nil {
		return nil, err
	}
	if marked {
		n.lg.Warn("this node's data are to be replaced", "reason", mark.Reason)
		return n.rejoin(ctx, mark.Birth)
	}
	d, err := n.openDisk()
	if err != nil {
		return nil, err
	}
	_, last, err := n.log.span()
	if err != nil {
		return nil, errors.Join(err, d.closer.Close())
	}
	applied, _ := n.state.Applied()
	me := n.me()
	switch has := last > 0 || n.snaps.current().Index > 0; {
	case me.Member && !has:
		err = fmt.Errorf("%w: this node is a member but its log is gone", ErrRejoin)
	case !me.Member && (applied > 0 || last > 1 || n.snaps.current().Index > 0):
		err = fmt.Errorf("%w: there are data but %s is gone", ErrRejoin, identityName)
	case !me.Member:
		d.found, err = n.becomeMember(ctx)
		if err == nil && d.found == nil && last > 0 {
			err = fmt.Errorf("%w: it was killed while it founded, and the cluster went on without it", ErrRejoin)
		}
		if err == nil && d.found == nil {
			if err = n.state.Reset(); err == nil {
				err = n.setIdentity(identity{ID: n.cfg.ID, Birth: me.Birth, Member: true})
			}
		}
	default:
		if err = n.inspect(); err == nil {
			err = n.checkHeld(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, d.closer.Close())
	}
	return d, nil
}

// openDisk opens the log and the snapshot's mark.
func (n *Node) openDisk() (*disk, error) {
	d := &disk{}
	var store raft.LogStore
	err := n.space.withRoom(func() (err error) {
		store, d.stable, d.closer, err = openLog(n.cfg, raftLog(n.lg))
		return err
	})
	for _, damaged := range []error{wal.ErrCorrupt, bbolt.ErrInvalid, bbolt.ErrChecksum, bbolt.ErrVersionMismatch} {
		if errors.Is(err, damaged) {
			err = fmt.Errorf("%w (%w)", ErrRejoin, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if n.wrap != nil {
		store = n.wrap(store)
	}
	applied, _ := n.state.Applied()
	if n.log, err = newGuardedLog(store, n.watch, n.fail); err == nil {
		n.snaps, err = openSnapStore(n.cfg.Dir, applied)
	}
	if err != nil {
		return nil, errors.Join(err, d.closer.Close())
	}
	n.snaps.machine, n.snaps.fail, n.snaps.grace = n.machine, n.fail, n.cfg.StreamGrace
	n.snaps.logFull = func() bool {
		bytes, _ := n.log.size(0)
		return bytes > n.cfg.LogLimitBytes
	}
	n.machine.store = n.snaps
	d.stable = &guardedStable{StableStore: d.stable, watch: n.watch, fail: n.fail}
	return d, nil
}

// rejoin empties this node once the others have taken it out and in again,
// never before: where no majority answers without it, what is here may be the
// last copy. It can be repeated after a crash at any point, because the mark goes last.
func (n *Node) rejoin(ctx context.Context, birth string) (*disk, error) {
	if err := n.join(ctx, birth); err != nil {
		return nil, err
	}
	for _, name := range []string{logFolder, markName, incomingName} {
		if err := removeFile(n.cfg.Dir, name); err != nil {
			return nil, fmt.Errorf("empty the node: %w", err)
		}
	}
	if err := n.state.Reset(); err != nil {
		return nil, fmt.Errorf("empty the state: %w", err)
	}
	d, err := n.openDisk()
	if err != nil {
		return nil, err
	}
	err = n.setIdentity(identity{ID: n.cfg.ID, Birth: birth, Member: true})
	if err == nil {
		err = removeFile(n.cfg.Dir, rejoinName)
	}
	if err != nil {
		return nil, errors.Join(err, d.closer.Close())
	}
	return d, nil
}

// inspect holds the State against the mark and the log before Raft trusts
// them. What is missing in the State but in the log is applied again; what is
// missing in both, or in a log that had it, is a hole (ErrRejoin).
func (n *Node) inspect() error {
	mark := n.snaps.current()
	first, last, err := n.log.span()
	if err != nil {
		return err
	}
	if last > 0 && last < mark.Index {
		// The crash after an install, before Raft emptied the log: below the
		// mark, and it could not be appended to without a gap.
		if err := n.log.DeleteRange(first, last); err != nil {
			return err
		}
		first, last = 0, 0
	}
	applied, _ := n.state.Applied()
	if last > 0 && first > mark.Index+1 {
		return fmt.Errorf("%w: the log begins at %d, the snapshot ends at %d", ErrRejoin, first, mark.Index)
	}
	if end := max(last, mark.Index, mark.Applied); applied > end {
		return fmt.Errorf("%w: the state is at %d, the log ends at %d: the log has lost its tail", ErrRejoin, applied, end)
	}
	from := mark.Index + 1
	if applied < mark.Applied {
		from = applied + 1
		if last == 0 || first > from || mark.Applied > mark.Index {
			return fmt.Errorf("%w: the state is at %d and should be at %d, the log begins at %d", ErrRejoin, applied, mark.Applied, first)
		}
	}
	if err := n.log.verify(from); err != nil {
		return err
	}
	return n.repair(from, mark.Index)
}

// repair applies again what the State lost, out of the log; all of it was
// committed, because a mark covers it.
func (n *Node) repair(from, to uint64) error {
	var batch []*raft.Log
	for i := from; i <= to; i++ {
		l := new(raft.Log)
		if err := n.log.GetLog(i, l); err != nil {
			return fmt.Errorf("%w: log entry %d: %w", ErrRejoin, i, err)
		}
		batch = append(batch, l)
		if len(batch) < maxAppendEntries && i < to {
			continue
		}
		n.machine.ApplyBatch(batch)
		if err := n.failure(); err != nil {
			return err
		}
		batch = nil
	}
	if to >= from {
		n.lg.Warn("the state had lost its end and was repaired from the log", "from", from, "to", to)
	}
	return nil
}

// startRaft starts Raft on the disk, with the founding configuration if it is new.
func (n *Node) startRaft(d *disk) (*raft.Raft, error) {
	lg := raftLog(n.lg)
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(n.cfg.ID)
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = n.cfg.Heartbeat, n.cfg.Heartbeat, n.cfg.Lease
	rc.MaxAppendEntries, rc.CommitTimeout = maxAppendEntries, commitNotice
	rc.BatchApplyCh = true // an entry under way never blocks the proposer
	rc.NoSnapshotRestoreOnStart = true
	rc.NoLegacyTelemetry = true
	rc.Logger = lg
	// The steward says when, by bytes; Raft counts entries.
	rc.SnapshotInterval, rc.SnapshotThreshold, rc.TrailingLogs = 24*time.Hour, 1<<62, maxTrailing

	layer := raftLayer{mux: n.mux, addr: textAddr(n.addr)}
	trans := transport{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: 3, Timeout: rpcTimeout, Logger: lg, ServerAddressProvider: addresses{n},
	}), pipelineLimit}
	if d.found != nil {
		if err := n.bootstrap(rc, d, trans); err != nil {
			return nil, errors.Join(err, trans.Close())
		}
	}
	applied, _ := n.state.Applied()
	n.machine.advance(max(applied, n.snaps.current().Index))
	r, err := raft.NewRaft(rc, n.machine, n.log, d.stable, n.snaps, trans)
	if err != nil {
		return nil, errors.Join(err, trans.Close())
	}
	return r, nil
}

// bootstrap writes the founding configuration, the same on every founder, and
// then that this disk is a member.
func (n *Node) bootstrap(rc *raft.Config, d *disk, trans raft.Transport) error {
	peers := slices.SortedFunc(slices.Values(n.cfg.Peers), func(a, b Peer) int { return strings.Compare(a.ID, b.ID) })
	var conf raft.Configuration
	for _, p := range peers {
		conf.Servers = append(conf.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Addr)})
	}
	err := raft.BootstrapCluster(rc, n.log, d.stable, n.snaps, trans, conf)
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) { // it was, and then the process was killed
		return fmt.Errorf("found the cluster: %w", err)
	}
	me := n.me()
	me.Member, me.Founded = true, d.found
	if err := n.setIdentity(me); err != nil {
		return err
	}
	n.lg.Info("cluster founded", "peers", n.cfg.founders())
	return nil
}

// addresses tells Raft where a member is reached.
type addresses struct{ n *Node }

// ServerAddr implements raft.ServerAddressProvider.
func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	for _, p := range a.n.cfg.Peers {
		if raft.ServerID(p.ID) == id {
			return raft.ServerAddress(p.Addr), nil
		}
	}
	if conf := a.n.members.Load(); conf != nil {
		for _, s := range conf.Servers {
			if s.ID == id {
				return s.Address, nil
			}
		}
	}
	return "", fmt.Errorf("node %s is not configured", id)
}
