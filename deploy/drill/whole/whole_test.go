package whole

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	seed   = flag.Uint64("seed", 0, "run this seed alone")
	runs   = flag.Int("runs", 0, "how many seeds (default: a few chosen ones; 500 with WARDLINE_LONG)")
	first  = flag.Uint64("first", 1, "the first seed of -runs")
	tags   = flag.String("planted", "", "build tag of a planted bug in the program under test")
	only   = flag.String("only", "", "the calamity to try instead of the seed's: see calamities")
	faults = flag.Duration("faults", 0, "how long faults go on (default 5s; 25s with WARDLINE_LONG)")
	failed = flag.Int("failures", 5, "how many seeds may fail before a run of many ends")
	within = flag.Duration("within", 0, "how long everything may take to come to its end (default 90s)")
	keep   = flag.String("dir", "", "where failed runs are kept (default: the system's temporary directory)")
)

// shortFaults: below it no process stands still for long, so that a seed is the
// same seed by its number and -faults alone.
const shortFaults = 10 * time.Second

func long() bool { return os.Getenv("WARDLINE_LONG") != "" }

func mustBuild(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "wardline")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", "drill,"+*tags, "-o", bin, "wardline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestWhole_FaultsOfASeed_ThePromiseHolds runs whole cities; see the package.
func TestWhole_FaultsOfASeed_ThePromiseHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole cities")
	}
	o := Default()
	o.Binary, o.Only = mustBuild(t), *only
	switch {
	case *faults > 0:
		o.Faults = *faults
	case !long():
		o.Faults = 5 * time.Second
	}
	o.Short = o.Faults < shortFaults
	if *within > 0 {
		o.Within = *within
	}
	var sum sums
	for _, o.Seed = range seeds() {
		if sum.failed < *failed {
			one(t, o, &sum)
		}
	}
	t.Log(&sum)
}

// chosen are the seeds of the short form: a restored image, a full disk, a storm.
var chosen = []uint64{1, 5, 12}

func seeds() (out []uint64) {
	n := *runs
	switch {
	case *seed != 0:
		return []uint64{*seed}
	case n == 0 && !long():
		return chosen
	case n == 0:
		n = 500
	}
	for i := range uint64(n) {
		out = append(out, *first+i)
	}
	return out
}

// sums are those of all runs.
type sums struct {
	Tally
	seeds                   []uint64
	failed                  int
	lost, doubled, diverged int
	kinds                   map[string]int // runs by calamity
}

func (s *sums) add(t Tally, err error) {
	s.seeds = append(s.seeds, t.Seed)
	if s.kinds == nil {
		s.kinds = map[string]int{}
	}
	s.kinds[t.Calamity]++
	s.Acknowledged += t.Acknowledged
	s.Kills += t.Kills
	s.Stops += t.Stops
	s.Cuts += t.Cuts
	s.PowerCuts += t.PowerCuts
	s.Full += t.Full
	s.Jumps += t.Jumps
	s.Flips += t.Flips
	s.Stalls += t.Stalls
	s.Unwritten += t.Unwritten
	s.Splits += t.Splits
	s.Gone += t.Gone
	s.Released += t.Released
	s.Converged = max(s.Converged, t.Converged)
	s.Urgent = max(s.Urgent, t.Urgent)
	s.Takeover = max(s.Takeover, t.Takeover)
	if err == nil {
		return
	}
	s.failed++
	for word, n := range map[string]*int{"listed: ": &s.lost, "once: ": &s.doubled, "agree: ": &s.diverged, "digests: ": &s.diverged, "chains: ": &s.diverged} {
		if strings.Contains(err.Error(), word) {
			*n++
		}
	}
}

// String is the report of all runs; lost, duplicated and diverged count runs.
func (s *sums) String() string {
	return fmt.Sprintf("%d runs (seeds %d to %d; %v), %d failed: %d kills, %d stops, %d cuts of the line, %d power cuts, %d full disks, %d clock jumps, %d flipped bits, %d stalled disks, "+
		"%d ends by a failed write, %d cuts between core nodes; %d acknowledged, %d lost, %d duplicated, %d diverged, %d gone with a disk, %d claims released by the city; longest convergence %v, urgent at most %v, another leader at most %v after a stall",
		len(s.seeds), slices.Min(s.seeds), slices.Max(s.seeds), s.kinds, s.failed, s.Kills, s.Stops, s.Cuts, s.PowerCuts, s.Full, s.Jumps, s.Flips, s.Stalls,
		s.Unwritten, s.Splits, s.Acknowledged, s.lost, s.doubled, s.diverged, s.Gone, s.Released, s.Converged.Round(time.Millisecond), s.Urgent.Round(time.Millisecond), s.Takeover.Round(time.Millisecond))
}

func one(t *testing.T, o Options, sum *sums) {
	dir, err := os.MkdirTemp(*keep, "wardline-whole-")
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = dir
	story, err := os.Create(filepath.Join(dir, "story.txt"))
	if err != nil {
		t.Fatal(err)
	}
	o.Out = story
	began := time.Now()
	tally, err := Run(t.Context(), o)
	sum.add(tally, err)
	if err := errors.Join(err, story.Close()); err != nil {
		t.Errorf("seed %d after %v: %v\n%+v\nagain: go test ./deploy/drill/whole -run TestWhole -count=1 -seed=%d -faults=%v -planted=%q -only=%q\nkept: %s",
			o.Seed, time.Since(began).Round(time.Second), err, tally, o.Seed, o.Faults, *tags, *only, dir)
		return
	}
	t.Logf("seed %d, %v: %+v", o.Seed, time.Since(began).Round(time.Second), tally)
	if err := Clean(o); err != nil {
		t.Error(err)
	}
}
