package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memState is a State that costs nothing, so that the log alone is measured.
type memState struct{ index, term atomic.Uint64 }

var _ State = (*memState)(nil)

func (s *memState) ApplyBatch(entries []LogEntry) ([][][]byte, error) {
	out := make([][][]byte, len(entries))
	for i, e := range entries {
		out[i] = make([][]byte, len(e.Items))
		s.index.Store(e.Index)
		s.term.Store(e.Term)
	}
	return out, nil
}
func (s *memState) Applied() (uint64, uint64)        { return s.index.Load(), s.term.Load() }
func (s *memState) Sync() error                      { return nil }
func (s *memState) Progress() uint64                 { return s.index.Load() }
func (s *memState) OpenSnapshot() (*Snapshot, error) { return nil, errors.ErrUnsupported }
func (s *memState) Install(io.Reader) error          { return errors.ErrUnsupported }
func (s *memState) Reset() error                     { return nil }

// BenchmarkPropose commits items of 512 bytes on three nodes in one process
// over loopback, each with its own synced log on the same disk.
func BenchmarkPropose(b *testing.B) {
	for _, store := range []string{"wal", "bolt"} {
		for _, at := range []string{"leader", "follower"} {
			for _, callers := range []int{1, 64, 2048} {
				b.Run(fmt.Sprintf("log=%s/at=%s/callers=%d", store, at, callers), func(b *testing.B) {
					benchPropose(b, store, at, callers)
				})
			}
		}
	}
}

func benchPropose(b *testing.B, store, at string, callers int) {
	c := newCity(b, 3, func(c *Config) {
		c.LogStore = store
		c.Heartbeat, c.Lease = 2*time.Second, time.Second
	})
	for _, n := range c.nodes {
		n.state = openFileState(b, n.cfg.Dir+".state")
	}
	for _, n := range c.nodes {
		n.bare = &memState{}
		n.start()
	}
	n := c.leader()
	if at == "follower" {
		n = c.follower()
	}
	put(b, n, Urgent, "warm")
	var next atomic.Int64
	var wg sync.WaitGroup
	b.SetBytes(512)
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			it := make([]byte, 512)
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				binary.BigEndian.PutUint64(it, uint64(i))
				for {
					_, err := n.node.Propose(context.Background(), Routine, it)
					if err == nil {
						break
					}
					if !errors.Is(err, ErrBusy) {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
	for _, n := range c.nodes {
		n.stop()
	}
}

// BenchmarkTakeover kills the leader under load, with the default times, until
// another one leads; the longest of the runs is reported beside the mean.
func BenchmarkTakeover(b *testing.B) {
	d := Default()
	c := newCity(b, 3, func(c *Config) { c.Heartbeat, c.Lease = d.Heartbeat, d.Lease }).start()
	c.leader()
	var worst, all time.Duration
	for b.Loop() {
		lead := c.leader()
		stop := load(c.follower(), fmt.Sprintf("load-%d", b.N), 512, 32)
		began := time.Now()
		lead.kill()
		c.leader()
		took := time.Since(began)
		all += took
		worst = max(worst, took)
		stop()
		lead.start()
		<-lead.node.Ready()
		put(b, lead, Urgent, fmt.Sprintf("back-%d", all))
	}
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "ms/takeover")
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst")
}
