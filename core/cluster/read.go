package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// readers answers linearizable reads of this node while it leads. One
// verification with the majority answers all that had asked before it began.
type readers struct {
	in chan chan readAnswer
}

type readAnswer struct {
	index uint64
	err   error
}

// maxReaders bounds the reads of one verification.
const maxReaders = 1024

func newReaders() *readers { return &readers{in: make(chan chan readAnswer, maxReaders)} }

// index gives the index that a State must have applied to answer what is asked now.
func (r *readers) index(ctx context.Context) (uint64, error) {
	ch := make(chan readAnswer, 1)
	select {
	case r.in <- ch:
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
	}
	select {
	case a := <-ch:
		return a.index, a.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
	}
}

func (r *readers) run(ctx context.Context, n *Node) {
	for {
		var all []chan readAnswer
		select {
		case <-ctx.Done():
			return
		case ch := <-r.in:
			all = append(all, ch)
		}
		for more := true; more && len(all) < maxReaders; {
			select {
			case ch := <-r.in:
				all = append(all, ch)
			default:
				more = false
			}
		}
		var a readAnswer
		a.index, a.err = n.verifiedIndex()
		for _, ch := range all {
			ch <- a
		}
	}
}

// verifiedIndex is Raft's read index (Ongaro's dissertation, section 6.4): the
// commit index of a leader that has committed in its own term, taken before a
// majority confirmed that it still leads.
func (n *Node) verifiedIndex() (uint64, error) {
	r := n.raft.Load()
	term := r.CurrentTerm()
	if n.readyTerm.Load() != term {
		return 0, fmt.Errorf("%w: it has not committed in its term yet", ErrNotLeader)
	}
	commit := r.CommitIndex()
	if err := n.await(r.VerifyLeader()); err != nil {
		if errors.Is(err, raft.ErrRaftShutdown) || errors.Is(err, ErrClosed) {
			return 0, ErrClosed
		}
		return 0, fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return n.lastGiven(commit)
}

// lastGiven is the last index up to commit that Raft gives to the machine: its
// own no-ops are not given, and waiting for one would not end.
func (n *Node) lastGiven(commit uint64) (uint64, error) {
	for i := commit; i > n.snaps.current().Index; i-- {
		var l raft.Log
		err := n.log.GetLog(i, &l)
		if errors.Is(err, raft.ErrLogNotFound) {
			break // cut meanwhile: a mark was set beyond it
		}
		if err != nil {
			return 0, fmt.Errorf("%w: log entry %d: %w", ErrNotLeader, i, err)
		}
		if l.Type == raft.LogCommand || l.Type == raft.LogConfiguration {
			return i, nil
		}
	}
	// Nothing after the mark; what it covers ends with a command, or nothing has been given.
	return n.snaps.current().Applied, nil
}

// ReadIndex returns nil once this node's State contains every item that was
// committed anywhere before the call, so that a read of it is linearizable. On
// a follower that costs a question to the leader. Errors: ErrNoLeader,
// ErrClosed, or the context's.
func (n *Node) ReadIndex(ctx context.Context) error {
	var index uint64
	err := n.atLeader(ctx, func() (err error) {
		index, err = n.reads.index(ctx)
		return err
	}, func(addr string) error {
		b, err := n.askers.ask(ctx, addr, askReadIndex, nil)
		if errors.Is(err, ErrUnknown) {
			return fmt.Errorf("%w: %s", ErrNoLeader, err) // a read that got lost changed nothing
		}
		if err == nil && len(b) != 8 {
			err = fmt.Errorf("read index of %d bytes: %w", len(b), errFrame)
		}
		if err == nil {
			index = binary.BigEndian.Uint64(b)
		}
		return err
	})
	if err != nil {
		return err
	}
	return n.machine.waitApplied(ctx, index)
}
