package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// maxEntryBytes bounds a packed Raft entry: large enough to share one
	// sync between hundreds of items, small enough that an urgent item behind
	// one waits a few milliseconds, and the same as the scale of Raft's own timeouts.
	maxEntryBytes = 256 << 10
	// MaxItem is the largest item in bytes; with its framing it fills one Raft entry.
	MaxItem = maxEntryBytes - entryOverhead - 8
	// maxAppendEntries keeps one append to a follower, and one ApplyBatch,
	// under 4 MiB.
	maxAppendEntries = 16
	// routineOutstanding is how many Raft entries with routine items may be
	// under way: one on the disks while the next travels.
	routineOutstanding = 2
	// urgentOutstanding lets urgent items go without waiting for a batch.
	// With routineOutstanding it stays below maxAppendEntries, the length of
	// Raft's own queue, so that handing an entry to Raft never blocks.
	urgentOutstanding = 8
	// commitNotice is how long a quiet leader waits before it tells the followers
	// what is committed (Raft draws one to two times as much). A station's or a screen's node
	// is mostly a follower, and answers only what it has applied itself: with Raft's 50 ms
	// a lone report took 75 ms to the command centre, and a drain of one station, which
	// waits for its answers, was held to 7,000 entries a second.
	commitNotice = 2 * time.Millisecond
	// maxMembers bounds the cluster; more voters only make commits slower.
	maxMembers = 9
	// rpcTimeout bounds one Raft message on the wire: 4 MiB at 4 Mbit/s.
	rpcTimeout = 10 * time.Second
	// changeTimeout bounds one change of members.
	changeTimeout = 10 * time.Second
)

// Peer is a node that the configuration names.
type Peer struct {
	ID   string
	Addr string
}

// Config says who a node is and where its limits are.
type Config struct {
	// ID is the node's name, the same for ever ("core-1").
	ID string
	// Dir is the node's folder: log, identity, snapshot mark and ballast.
	Dir string
	// Advertise is the address where the other nodes reach this one; empty means the listener's.
	Advertise string
	// Peers are the founding nodes, the same list on all of them. A node that
	// is not in it joins through any of them.
	Peers []Peer
	// LogStore is "wal" (raft-wal) or "bolt" (raft-boltdb); see DESIGN.md for the measurement.
	LogStore string

	// Heartbeat is how long a follower does without a leader, Lease how long
	// a leader does without a majority. Heartbeat 0.7 s: a leader that is
	// killed is missed after at most 1.4 s, and one split vote still ends before 3 s.
	Heartbeat, Lease time.Duration
	// StallLimit is how long a write of the log or an apply may hang, without any
	// progress, before the process ends. A busy disk takes seconds for a sync now and then: a
	// node that ends for it makes the others busier still.
	StallLimit time.Duration
	// LeaderWait is how long Propose and ReadIndex look for a leader.
	LeaderWait time.Duration

	// UrgentItems, RoutineItems and QueueBytes bound the leader's queue of
	// each lane: about a second of work at the measured rate.
	UrgentItems, RoutineItems int
	QueueBytes                int

	// SnapshotBytes of new log make the node mark a snapshot and drop the
	// log before it, except for TrailingBytes. While a snapshot is being sent, and for
	// StreamGrace after it, the log is kept, up to LogLimitBytes.
	SnapshotBytes, TrailingBytes, LogLimitBytes int64
	StreamGrace                                 time.Duration

	// ReserveBytes is the free space under which a leader hands over and
	// takes no routine items; under half of it the process ends.
	// BallastBytes is a file that is given up to open on a full disk.
	ReserveBytes, BallastBytes int64
}

// Default is the configuration of a node, but for ID, Dir and Peers.
func Default() Config {
	return Config{
		LogStore:      "wal",
		Heartbeat:     700 * time.Millisecond,
		Lease:         500 * time.Millisecond,
		StallLimit:    10 * time.Second,
		LeaderWait:    5 * time.Second,
		UrgentItems:   8192,
		RoutineItems:  32768,
		QueueBytes:    16 << 20,
		SnapshotBytes: 64 << 20,
		TrailingBytes: 64 << 20,
		LogLimitBytes: 1 << 30,
		StreamGrace:   30 * time.Second,
		ReserveBytes:  256 << 20,
		BallastBytes:  BallastFor(256 << 20),
	}
}

