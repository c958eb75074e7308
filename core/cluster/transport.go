package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

// pipelineLimit is how long a request may wait for its turn in a pipeline: the answer
// before it had rpcTimeout to come. A pipeline that takes longer is closed, and Raft
// goes on with single requests, then with a new pipeline.
const pipelineLimit = rpcTimeout + time.Second

// transport is Raft's, with pipelines that end. In hashicorp/raft v1.7.3 the reader of
// a pipeline's answers (pipelineDecode) returns at the first answer that refuses, while
// the writer (pipelineSend) may be waiting for room in the pipeline, which only the
// reader makes: it then waits for ever, that follower hears nothing more from this
// leader, and Shutdown never ends.
type transport struct {
	*raft.NetworkTransport
	limit time.Duration
}

var (
	_ raft.Transport   = transport{}
	_ raft.WithPreVote = transport{}
	_ raft.WithClose   = transport{}
)

// AppendEntriesPipeline implements raft.Transport.
func (t transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return boundedPipeline{p, t.limit}, nil
}

type boundedPipeline struct {
	raft.AppendPipeline
	limit time.Duration
}

// AppendEntries implements raft.AppendPipeline. One goroutine calls it; Close may come
// from another.
func (p boundedPipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	t := time.AfterFunc(p.limit, func() { _ = p.Close() }) // it has no error to tell
	defer t.Stop()
	return p.AppendPipeline.AppendEntries(args, resp)
}
