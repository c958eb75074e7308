package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// localTimeout bounds a question to the other nodes: a desk waits for it.
	localTimeout = time.Second
	// maxLocal bounds a question and an answer, in bytes: below what a frame carries.
	maxLocal = 128 << 10
)

// AskOthers asks every other member what its Deps.Local says to the question,
// for at most a second, and gives the answers that came, in no order. What a node
// that is down knew is missing: use it for what is seen at a node and passes with
// it, never for what must be right.
func (n *Node) AskOthers(ctx context.Context, question []byte) [][]byte {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	others := n.otherMembers()
	ch := make(chan []byte, len(others))
	for _, s := range others {
		go func() { // ends with ctx
			b, err := n.askers.ask(ctx, n.addrOf(s), askLocal, question)
			if err != nil {
				b = nil
			}
			ch <- b
		}()
	}
	var out [][]byte
	for range others {
		if b := <-ch; b != nil {
			out = append(out, b)
		}
	}
	return out
}

func (n *Node) localAnswer(question []byte) ([]byte, error) {
	if len(question) > maxLocal {
		return nil, fmt.Errorf("%w: a question of %d bytes", ErrRefused, len(question))
	}
	b, err := n.local(question)
	if err == nil && len(b) > maxLocal {
		err = fmt.Errorf("an answer of %d bytes", len(b))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return b, nil
}

// otherMembers are the members but this node, as last known.
func (n *Node) otherMembers() (out []raft.Server) {
	if conf := n.members.Load(); conf != nil {
		for _, s := range conf.Servers {
			if string(s.ID) != n.cfg.ID {
				out = append(out, s)
			}
		}
	}
	return out
}
