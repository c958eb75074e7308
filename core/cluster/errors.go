package cluster

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnknown says that the item may or may not be committed: leadership
	// or the connection was lost, or the caller stopped waiting, while it was
	// under way. Proposing it again is safe because items carry ids.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNotLeader says that this node does not lead, so that the item was
	// not taken. Propose and ReadIndex try again by themselves.
	ErrNotLeader = errors.New("not the leader")
	// ErrNoLeader says that no leader could be reached in time; the item was not taken.
	ErrNoLeader = errors.New("no leader")
	// ErrBusy says that the leader's queue of that lane is full; the item was not taken.
	ErrBusy = errors.New("queue full")
	// ErrNoSpace says that the leader's disk is below its reserve and takes
	// no routine items; the item was not taken.
	ErrNoSpace = errors.New("disk below its reserve: no routine items are taken")
	// ErrTooLarge says that the item is empty or does not fit into a Raft entry.
	ErrTooLarge = errors.New("item is empty or too large")
	// ErrClosed says that the node is shutting down or not started; the item was not taken.
	ErrClosed = errors.New("node is closed")
	// ErrRefused says that the cluster refuses a change of members, for the
	// reason in the text; trying again alone will not help.
	ErrRefused = errors.New("refused")

	// ErrRejoin is fatal: what is on this node's disk cannot be relied on (a
	// hole, a lost tail, a checksum). A marker is left, so that at its next
	// start the node asks the others to take it out, wipes itself and joins anew.
	ErrRejoin = errors.New("this node's data cannot be relied on; start it again and it will join anew from the others")
	// ErrRemoved is fatal: the cluster's members no longer include this node.
	ErrRemoved = errors.New("this node was removed from the cluster; empty its data folder to let it join again")
	// ErrDiskFull is fatal: the disk is below half of its reserve.
	ErrDiskFull = errors.New("disk nearly full; free space on it (journalctl --vacuum-size=100M, old backups) and start the node again")
	// ErrDisk is fatal: a write or a sync of the log failed.
	ErrDisk = errors.New("writing the log failed")
	// ErrState is fatal: the State could not apply.
	ErrState = errors.New("applying failed")
)

// StallError is fatal: an operation on the disk has not come back. The process
// must end, its goroutine cannot be ended otherwise.
type StallError struct {
	// Op names what hangs: "store log", "apply" and so on.
	Op string
	// Age is for how long, when the watchdog saw it.
	Age time.Duration
}

// Error names the operation and what to look at.
func (e *StallError) Error() string {
	return fmt.Sprintf("disk stalled: %s has not returned for %s; check the disk (dmesg, smartctl)", e.Op, e.Age.Round(time.Millisecond))
}
