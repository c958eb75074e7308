package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"wardline/edge"
	"wardline/edge/ledger"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/uplink"
)

const (
	ward   = record.WardCode("26704")
	origin = record.Origin("ward-26704")
)

var errKilled = errors.New("the process was killed")

// station is one machine with a disk; its process may be killed between any two
// operations of its store, and started again.
type station struct {
	s    *sim
	name string
	dir  string
	lost atomic.Int64 // bytes free on its disk, when it is full

	mu      sync.RWMutex // held for reading during an operation; guards dead
	dead    bool
	fuse    atomic.Int64         // operations until the process dies; negative: never
	snares  [opKinds]atomic.Bool // the next of its kind is the last
	after   bool
	ended   atomic.Bool // the fuse has burnt down: no operation any more
	blown   chan struct{}
	ledger  *ledger.Ledger
	keys    *sealing.Keyring
	cancel  context.CancelFunc
	stopLog context.CancelFunc
	running sync.WaitGroup
	writing chan error

	tell   sync.Mutex      // guards all below
	cursor downlink.Cursor // as the last Apply left it, in this process
	alarms map[string]int
}

func newStation(s *sim, name string) *station {
	return &station{s: s, name: name, dir: filepath.Join(s.dir, name), dead: true, alarms: map[string]int{}}
}

func (st *station) up() bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return !st.dead
}

func (st *station) start() {
	s := st.s
	o := ledger.Default(st.dir, origin)
	o.Wall, o.Log, o.Ballast = time.Now, s.quiet, 0
	o.FreeSpace = func(string) (int64, error) {
		if n := st.lost.Load(); n > 0 {
			return n, nil
		}
		return 1 << 40, nil
	}
	var err error
	st.ledger, err = ledger.Open(o)
	s.must(err)
	st.keys, err = sealing.OpenKeyring(filepath.Join(st.dir, "wrapping.key"))
	s.must(err)
	if cuts := st.ledger.Found().Cuts; len(cuts) > 0 {
		s.fail("%s: the ledger lost a tail: %+v", st.name, cuts)
	}
	ctx, cancel := context.WithCancel(context.Background())
	st.cancel = cancel
	st.blown = make(chan struct{}, 1)
	st.disarm()
	st.ended.Store(false)
	logCtx, stopLog := context.WithCancel(context.Background())
	st.stopLog = stopLog
	st.writing = make(chan error, 1)
	l, writing := st.ledger, st.writing
	go func() { writing <- l.Run(logCtx) }()
	st.mu.Lock()
	st.dead = false
	st.mu.Unlock()
	var take *downlink.Receiver
	line := &edge.Line{Origin: origin, Ledger: st.ledger, Keys: st.keys, Alarm: st.alarm, Lacks: func() { take.Again() }, Cloned: func() { take.Again() },
		Claimed: func(*record.Body) {}, Told: func() error { return nil }, Log: s.quiet}
	down := sink{Sink: line.Down(), st: st}
	cur, err := down.Sink.Cursor()
	s.must(err)
	st.moved(cur)
	r := s.rand(fmt.Sprint("jitter ", st.name, time.Now().UnixNano()))
	var rmu sync.Mutex
	jitter := func(d time.Duration) time.Duration {
		rmu.Lock()
		defer rmu.Unlock()
		return d/2 + time.Duration(r.Int64N(int64(d)))
	}
	boot := r.Uint64()
	send := uplink.New(uplink.Config{Open: s.city.Up, Boot: boot, Wall: time.Now, Jitter: jitter, Log: s.quiet}, store{Store: line.Up(), st: st})
	take = downlink.New(downlink.Config{Open: s.city.Down, Boot: boot, Wall: time.Now, Jitter: jitter, Log: s.quiet}, down)
	st.running.Add(2)
	go func() { defer st.running.Done(); s.must(send.Run(ctx)) }()
	go func() { defer st.running.Done(); s.must(take.Run(ctx)) }()
}

// kill ends the process: nothing that was not on the disk by now gets there,
// except what waited in the committer's queue, whose sender is not told.
func (st *station) kill() {
	st.mu.Lock()
	if st.dead {
		st.mu.Unlock()
		return
	}
	st.dead = true
	st.mu.Unlock()
	st.cancel()
	st.running.Wait()
	st.stopLog()
	st.s.must(<-st.writing)
	st.s.must(st.ledger.Close())
}

// op runs one operation of the store; the fuse may kill the process before it,
// or after it and before its answer.
func (st *station) op(what ops, f func() error) error {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.dead || st.ended.Load() {
		return errKilled
	}
	st.s.saw.done[what].Add(1)
	if !st.snares[what].Load() && (st.fuse.Load() < 0 || st.fuse.Add(-1) > 0) {
		return f()
	}
	st.s.saw.killed[what].Add(1)
	st.ended.Store(true)
	if st.after {
		_ = f() // done, and nobody hears of it
	}
	st.blow()
	return errKilled
}

