// Package cluster keeps one replicated log over the nodes of the city core,
// with hashicorp/raft. It knows Raft, not the data: what a command means is the
// business of the State that the caller gives.
//
// It promises: an item whose Propose returned without error is on the disks of
// a majority and applied in the same order on every node; a node that forgot
// something it had promised (an emptied, replaced or damaged disk) does not
// vote until the others have taken it out and in again; a leader whose disk
// stalls ends instead of holding the city; an urgent item never waits behind a
// drain of routine ones; nothing is queued without a limit.
//
// It does not interpret, order by content or deduplicate items. An item whose
// outcome is unknown (ErrUnknown) may be proposed again: making that harmless,
// by ids, is the State's business. It does not authenticate: the Listener and
// the Dial given in Deps do (mutual TLS).
package cluster

import (
	"io"
)

// LogEntry is one Raft entry that holds commands: what waited, from all
// callers, when the leader's proposer packed it.
type LogEntry struct {
	// Index and Term are Raft's. They are for the applied mark alone and
	// appear in no interface to the outside.
	Index, Term uint64
	// Items are the proposed commands in order; they must not be kept or
	// changed after ApplyBatch has returned.
	Items [][]byte
}

// State is the replicated state machine, kept on disk by the caller. Its
// methods are called from one goroutine at a time, except Applied, Progress
// and OpenSnapshot, which may run beside ApplyBatch.
type State interface {
	// ApplyBatch applies entries in order, each with its index and
	// term in the same transaction as its data, and skips those at or below
	// the index that is already there. It gives one result per item per
	// entry, nil for an entry that was skipped. An error is fatal: the process ends.
	ApplyBatch(entries []LogEntry) ([][][]byte, error)
	// Applied is the index and term of the last entry applied. After a power cut it may be
	// less, and all data with it, but never less than when Sync began: what is missing
	// is applied again out of the log.
	Applied() (index, term uint64)
	// Sync makes durable what Applied said when it was called. It may run beside ApplyBatch.
	Sync() error
	// Progress counts what ApplyBatch has set and committed in this process. While
	// it grows, an ApplyBatch that takes long is at work and does not hang. It must not block.
	Progress() uint64
	// OpenSnapshot opens one read transaction over the whole state.
	OpenSnapshot() (*Snapshot, error)
	// Install replaces the whole state by what r gives, up to io.EOF: into a
	// new directory, which is renamed once it is complete and synced. After
	// any other error of r, or a crash, the old state must still be there.
	Install(r io.Reader) error
	// Reset empties the state durably, with 0 applied.
	Reset() error
}

// Snapshot is one consistent reading of a State.
type Snapshot struct {
	// Index and Term are the applied mark as read in the snapshot's own transaction.
	Index, Term uint64
	// Size is the exact number of bytes that the reader will give.
	Size int64
	io.ReadCloser
}

// Lane says how an item queues at the leader.
type Lane uint8

// The lanes. Urgent goes first; of routine at most two Raft entries are
// outstanding, so that urgent never stands behind a drain.
const (
	Urgent  Lane = 0
	Routine Lane = 1
)

// String is the lane's name as it stands in logs and metrics.
func (l Lane) String() string {
	if l == Urgent {
		return "urgent"
	}
	return "routine"
}
