package cluster

import (
	"context"
	"encoding/binary"
	"slices"
	"time"
)

const (
	// clockTimeout bounds one question for a clock: what took longer says
	// nothing within half of that.
	clockTimeout = time.Second
	// clockFresh is how long an answer counts.
	clockFresh = 5 * time.Second
	// clockFar is how far a node's clock may be from the median before it is named.
	clockFar = 5 * time.Second
)

// Clock is a member's wall clock as this node last heard it.
type Clock struct {
	ID string
	// Offset is how far it is ahead of the median; Round is how long the
	// question took, of which half was added to the answer. Far says that the offset is
	// more than 5 s.
	Offset, Round time.Duration
	Far           bool
}

// reading is one answer: how far a clock is ahead of this node's, and when that was heard.
type reading struct {
	ahead, round time.Duration
	at           time.Time // on this node's monotonic clock
}

// clocks keeps the last readings; used by one caller at a time (Median).
type clocks map[string]reading

// median is the median of the fresh readings, this node's own (0) included,
// as a distance from its own clock; with an even number the earlier of the middle two,
// so that one fast clock of two does not lead. far names who is off, sorted.
func (c clocks) median(self string, now time.Time) (ahead time.Duration, all []Clock) {
	fresh := map[string]reading{self: {at: now}}
	for id, r := range c {
		if now.Sub(r.at) <= clockFresh && id != self {
			fresh[id] = r
		}
	}
	var list []time.Duration
	for id, r := range fresh {
		list = append(list, r.ahead)
		all = append(all, Clock{ID: id, Offset: r.ahead, Round: r.round})
	}
	slices.Sort(list)
	ahead = list[(len(list)-1)/2]
	for i := range all {
		all[i].Offset -= ahead
		all[i].Far = all[i].Offset.Abs() > clockFar
	}
	slices.SortFunc(all, func(a, b Clock) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return ahead, all
}

// Median asks the other members for their wall clocks, for at most a second,
// and gives the median of those that answered within the last seconds, this
// node's own included, and each clock's distance from it. The city's time follows the median, so that
// one wrong clock, the leader's too, does not move it. Call it from one goroutine.
func (n *Node) Median(ctx context.Context) (time.Time, []Clock) {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	type answer struct {
		id string
		r  reading
		ok bool
	}
	others := n.otherMembers()
	ch := make(chan answer, len(others))
	for _, s := range others {
		go func() { // ends with ctx
			asked, wall := time.Now(), n.wall()
			b, err := n.askers.ask(ctx, n.addrOf(s), askClock, nil)
			round := time.Since(asked)
			if err != nil || len(b) != 8 {
				ch <- answer{}
				return
			}
			there := time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
			ch <- answer{string(s.ID), reading{there.Sub(wall.Add(round / 2)), round, time.Now()}, true}
		}()
	}
	for range others {
		if a := <-ch; a.ok {
			n.clocks[a.id] = a.r
		}
	}
	ahead, all := n.clocks.median(n.cfg.ID, time.Now())
	return n.wall().Add(ahead), all
}
