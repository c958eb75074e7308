package drill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// ops are the operations of a station's store, in each of which it may die.
type ops int

const (
	opRead ops = iota
	opReceipt
	opFork
	opCursor
	opApply
	opKinds
)

func (o ops) String() string {
	return [...]string{"read", "receipt", "reincarnate", "cursor", "apply"}[o]
}

// sights are what one seed has seen, beside what its sim says.
type sights struct {
	done, killed  [opKinds]atomic.Int64
	ahead, resync atomic.Bool
	refused       atomic.Bool // a part with a cursor could not be kept
}

// seen counts in how many seeds a thing was met: a simulation that never meets
// what it is there for proves nothing.
type seen struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

var coverage = seen{n: map[string]int{}}

func (c *seen) add(s *sim) {
	alarms := s.alarms()
	met := map[string]bool{"rollback": s.rolledBack, "clone": s.cloned, "fork": s.forked, "rollback named": alarms["rollback"] > 0,
		"clone named": alarms["clone"] > 0, "city ahead of a disk": s.saw.ahead.Load(), "resync": s.saw.resync.Load(),
		"rows that could not be kept": s.saw.refused.Load()}
	for o := range opKinds {
		met["killed in "+o.String()] = s.saw.killed[o].Load() > 0
	}
	met["reincarnate"] = s.saw.done[opFork].Load() > 0
	s.mu.Lock()
	for _, r := range s.reports {
		met["acknowledged, then gone with a disk"] = met["acknowledged, then gone with a disk"] || r.gone
	}
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for what, yes := range met {
		if yes {
			c.n[what]++
		} else {
			c.n[what] += 0
		}
	}
}

// enough is how many seeds must have met everything.
const enough = 200

// check says how many seeds met what.
func (c *seen) check(t *testing.T, ran int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		out = append(out, fmt.Sprintf("%s %d", what, c.n[what]))
		if ran >= enough && c.n[what] == 0 {
			t.Errorf("not one of %d seeds met: %s", ran, what)
		}
	}
	t.Logf("seeds that met: %s", strings.Join(out, ", "))
}
