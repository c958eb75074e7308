package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/raft"
)

// Spare says whether the cluster goes on without a member: of the voters that are left
// more than half must answer now, or neither its removal nor anything after it could be
// committed. ErrRefused says who is missing.
func (n *Node) Spare(ctx context.Context, id string) error {
	conf := n.members.Load()
	if conf == nil {
		return ErrNoLeader
	}
	voters, answer := 0, 0
	addrs := map[string]string{}
	for _, s := range conf.Servers {
		switch {
		case s.Suffrage != raft.Voter || string(s.ID) == id:
			continue
		case string(s.ID) == n.cfg.ID:
			answer++
		default:
			addrs[string(s.ID)] = n.addrOf(s)
		}
		voters++
	}
	for id, s := range askEach(ctx, addrs, func(ctx context.Context, _, addr string) (status, error) { return n.askStatus(ctx, addr) }) {
		if s.ID == id && s.Member {
			answer++
			delete(addrs, id)
		}
	}
	if 2*answer <= voters {
		return fmt.Errorf("%w: without %s the city would have %d voting nodes, of which %d answer (not %v), and no majority; bring those back first", ErrRefused, id, voters, answer, slices.Sorted(maps.Keys(addrs)))
	}
	return nil
}
