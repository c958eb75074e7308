package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// errKeepLog is why the log is not cut now: a follower is being sent a
// snapshot and will need what comes after it.
var errKeepLog = errors.New("the log is kept for a snapshot that is being sent")

// machine is the raft.FSM: it gives committed commands to the State, holds back
// nothing itself, and knows how far the State is in Raft's own counting.
type machine struct {
	state State
	watch *watchdog
	fail  func(error)
	store *snapStore

	// mu keeps applying and installing apart.
	mu   sync.Mutex
	dead error

	// amu guards the mark of what was given to the State, which counts Raft's
	// own entries too, and those who wait for it.
	amu     sync.Mutex
	applied uint64
	changed chan struct{}
}

var (
	_ raft.BatchingFSM = (*machine)(nil)
)

func newMachine(state State, watch *watchdog, fail func(error)) *machine {
	return &machine{state: state, watch: watch, fail: fail, changed: make(chan struct{})}
}

// Apply implements raft.FSM; Raft uses ApplyBatch where there is one.
func (m *machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM. The response of a command is its
// [][]byte of results, or an error when the node is ending.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	entries := make([]LogEntry, 0, len(logs))
	at := make([]int, 0, len(logs))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		items, err := unpackEntry(l.Data)
		if err != nil && m.dead == nil {
			m.dieLocked(fmt.Errorf("log entry %d: %w (%w)", l.Index, ErrRejoin, err))
		}
		entries = append(entries, LogEntry{Index: l.Index, Term: l.Term, Items: items})
		at = append(at, i)
	}
	var results [][][]byte
	if m.dead == nil && len(entries) > 0 {
		results = m.applyLocked(entries)
	}
	if m.dead != nil {
		// Nothing may be answered as applied, and nothing follows what failed.
		for i := range out {
			out[i] = m.dead
		}
		return out
	}
	for i, r := range results {
		out[at[i]] = r
	}
	m.advance(logs[len(logs)-1].Index)
	return out
}

func (m *machine) applyLocked(entries []LogEntry) [][][]byte {
	end := m.watch.beginLong("apply", m.state.Progress)
	results, err := m.state.ApplyBatch(entries)
	end()
	switch {
	case errors.Is(err, ErrRejoin):
		m.dieLocked(err)
	case err != nil:
		m.dieLocked(fmt.Errorf("%w: entries %d to %d: %w", ErrState, entries[0].Index, entries[len(entries)-1].Index, err))
	case len(results) != len(entries):
		m.dieLocked(fmt.Errorf("%w: %d results for %d entries", ErrState, len(results), len(entries)))
	}
	for i, r := range results {
		if m.dead == nil && r != nil && len(r) != len(entries[i].Items) {
			m.dieLocked(fmt.Errorf("%w: entry %d: %d results for %d items", ErrState, entries[i].Index, len(r), len(entries[i].Items)))
		}
	}
	return results
}

func (m *machine) dieLocked(err error) {
	m.dead = err
	m.fail(err)
}

// advance moves the mark and wakes those who wait for it.
func (m *machine) advance(index uint64) {
	m.amu.Lock()
	defer m.amu.Unlock()
	if index > m.applied {
		m.applied = index
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

func (m *machine) appliedIndex() uint64 {
	m.amu.Lock()
	defer m.amu.Unlock()
	return m.applied
}

// waitApplied returns once the State has what stands at index, a command or a
// change of members, and all before it.
func (m *machine) waitApplied(ctx context.Context, index uint64) error {
	for {
		m.amu.Lock()
		done, changed := m.applied >= index, m.changed
		m.amu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Snapshot implements raft.FSM: since the State is durable there is nothing to
// copy, only a mark to set that lets Raft drop the log before it.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.store.keepLog(time.Now()) {
		return nil, errKeepLog
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead != nil {
		return nil, m.dead
	}
	index, _ := m.state.Applied()
	return stateMark{m, index}, nil
}

// Restore implements raft.FSM: the State was installed while the stream came in.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// install replaces the State by a stream; commands that Raft had queued before
// wait, and are skipped afterwards because their index is in the new State.
func (m *machine) install(r io.Reader, want snapMark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead != nil {
		return m.dead
	}
	if err := m.state.Install(r); err != nil {
		return fmt.Errorf("install snapshot: %w", err)
	}
	if index, _ := m.state.Applied(); index != want.Applied {
		m.dieLocked(fmt.Errorf("installed state is at %d, the snapshot said %d: %w", index, want.Applied, ErrRejoin))
		return m.dead
	}
	m.advance(max(want.Index, want.Applied))
	return nil
}

// stateMark is what a local snapshot consists of: the State's applied index.
type stateMark struct {
	m       *machine
	applied uint64
}

// Persist implements raft.FSMSnapshot. The log before the mark may go once it is set, so the
// State must be on the disk up to there; beside it more is applied.
func (s stateMark) Persist(sink raft.SnapshotSink) error {
	k, ok := sink.(*snapSink)
	if !ok {
		return fmt.Errorf("snapshot sink is a %T", sink)
	}
	if err := s.m.state.Sync(); err != nil {
		err = fmt.Errorf("%w: %w", ErrState, err)
		s.m.fail(err)
		return err
	}
	return k.closeLocal(s.applied)
}

// Release implements raft.FSMSnapshot.
func (s stateMark) Release() {}
