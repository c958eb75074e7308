package core

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// lineState is what a node knows of a station's line to itself.
type lineState struct {
	Connected bool  `json:"connected"`
	Last      int64 `json:"last"` // heard, milliseconds since the Unix epoch, UTC
}

// maxStations bounds the list: ten cities like the one that this was made for.
const maxStations = 2000

// askStations is the question to the other nodes: which stations they hear.
const askStations = "stations"

// local answers another node about what is this node's own.
func (n *Node) local(question []byte) ([]byte, error) {
	if string(question) != askStations {
		return nil, fmt.Errorf("%.40q is no question that is known here", question)
	}
	return json.Marshal(n.line.heard())
}

func (l *Line) heard() map[record.Origin]lineState {
	out := map[record.Origin]lineState{}
	l.lives.each(func(o record.Origin, connected bool, last time.Time) { out[o] = lineState{connected, last.UnixMilli()} })
	return out
}

// merge adds what another node knows: a station that is on any node's line is
// connected, and was heard when any node heard it.
func merge(all, other map[record.Origin]lineState) {
	for o, h := range other {
		x := all[o]
		all[o] = lineState{x.Connected || h.Connected, max(x.Last, h.Last)}
	}
}

// Stations lists every ward station that ever came to the city. A station has
// its line to one node, so each node asks the others; of one that no node has heard
// since the nodes began there is no last_heard.
func (b backend) Stations(ctx context.Context) ([]api.Station, error) {
	all := map[record.Origin]lineState{}
	known, err := b.n.machine.Stations(maxStations)
	if err != nil {
		return nil, err
	}
	for _, r := range known {
		all[record.StationOrigin(r.Ward)] = lineState{}
	}
	machines := b.n.machine.Machines()
	for name := range machines.Of {
		if o, ok := name.Origin(); ok {
			all[o] = lineState{}
		}
	}
	merge(all, b.n.line.heard())
	for _, raw := range b.n.raft.AskOthers(ctx, []byte(askStations)) {
		var other map[record.Origin]lineState
		if err := json.Unmarshal(raw, &other); err != nil {
			b.n.log.Warn("what another node says of the stations cannot be read", "err", err)
			continue
		}
		merge(all, other)
	}
	out := []api.Station{}
	for _, o := range slices.Sorted(maps.Keys(all)) {
		w, err := wardOf(o)
		if err != nil {
			continue
		}
		s := api.Station{ID: string(o), Ward: w, Name: wardName(w), Connected: all[o].Connected}
		if m, known := machines.Of[trust.StationName(w)]; known {
			s.Enrolment = m.State()
		}
		if all[o].Last > 0 {
			t := api.Time(all[o].Last)
			s.LastHeard = &t
		}
		out = append(out, s)
	}
	return out, nil
}