// BallastFor is the size of the ballast beside a reserve, in bytes: three
// quarters of it, so that a disk with nothing free at all has more than half of the
// reserve once the ballast is given up, and the node opens on it.
func BallastFor(reserve int64) int64 { return reserve / 4 * 3 }

// Validate says which field is wrong and what it must be.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if c.ID == "" {
		bad("id is empty; give the node a name such as core-1")
	}
	if c.Dir == "" {
		bad("dir is empty")
	}
	if len(c.Peers) == 0 {
		bad("peers is empty; list the founding nodes (a single node lists itself)")
	}
	if len(c.Peers) > maxMembers {
		bad("peers lists %d nodes, at most %d are possible", len(c.Peers), maxMembers)
	}
	ids, addrs := map[string]bool{}, map[string]bool{}
	for i, p := range c.Peers {
		if p.ID == "" || p.Addr == "" {
			bad("peers[%d] needs an id and an address", i)
		}
		if ids[p.ID] || addrs[p.Addr] {
			bad("peers[%d] repeats the id %q or the address %q", i, p.ID, p.Addr)
		}
		ids[p.ID], addrs[p.Addr] = true, true
	}
	if c.LogStore != "wal" && c.LogStore != "bolt" {
		bad("log_store is %q; it must be wal or bolt", c.LogStore)
	}
	if c.Heartbeat < 50*time.Millisecond || c.Heartbeat > 10*time.Second {
		bad("heartbeat is %s; it must be between 50ms and 10s", c.Heartbeat)
	}
	if c.Lease < 25*time.Millisecond || c.Lease > c.Heartbeat {
		bad("lease is %s; it must be between 25ms and the heartbeat, %s", c.Lease, c.Heartbeat)
	}
	if c.StallLimit < 100*time.Millisecond {
		bad("stall_limit is %s; it must be at least 100ms", c.StallLimit)
	}
	if c.LeaderWait < 0 {
		bad("leader_wait is %s; it must not be negative", c.LeaderWait)
	}
	if c.UrgentItems < 1 || c.RoutineItems < 1 || c.QueueBytes < maxEntryBytes {
		bad("queues of %d and %d items and %d bytes; at least 1 item and %d bytes are needed", c.UrgentItems, c.RoutineItems, c.QueueBytes, maxEntryBytes)
	}
	if c.SnapshotBytes < 1<<10 || c.TrailingBytes < 0 || c.LogLimitBytes < c.SnapshotBytes+c.TrailingBytes {
		bad("log_limit %d must be at least snapshot %d + trailing %d bytes", c.LogLimitBytes, c.SnapshotBytes, c.TrailingBytes)
	}
	if c.ReserveBytes < 0 || c.BallastBytes < 0 {
		bad("reserve %d and ballast %d must not be negative", c.ReserveBytes, c.BallastBytes)
	} else if c.BallastBytes > 0 && c.BallastBytes <= c.ReserveBytes/2 {
		bad("ballast is %d bytes; with less than half of the reserve, %d, a full disk could not be opened by giving it up", c.BallastBytes, c.ReserveBytes)
	}
	return errors.Join(errs...)
}

// founder says whether the node is one of the founding ones.
func (c Config) founder() bool {
	for _, p := range c.Peers {
		if p.ID == c.ID {
			return true
		}
	}
	return false
}

// Deps are what a node is given. Listener is required.
type Deps struct {
	// Listener is where Raft and the forwarding come in, both on one port.
	// The node owns it: Run closes it. Wrap it for TLS.
	Listener net.Listener
	// Dial reaches another node's Listener; nil means plain TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Log is where changes of state are said, by a caller that has put this node's
	// name on it; nil means nowhere.
	Log *slog.Logger
	// Space is the free-space gate, opened by the caller before its State so
	// that the ballast serves both; nil means that New opens one.
	Space *Space
	// Wall is this node's clock as the others are told it; nil means time.Now.
	Wall func() time.Time
	// Local answers another node's question about what is this node's own and
	// not replicated (AskOthers); it must not wait for the cluster. nil has no answers.
	Local func(question []byte) ([]byte, error)
	// Fit says whether this node has what a voter needs besides the log; until then it
	// asks for no vote. nil: always.
	Fit func() bool
	// WrapLog, when set, wraps the store of the log: the seam for faults and measurements.
	WrapLog func(raft.LogStore) raft.LogStore
}
