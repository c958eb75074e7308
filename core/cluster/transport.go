package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

// pipelineLimit is how long a request may wait for its turn in a pipeline: the answer
// before it had rpcTimeout to come. A pipeline that takes longer is closed, and Raft
// goes on with single requests, then with a new pipeline.
const pipelineLimit = rpcTimeout + time.Second

// transport is Raft's, mended in two places where hashicorp/raft v1.7.3 is not as it
// must be.
//
// Pipelines end. The reader of a pipeline's answers (pipelineDecode) returns at the first answer that refuses, while
// the writer (pipelineSend) may be waiting for room in the pipeline, which only the
// reader makes: it then waits for ever, that follower hears nothing more from this
// leader, and Shutdown never ends.
//
// Nothing is called committed behind what the request itself proves. A follower there
// takes min(leader's commit index, end of its own log) (raft.go, appendEntries), and its
// log may end with what a leader before wrote and nobody else has; the rule is min(leader's
// commit index, index of the last new entry) (Ongaro, Ousterhout: In Search of an
// Understandable Consensus Algorithm, figure 2, AppendEntries 5). A sender reads the end of
// its log first and its commit index later, so such requests come, above all right after an election.
type transport struct {
	*raft.NetworkTransport
	limit time.Duration
}

var (
	_ raft.Transport   = transport{}
	_ raft.WithPreVote = transport{}
	_ raft.WithClose   = transport{}
)

// AppendEntries implements raft.Transport.
func (t transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return t.NetworkTransport.AppendEntries(id, target, proven(args), resp)
}

// proven is the request with a commit index that lies within what it shows to be equal
// in both logs.
func proven(args *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	args.LeaderCommitIndex = min(args.LeaderCommitIndex, args.PrevLogEntry+uint64(len(args.Entries)))
	return args
}

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
	return p.AppendPipeline.AppendEntries(proven(args), resp)
}
