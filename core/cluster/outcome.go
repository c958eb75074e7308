package cluster

import "errors"

// Outcome is what became of a proposal, as its caller was told.
type Outcome int

// The outcomes. What was told as unknown may be committed, and is proposed again.
const (
	Committed Outcome = iota
	Unknown
	Leaderless
	Full // the queue, or the disk
	Failed
	outcomes
)

// String is the word for metrics.
func (o Outcome) String() string {
	return [...]string{"committed", "unknown", "no_leader", "full", "failed"}[o]
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Committed
	case errors.Is(err, ErrUnknown):
		return Unknown
	case errors.Is(err, ErrNoLeader), errors.Is(err, ErrNotLeader):
		return Leaderless
	case errors.Is(err, ErrBusy), errors.Is(err, ErrNoSpace):
		return Full
	}
	return Failed
}

// EachOutcome gives how many proposals that were made at this node, whichever node
// led, came to each outcome since the start.
func (n *Node) EachOutcome(f func(lane Lane, o Outcome, count uint64)) {
	for lane := range n.outcomes {
		for o := range n.outcomes[lane] {
			f(Lane(lane), Outcome(o), n.outcomes[lane][o].Load())
		}
	}
}
