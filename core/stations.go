package core

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// lineState is what a node knows of a station's line to itself.
type lineState struct {
	Connected bool  `json:"connected"`
	Last      int64 `json:"last"` // heard, milliseconds since the Unix epoch, UTC
	// Health is what the station said of itself last, to this node.
	Health *api.Health `json:"health,omitempty"`
}

// maxStations bounds the list: ten cities like the one that this was made for.
const maxStations = 2000

// askStations is the question to the other nodes: which stations they hear.
const askStations = "stations"

// askNode is the question who they are, and where stations reach them.
const askNode = "node"

// itself is what this node says of itself.
func (n *Node) itself() api.NodeItem {
	x := api.NodeItem{ID: n.c.ID, Answers: true, Leads: n.raft.IsLeader(), Sync: n.c.Reach, Raft: n.c.Raft, Founding: n.c.founding(n.c.ID)}
	if host, port, err := net.SplitHostPort(n.syncL.Addr().String()); err == nil && x.Sync == "" {
		if len(n.c.Names) > 0 {
			host = n.c.Names[0]
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			x.Sync = net.JoinHostPort(host, port)
		}
	}
	return x
}

// nodes are the founding nodes, and every other that answers, by name.
func (n *Node) nodes(ctx context.Context) []api.NodeItem {
	all := map[string]api.NodeItem{}
	for _, p := range n.c.Peers {
		all[p.ID] = api.NodeItem{ID: p.ID, Raft: p.Raft, Founding: true}
	}
	all[n.c.ID] = n.itself()
	for _, raw := range n.raft.AskOthers(ctx, []byte(askNode)) {
		var x api.NodeItem
		if err := json.Unmarshal(raw, &x); err != nil {
			n.log.Warn("what another node says of itself cannot be read", "err", err)
			continue
		}
		all[x.ID] = x
	}
	return slices.SortedFunc(maps.Values(all), func(a, b api.NodeItem) int { return strings.Compare(a.ID, b.ID) })
}

// local answers another node about what is this node's own.
func (n *Node) local(question []byte) ([]byte, error) {
	word, rest, _ := bytes.Cut(question, []byte{' '})
	switch string(word) {
	case askStations:
		return n.line.heardJSON()
	case askNode:
		return json.Marshal(n.itself())
	case askTakeKey:
		return n.takeKey(rest)
	case askGiveKey:
		return n.giveKey(rest)
	case askKeyRows:
		return n.giveKeyRows(rest)
	}
	return nil, fmt.Errorf("%.40q is no question that is known here", word)
}

func (l *Line) heard() map[record.Origin]lineState {
	out := map[record.Origin]lineState{}
	l.lives.each(func(o record.Origin, connected bool, last time.Time, is *api.Health) {
		out[o] = lineState{connected, last.UnixMilli(), is}
	})
	return out
}

// merge adds what another node knows: a station that is on any node's line is
// connected, and was heard when any node heard it.
func merge(all, other map[record.Origin]lineState) {
	for o, h := range other {
		x := all[o]
		if h.Health != nil && (x.Health == nil || h.Health.At > x.Health.At) {
			x.Health = h.Health
		}
		all[o] = lineState{x.Connected || h.Connected, max(x.Last, h.Last), x.Health}
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
		if h := all[o].Health; h != nil {
			s.Health = h
			s.Alarms = h.Alarms
		}
		out = append(out, s)
	}
	return out, nil
}
