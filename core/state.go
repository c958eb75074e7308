package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/figures"
)

// raftLine gives the cluster to the lines.
type raftLine struct{ n *Node }

func (r raftLine) Propose(ctx context.Context, lane cluster.Lane, item []byte) (fsm.Result, error) {
	return r.n.propose(ctx, lane, item)
}

func (r raftLine) ReadIndex(ctx context.Context) error { return r.n.raft.ReadIndex(ctx) }

// propose commits a command and waits until this node has applied it. An
// unknown outcome is tried again: commands carry ids.
func (n *Node) propose(ctx context.Context, lane cluster.Lane, item []byte) (fsm.Result, error) {
	for {
		raw, err := n.raft.Propose(ctx, lane, item)
		if errors.Is(err, cluster.ErrUnknown) && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		if err != nil {
			return fsm.Result{}, err
		}
		r, err := fsm.DecodeResult(raw)
		if err != nil {
			return r, err
		}
		return r, n.waitFor(ctx, r.Index)
	}
}

// waitFor waits until this node has applied a city index.
func (n *Node) waitFor(ctx context.Context, index uint64) error {
	for {
		changed := n.machine.Changed()
		if n.machine.CityIndex() >= index {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// state gives the machine to the cluster.
type state struct {
	m    *fsm.Machine
	took prometheus.Observer // how long a batch takes
}

func (s state) ApplyBatch(entries []cluster.LogEntry) ([][][]byte, error) {
	in := make([]fsm.LogEntry, len(entries))
	for i, e := range entries {
		in[i] = fsm.LogEntry{Index: e.Index, Term: e.Term, Items: e.Items}
	}
	began := time.Now()
	out, err := s.m.ApplyBatch(in)
	figures.Observe(s.took, time.Since(began))
	if errors.Is(err, fsm.ErrHole) {
		err = fmt.Errorf("%w (%w)", cluster.ErrRejoin, err)
	}
	return out, err
}

func (s state) Applied() (uint64, uint64) { return s.m.Applied() }
func (s state) Progress() uint64          { return s.m.Progress() }
func (s state) Sync() error               { return s.m.Sync() }

func (s state) OpenSnapshot() (*cluster.Snapshot, error) {
	index, term, size, r, err := s.m.OpenSnapshot()
	if err != nil {
		return nil, err
	}
	return &cluster.Snapshot{Index: index, Term: term, Size: size, ReadCloser: r}, nil
}

func (s state) Install(r io.Reader) error { return s.m.Install(r) }
func (s state) Reset() error              { return s.m.Reset() }
