package cluster

import (
	"errors"
	"io"
	"slices"
	"sync"
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

// toldLog is a raft.FSM that remembers what it was told.
type toldLog struct {
	mu   sync.Mutex
	told []string
}

func (f *toldLog) Apply(l *raft.Log) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, string(l.Data))
	return nil
}
func (f *toldLog) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (f *toldLog) Restore(io.ReadCloser) error         { return nil }

func (f *toldLog) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.told)
}

// TestTransport_CommitIndexAheadOfRequest_NothingUnprovenIsApplied: a follower whose log
// ends with what a leader before wrote, and no other node has, hears from the new leader that later
// entries are committed before it has them. It must not take its own for them.
func TestTransport_CommitIndexAheadOfRequest_NothingUnprovenIsApplied(t *testing.T) {
	for name, pipelined := range map[string]bool{"single": false, "pipeline": true} {
		t.Run(name, func(t *testing.T) {
			near, err := raft.NewTCPTransport("127.0.0.1:0", nil, 2, 10*time.Second, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			lead, err := raft.NewTCPTransport("127.0.0.1:0", nil, 2, 10*time.Second, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = lead.Close() })
			cfg := raft.DefaultConfig()
			cfg.LocalID, cfg.LogOutput = "b", io.Discard
			cfg.HeartbeatTimeout, cfg.ElectionTimeout = time.Hour, time.Hour
			store, f := raft.NewInmemStore(), &toldLog{}
			conf := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: lead.LocalAddr()}, {ID: "b", Address: near.LocalAddr()}, {ID: "c", Address: "127.0.0.1:1"}}}
			if err := raft.BootstrapCluster(cfg, store, store, raft.NewInmemSnapshotStore(), near, conf); err != nil {
				t.Fatal(err)
			}
			r, err := raft.NewRaft(cfg, f, store, store, raft.NewInmemSnapshotStore(), near)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = errors.Join(r.Shutdown().Error(), near.Close()) })

			tr := transport{lead, 10 * time.Second}
			send := func(term, commit uint64, entries ...*raft.Log) {
				t.Helper()
				req := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("a"), Addr: []byte(lead.LocalAddr())},
					Term: term, PrevLogEntry: 1, PrevLogTerm: 1, Entries: entries, LeaderCommitIndex: commit}
				resp := &raft.AppendEntriesResponse{}
				if !pipelined {
					if err := tr.AppendEntries("b", near.LocalAddr(), req, resp); err != nil || !resp.Success {
						t.Fatalf("%v, %+v", err, resp)
					}
					return
				}
				p, err := tr.AppendEntriesPipeline("b", near.LocalAddr())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = p.Close() }()
				if _, err := p.AppendEntries(req, resp); err != nil {
					t.Fatal(err)
				}
				if done := <-p.Consumer(); done.Error() != nil || !done.Response().Success {
					t.Fatalf("%v, %+v", done.Error(), done.Response())
				}
			}
			command := func(term uint64, data string) *raft.Log {
				return &raft.Log{Index: 2, Term: term, Type: raft.LogCommand, Data: []byte(data)}
			}
			send(2, 1, command(2, "of a lead that ended"))
			send(3, 2)                          // the end of the log was read before entry 2, the commit index after
			send(3, 2, command(3, "committed")) // and then it comes
			for end := time.Now().Add(20 * time.Second); len(f.all()) == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			}
			if err := r.Barrier(time.Second).Error(); err == nil {
				t.Fatal("it leads")
			}
			if got := f.all(); !slices.Equal(got, []string{"committed"}) {
				t.Errorf("applied %q, want only what was committed", got)
			}
		})
	}
}
