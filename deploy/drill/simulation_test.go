package drill

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wardline/sync/record"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed of TestSimulation alone")
	seeds   = flag.Int("seeds", 0, "how many seeds TestSimulation runs (default 300; 10,000 with WARDLINE_LONG)")
	first   = flag.Uint64("from", 1, "the first of them")
)

// shortRun bounds the short form on a slow or loaded machine.
const shortRun = time.Minute

func long() bool { return os.Getenv("WARDLINE_LONG") != "" }

// TestSimulation runs a station, its line and the city under faults that a seed
// draws, and then without: first nothing wrong may happen, then everything
// must come to its end. The same seed gives the same faults at the same virtual
// times. It does not give the same order of goroutines within one instant, nor
// the same random incarnations: run a seed that failed with -count=20.
func TestSimulation(t *testing.T) {
	if *oneSeed != 0 {
		simulate(t, *oneSeed)
		return
	}
	n := *seeds
	switch {
	case n > 0:
	case long():
		n = 10_000
	case testing.Short():
		n = 20
	default:
		n = 300
	}
	next := make(chan uint64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range next {
				if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { simulate(t, seed) }) {
					t.Logf("again: go test ./deploy/drill -run TestSimulation -seed=%d -count=20", seed)
				}
			}
		})
	}
	began, ran := time.Now(), 0
	for seed := *first; seed < *first+uint64(n) && (*seeds > 0 || long() || time.Since(began) < shortRun); seed++ {
		next <- seed
		ran++
	}
	close(next)
	wg.Wait()
	t.Logf("%d seeds in %v", ran, time.Since(began).Round(time.Second))
	coverage.check(t, ran)
}

// sim is one seed's city.
type sim struct {
	t     *testing.T
	seed  uint64
	dir   string
	quiet *slog.Logger
	stop  context.Context
	net   *network
	city  *simCity
	r     *rand.Rand // of the schedule
	fleet []*station
	saw   sights

	rolledBack, cloned, forked bool

	mu      sync.Mutex // guards all below
	began   time.Time
	story   []string
	reports map[record.ID]*sent
	count   int
	failed  bool
}

// sent is one report as its source knows it.
type sent struct {
	lane record.LaneID
	// phone keeps it until the city's receipt and offers it again.
	phone bool
	acked bool
	at    string // the machine that acknowledged it
	// gone: acknowledged, and on a disk that was rolled back before it reached
	// the city. Only a source without memory may lose it so.
	gone bool
}

func (s *sim) rand(label string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(label)) // never fails
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

func (s *sim) note(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, fmt.Sprintf("%9.3fs ", time.Since(s.began).Seconds())+fmt.Sprintf(format, a...))
}

// fail says what is wrong, with what led to it.
func (s *sim) fail(format string, a ...any) {
	s.t.Helper()
	s.note("FAILED: "+format, a...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.failed {
		s.failed = true
		for _, l := range s.story[max(0, len(s.story)-60):] {
			s.t.Log(l)
		}
	}
	s.t.Errorf(format, a...)
}

func (s *sim) must(err error) {
	s.t.Helper()
	if err != nil {
		s.fail("%v", err)
	}
}

func simulate(t *testing.T, seed uint64) {
	base := "/dev/shm" // nothing here is to survive; a disk's syncs would be the whole time
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "wardline-drill-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if p := recover(); p != nil {
			panic(fmt.Sprintf("seed %d: %v", seed, p))
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		stop, cancel := context.WithCancel(context.Background())
		s := &sim{t: t, seed: seed, dir: dir, quiet: slog.New(slog.NewTextHandler(io.Discard, nil)), stop: stop, began: time.Now(), reports: map[record.ID]*sent{}}
		s.r = s.rand("schedule")
		s.net = newNetwork(stop, s.rand("network"))
		s.city = newCity(s)
		s.fleet = []*station{newStation(s, "first")}
		s.fleet[0].start()
		s.faults()
		s.heal()
		s.check()
		coverage.add(s)
		cancel()
		for _, st := range s.fleet {
			st.kill()
		}
		s.net.breakAll(-1)
		s.net.wg.Wait()
		s.city.close()
	})
}

// image is a disk as it was once.
type image struct {
	path string
	at   time.Time
}

// faults is the first phase: whatever happens, nothing wrong may.
func (s *sim) faults() {
	calamity := s.r.IntN(5) // 1: rollback, 2: clone, 3: a twin in memory
	var img *image
	s.city.mu.Lock()
	s.city.unkind = s.r.IntN(25)
	s.city.mu.Unlock()
	steps := 24 + s.r.IntN(40)
	due := steps/3 + s.r.IntN(steps/3)
	for step := range steps {
		time.Sleep(time.Duration(s.r.IntN(3000)) * time.Millisecond)
		s.pick()
		if step == due/2 && (calamity == 1 || calamity == 2) {
			img = s.takeImage()
		}
		if step == due {
			switch calamity {
			case 1:
				s.rollBack(img)
			case 2:
				s.clone(img)
			}
		}
		if step >= due && calamity == 3 && !s.forked {
			s.twin()
		}
		for _, st := range s.fleet {
			s.supervise(st)
		}
	}
	if s.forked && s.r.IntN(2) == 0 {
		s.dieInFork(s.fleet[0])
	}
}

