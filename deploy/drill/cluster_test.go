package drill

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/core"
	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/view"
	"wardline/sync/wire"
)

// nodes is how many core nodes there are. They share one state: what a real
// cluster promises to a line is that a node has applied what it read by
// ReadIndex, and here it has.
const nodes = 3

// simCity is the core: the real state and the real line over a cluster that
// answers late, not at all, or with an error after it committed.
type simCity struct {
	s       *sim
	machine *fsm.Machine
	views   *badger.DB
	keys    *sealing.Keyring
	clock   *record.Clock
	lines   [nodes]*core.Line
	signs   map[string]ed25519.PublicKey
	wg      sync.WaitGroup

	apply sync.Mutex // one at a time; guards index
	index uint64

	mu         sync.Mutex // guards all below
	r          *rand.Rand
	leaderless bool
	full       bool // no room for routine
	unkind     int  // of a hundred proposals, how many go wrong
}

var (
	errNoLeader = errors.New("no leader now")
	errUnknown  = errors.New("the outcome is not known")
)

func newCity(s *sim) *simCity {
	c := &simCity{s: s, r: s.rand("city"), signs: map[string]ed25519.PublicKey{}}
	var err error
	c.machine, err = fsm.Open(fsm.Options{Dir: filepath.Join(s.dir, "city"), Log: s.quiet})
	s.must(err)
	c.keys, err = sealing.OpenKeyring(filepath.Join(s.dir, "city.key"))
	s.must(err)
	c.clock = record.NewClock(0, time.Now)
	c.views, err = badger.Open(badger.DefaultOptions("").WithInMemory(true).WithMemTableSize(8 << 20).WithNumMemtables(2).WithValueThreshold(512 << 10).
		WithBlockCacheSize(1 << 20).WithIndexCacheSize(1 << 20).WithCompression(0).WithNumCompactors(2).WithMetricsEnabled(false).WithLogger(nil))
	s.must(err)
	v, err := view.New(c.views, cityLog{c.machine}, s.quiet)
	s.must(err)
	c.start(func() error { return v.Run(s.stop) })
	for i := range nodes {
		id := fmt.Sprintf("core-%d", i+1)
		var seed [ed25519.SeedSize]byte
		copy(seed[:], id)
		sign := ed25519.NewKeyFromSeed(seed[:])
		c.signs[id] = sign.Public().(ed25519.PublicKey)
		c.lines[i] = core.NewLine(core.LineDeps{ID: id, Machine: c.machine, View: v, Keys: c.keys, Sign: sign, Clock: c.clock, Cluster: c,
			Wall: time.Now, Log: s.quiet})
		c.start(func() error { return c.lines[i].Run(s.stop) })
	}
	c.start(func() error { c.ticks(); return nil })
	return c
}

func (c *simCity) start(f func() error) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		c.s.must(f())
	}()
}

func (c *simCity) close() {
	c.wg.Wait()
	c.s.must(errors.Join(c.machine.Close(), c.views.Close()))
}

// ticks lets the city's time go on, as the leader does; seldom, since each
// missed deadline is an entry and the line is what is tried here.
func (c *simCity) ticks() {
	for sleep(c.s.stop, 30*time.Second) {
		if !c.away() {
			c.commit(fsm.Tick(time.Now().UnixMilli()))
		}
	}
}

func (c *simCity) away() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaderless
}

// commit applies one item.
func (c *simCity) commit(item []byte) fsm.Result {
	c.apply.Lock()
	defer c.apply.Unlock()
	c.index++
	out, err := c.machine.ApplyBatch([]fsm.LogEntry{{Index: c.index, Term: 1, Items: [][]byte{item}}})
	c.s.must(err)
	if err != nil {
		return fsm.Result{Status: fsm.Refused, Detail: err.Error()}
	}
	r, err := fsm.DecodeResult(out[0][0])
	c.s.must(err)
	return r
}

// ReadIndex waits for a leader.
func (c *simCity) ReadIndex(ctx context.Context) error {
	if !sleep(ctx, time.Millisecond) {
		return ctx.Err()
	}
	if c.away() {
		return errNoLeader
	}
	return nil
}

// Propose commits, unless the seed wants it otherwise.
func (c *simCity) Propose(ctx context.Context, lane cluster.Lane, item []byte) (fsm.Result, error) {
	c.mu.Lock()
	wait := time.Duration(2+c.r.IntN(20)) * time.Millisecond
	wrong := c.r.IntN(100) < c.unkind
	how := c.r.IntN(4)
	late := time.Duration(c.r.IntN(8000)) * time.Millisecond
	full := c.full && lane == cluster.Routine
	c.mu.Unlock()
	if full {
		return fsm.Result{}, cluster.ErrNoSpace
	}
	for c.away() {
		if !sleep(ctx, 200*time.Millisecond) {
			return fsm.Result{}, errNoLeader
		}
	}
	gone := !sleep(ctx, wait)
	if gone && how > 1 {
		return fsm.Result{}, ctx.Err()
	}
	if !wrong && !gone {
		return c.commit(item), nil
	}
	switch how {
	case 0: // committed, and nobody is told
		c.commit(item)
	case 1: // committed after everybody gave up
		c.start(func() error {
			sleep(c.s.stop, late)
			c.commit(item)
			return nil
		})
	case 2: // stalled, then lost
		sleep(ctx, late)
	}
	return fsm.Result{}, errUnknown
}

// Up and Down open a station's streams to the node that a try falls on.
func (c *simCity) Up(ctx context.Context, try int) (wire.UpClient, func(), error) {
	return dial[wire.UpFrame, wire.UpReply](ctx, c.s.net, try%nodes, c.lines[try%nodes].Up().Serve)
}

func (c *simCity) Down(ctx context.Context, try int) (wire.DownClient, func(), error) {
	return dial[wire.DownAck, wire.DownFrame](ctx, c.s.net, try%nodes, c.lines[try%nodes].Down().Serve)
}

// cityLog is the state as a view follows it.
type cityLog struct{ m *fsm.Machine }

func (l cityLog) Position() uint64         { return l.m.CityIndex() }
func (l cityLog) Changed() <-chan struct{} { return l.m.Changed() }

func (l cityLog) After(pos uint64, limit int) ([]view.Committed, error) {
	rows, err := l.m.After(pos, limit)
	out := make([]view.Committed, len(rows))
	for i, r := range rows {
		out[i] = view.Committed{Position: r.Index, Body: r.Body}
	}
	return out, err
}

func (l cityLog) Bodies(id record.ID) ([]record.Body, error) {
	rows, err := l.m.Incident(id)
	out := make([]record.Body, len(rows))
	for i, r := range rows {
		out[i] = r.Body
	}
	return out, err
}
