// Package planted is bugs that a drill must find: a drill that cannot fail
// proves nothing. Each is a constant that is false in every build without the tag
// planted_<name>, so that its code is not even compiled in; where it stands, a line
// shows what would be wrong. `make drill-planted` builds the program with each in turn.
package planted

// The bugs, by their tags.
const (
	// AckBeforeSync: the ledger answers before its transaction is committed.
	AckBeforeSync = planted == "ack_before_sync"
	// Unsynced: the ledger's store does not sync.
	Unsynced = planted == "unsynced"
	// QueueDrops: the ledger's queue is short, and what finds it full is answered and forgotten.
	QueueDrops = planted == "queue_drops"
	// CursorFirst: the downlink's cursor is saved before the data that it stands for.
	CursorFirst = planted == "cursor_first"
	// RetryNewID: what is appended again after a fork gets new ids.
	RetryNewID = planted == "retry_new_id"
	// ReceiptFirst: the city answers a batch before it is committed and applied.
	ReceiptFirst = planted == "receipt_first"
	// GapTaken: the city takes an entry although the ones before it are missing.
	GapTaken = planted == "gap_taken"
	// RepeatUnknown: the city does not recognise a report that comes again by another door.
	RepeatUnknown = planted == "repeat_unknown"
	// AppliedApart: what is applied is noted in a transaction of its own, after the data.
	AppliedApart = planted == "applied_apart"
	// StateDiffers: a row of the state holds the node's own clock.
	StateDiffers = planted == "state_differs"
	// ResyncEmpty: a station whose cursor is too old gets no open incidents again.
	ResyncEmpty = planted == "resync_empty"
	// FoldArrival: the fold depends on the order in which entries arrived.
	FoldArrival = planted == "fold_arrival"
	// StaleRead: a core node answers readings from what it has, without asking the leader.
	StaleRead = planted == "stale_read"
	// ClaimBlind: the city takes every claim, whoever holds the incident.
	ClaimBlind = planted == "claim_blind"
)

// Name is that of the bug in this build; empty in every honest one.
const Name = planted