// dieInFork lets a station find its fork over whole wires, and die of it.
func (s *sim) dieInFork(st *station) {
	s.city.mu.Lock()
	s.city.leaderless, s.city.full = false, false
	s.city.mu.Unlock()
	for i := range nodes {
		s.net.set(i, false, false, false)
	}
	if st.ended.Load() {
		st.kill()
	}
	if !st.up() {
		st.start()
	}
	st.disarm()
	st.snare(opFork, s.r.IntN(2) == 0)
	for lane := record.Urgent; lane <= record.Telemetry; lane++ {
		s.send(st, s.newReport(lane, true), func(bool) {})
	}
	time.Sleep(20 * time.Second)
	s.supervise(st)
}

// snare lets a process die in the next operation of one kind, so that each kind
// is met and not only the frequent ones.
func (s *sim) snare(st *station) {
	what, after := ops(s.r.IntN(int(opKinds))), s.r.IntN(2) == 0
	s.note("%s will die in its next %v, after it: %v", st.name, what, after)
	st.snare(what, after)
}

// supervise starts a process again that has died, as systemd would.
func (s *sim) supervise(st *station) {
	select {
	case <-st.blown:
		s.note("%s dies at an operation", st.name)
		st.kill()
	default:
	}
	if !st.up() && s.r.IntN(3) == 0 {
		s.note("%s starts", st.name)
		st.start()
	}
}

// pick lets one thing happen.
func (s *sim) pick() {
	st := s.fleet[s.r.IntN(len(s.fleet))]
	node := s.r.IntN(nodes)
	switch k := s.r.IntN(100); {
	case k < 40:
		s.submit(st, 1+s.r.IntN(8))
	case k < 41:
		s.submit(st, 260+s.r.IntN(200))
	case k < 48:
		s.cityDoor(1 + s.r.IntN(5))
	case k < 54:
		s.wires(-1, k-48)
	case k < 62:
		s.wires(node, s.r.IntN(6))
	case k < 68:
		s.note("every wire is whole")
		for i := range nodes {
			s.net.set(i, false, false, false)
		}
	case k < 72:
		s.note("streams of core-%d break", node+1)
		s.net.breakAll(node)
	case k < 78:
		if st.up() {
			s.note("%s is killed", st.name)
			st.kill()
		}
	case k < 80:
		s.snare(st)
	case k < 86:
		n, after := 1+s.r.IntN(12), s.r.IntN(2) == 0
		s.note("%s will die in %d operations, after it: %v", st.name, n, after)
		st.light(n, after)
	case k < 90:
		s.city.mu.Lock()
		s.city.leaderless = !s.city.leaderless
		s.note("no leader: %v", s.city.leaderless)
		s.city.mu.Unlock()
	case k < 92:
		s.city.mu.Lock()
		s.city.full = !s.city.full
		s.note("the city's disk is full: %v", s.city.full)
		s.city.mu.Unlock()
	case k < 95:
		free := []int64{0, 100 << 20, 20 << 20}[s.r.IntN(3)]
		s.note("%s has %d bytes free (0: enough)", st.name, free)
		st.lost.Store(free)
	case k < 97:
		s.net.mu.Lock()
		s.net.slow = time.Duration(s.r.IntN(3)) * time.Second
		s.note("delays up to %v", s.net.slow)
		s.net.mu.Unlock()
	default:
		d := time.Duration(10+s.r.IntN(50)) * time.Second
		s.note("%v pass", d)
		time.Sleep(d)
	}
}

func (s *sim) wires(node, how int) {
	from, to := node, node+1
	if node < 0 {
		from, to = 0, nodes
	}
	s.note("wires to nodes %d to %d: %s", from+1, to, [...]string{"cut", "black hole", "up lost", "down lost", "whole", "flap"}[how])
	for i := from; i < to; i++ {
		switch how {
		case 0:
			s.net.set(i, true, false, false)
		case 1, 2, 3:
			s.net.set(i, false, how != 3, how != 2)
		case 4:
			s.net.set(i, false, false, false)
		case 5:
			s.net.set(i, true, false, false)
			s.net.set(i, false, false, false)
		}
	}
}

func (s *sim) takeImage() *image {
	st := s.fleet[0]
	img := &image{filepath.Join(s.dir, "image"), time.Now()}
	if st.up() && s.r.IntN(2) == 0 { // of a running machine: its life goes on
		synctest.Wait() // no commit is half on the disk
		st.image(img.path)
		s.note("an image is taken of %s as it runs", st.name)
		return img
	}
	up := st.up()
	st.kill()
	st.image(img.path)
	s.note("an image is taken of %s", st.name)
	if up {
		st.start()
	}
	return img
}

// rollBack puts the image in the place of the first station's disk.
func (s *sim) rollBack(img *image) {
	st := s.fleet[0]
	st.kill()
	time.Sleep(30 * time.Second) // nobody swaps a disk faster; proposals under way are through
	held, err := s.city.machine.Heads(origin)
	s.must(err)
	s.must(os.RemoveAll(st.dir))
	st.restore(img.path)
	s.note("%s gets the image's disk", st.name)
	st.start()
	s.rolledBack = st.behind(held)
	s.forget(st)
	s.prove(st)
}

// clone starts a second machine with the image.
func (s *sim) clone(img *image) {
	st := newStation(s, "second")
	st.restore(img.path)
	s.note("a second machine starts with the image")
	st.start()
	s.cloned = true
	s.prove(st)
	s.fleet = append(s.fleet, st)
}
