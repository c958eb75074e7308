package cluster

import (
	"context"
	"fmt"

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
	voters, answer, silent := 0, 0, []string{}
	type got struct {
		id string
		ok bool
	}
	ch := make(chan got, len(conf.Servers))
	for _, s := range conf.Servers {
		if s.Suffrage != raft.Voter || string(s.ID) == id {
			continue
		}
		voters++
		if string(s.ID) == n.cfg.ID {
			ch <- got{n.cfg.ID, true}
			continue
		}
		go func() { // ends with its own limit
			st, err := n.askStatus(ctx, n.addrOf(s))
			ch <- got{string(s.ID), err == nil && st.ID == string(s.ID) && st.Member}
		}()
	}
	for range voters {
		if g := <-ch; g.ok {
			answer++
		} else {
			silent = append(silent, g.id)
		}
	}
	if 2*answer <= voters {
		return fmt.Errorf("%w: without %s the city would have %d voting nodes, of which %d answer (not %v), and no majority; bring those back first", ErrRefused, id, voters, answer, silent)
	}
	return nil
}
