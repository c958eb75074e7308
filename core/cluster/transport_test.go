package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestPipeline_NobodyReadsItsAnswers_ASendEnds: a sender that waits for room that
// nobody makes would keep its follower from hearing anything, and the node from ending.
func TestPipeline_NobodyReadsItsAnswers_ASendEnds(t *testing.T) {
	open := func() *raft.NetworkTransport {
		tr, err := raft.NewTCPTransport("127.0.0.1:0", nil, 2, 10*time.Second, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	far := open()
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			select {
			case r := <-far.Consumer():
				r.Respond(&raft.AppendEntriesResponse{}, nil) // refused
			case <-stop:
				return
			}
		}
	}()
	p, err := transport{open(), 200 * time.Millisecond}.AppendEntriesPipeline("far", far.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for range 1000 { // more than fit
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{}); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, raft.ErrPipelineShutdown) {
			t.Errorf("%v, want %v", err, raft.ErrPipelineShutdown)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for ever")
	}
}