// light sets the fuse: so many operations from now.
func (st *station) light(ops int, after bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.after = after
	st.fuse.Store(int64(ops))
}

// snare lets the process die in its next operation of a kind.
func (st *station) snare(what ops, after bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.after = after
	st.snares[what].Store(true)
}

// disarm takes fuse and snares away.
func (st *station) disarm() {
	st.fuse.Store(-1)
	for i := range st.snares {
		st.snares[i].Store(false)
	}
}

func (st *station) blow() {
	select {
	case st.blown <- struct{}{}:
	default:
	}
}

func (st *station) alarm(text string) {
	st.tell.Lock()
	defer st.tell.Unlock()
	st.alarms[text]++
}

func (st *station) moved(c downlink.Cursor) {
	st.tell.Lock()
	defer st.tell.Unlock()
	st.cursor = c
}

func (st *station) at() downlink.Cursor {
	st.tell.Lock()
	defer st.tell.Unlock()
	return st.cursor
}

// image copies the disk; the process must be down.
func (st *station) image(to string) { st.s.must(os.CopyFS(to, os.DirFS(st.dir))) }

// restore makes the disk a copy of an image.
func (st *station) restore(from string) { st.s.must(os.CopyFS(st.dir, os.DirFS(from))) }

// store is the ledger behind the uplink, with a fuse.
type store struct {
	uplink.Store
	st *station
}

func (x store) Read(c record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) (list []record.Entry, keys []record.WrappedKey, err error) {
	err = x.st.op(opRead, func() error {
		list, keys, err = x.Store.Read(c, from, maxCount, maxBytes, w)
		return err
	})
	return list, keys, err
}

// SaveReceipt also checks what a receipt promises, at the city itself.
func (x store) SaveReceipt(r record.Receipt) error {
	s := x.st.s
	if err := r.Verify(s.city.signs[r.Node]); err != nil {
		s.fail("a receipt reached the store that %s did not sign: %v", r.Node, err)
	}
	rows, err := s.city.machine.ChainEntries(r.Chain, r.Seq, 1)
	s.must(err)
	if len(rows) != 1 || rows[0].Entry.Hash() != r.Hash {
		s.fail("a receipt for %v %d, which the city does not hold so", r.Chain, r.Seq)
	}
	list, _, err := x.st.ledger.Read(r.Chain, r.Seq, 1, 1<<20)
	if err != nil || len(list) != 1 || list[0].Hash() != r.Hash {
		s.fail("%s: a receipt for %v %d, which its disk does not hold so: %v", x.st.name, r.Chain, r.Seq, err)
	}
	return x.st.op(opReceipt, func() error { return x.Store.SaveReceipt(r) })
}

func (x store) Reincarnate(c record.ChainID, from record.Seq) error {
	x.st.s.note("%s: fork of %v at %d", x.st.name, c.Incarnation, from)
	return x.st.op(opFork, func() error { return x.Store.Reincarnate(c, from) })
}

// Ahead is counted.
func (x store) Ahead(c record.ChainID, have, city record.Seq) {
	x.st.s.saw.ahead.Store(true)
	x.Store.Ahead(c, have, city)
}

func (x store) Refused(c record.ChainID, from record.Seq, detail string) {
	x.st.s.fail("%s: the city refuses %v from %d: %s", x.st.name, c, from, detail)
}

// sink is the ledger behind the downlink, with a fuse.
type sink struct {
	downlink.Sink
	st *station
}

func (x sink) Cursor() (c downlink.Cursor, err error) {
	err = x.st.op(opCursor, func() error {
		c, err = x.Sink.Cursor()
		return err
	})
	return c, err
}

// Apply also checks that rows come once, in order, and that the cursor never
// moves without them.
func (x sink) Apply(p downlink.Part, w *record.Wrapper) error {
	return x.st.op(opApply, func() error {
		if at := x.st.at(); p.Cursor != nil && !p.Resync && p.Cursor.Seq <= at.Seq {
			x.st.s.fail("%s: the downlink brought row %d again, the disk has %d", x.st.name, p.Cursor.Seq, at.Seq)
		}
		if err := x.Sink.Apply(p, w); err != nil {
			if c, cerr := x.Sink.Cursor(); cerr != nil || c != x.st.at() {
				x.st.s.fail("%s: the cursor is %d (%v), although the part that brought it there was refused: %v", x.st.name, c.Seq, cerr, err)
			}
			if p.Cursor != nil {
				x.st.s.saw.refused.Store(true)
			}
			return err
		}
		x.st.s.saw.resync.Store(x.st.s.saw.resync.Load() || p.Resync)
		if p.Cursor != nil {
			x.st.moved(*p.Cursor)
		}
		return nil
	})
}
