package whole

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var (
	seed   = flag.Uint64("seed", 0, "run this seed alone")
	runs   = flag.Int("runs", 0, "how many seeds (default 2; 500 with WARDLINE_LONG)")
	first  = flag.Uint64("first", 1, "the first seed of -runs")
	tags   = flag.String("planted", "", "build tag of a planted bug in the program under test")
	only   = flag.String("only", "", "the calamity to try instead of the seed's: see calamities")
	faults = flag.Duration("faults", 0, "how long faults go on (default 8s; 25s with WARDLINE_LONG)")
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
	if out, err := exec.Command("go", "build", "-tags", "drill,"+*tags, "-o", bin, "wardline").CombinedOutput(); err != nil {
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
	n, from := *runs, *first
	switch {
	case *seed != 0:
		n, from = 1, *seed
	case n == 0 && long():
		n = 500
	case n == 0:
		n = 2
	}
	switch {
	case *faults > 0:
		o.Faults = *faults
	case !long():
		o.Faults = 8 * time.Second
	}
	o.Short = o.Faults < shortFaults
	if *within > 0 {
		o.Within = *within
	}
	var sum Tally
	for o.Seed = from; o.Seed < from+uint64(n); o.Seed++ {
		if !t.Failed() {
			one(t, o, &sum)
		}
	}
	t.Logf("%d runs: %d acknowledged, %d kills, %d stops, %d cuts of the line, %d power cuts, %d gone with a disk, longest convergence %v, urgent at most %v",
		n, sum.Acknowledged, sum.Kills, sum.Stops, sum.Cuts, sum.PowerCuts, sum.Gone, sum.Converged.Round(time.Millisecond), sum.Urgent.Round(time.Millisecond))
}

func one(t *testing.T, o Options, sum *Tally) {
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
	if err := errors.Join(err, story.Close()); err != nil {
		t.Errorf("seed %d after %v: %v\n%+v\nagain: go test ./deploy/drill/whole -run TestWhole -count=1 -seed=%d -faults=%v -planted=%q -only=%q\nkept: %s",
			o.Seed, time.Since(began).Round(time.Second), err, tally, o.Seed, o.Faults, *tags, *only, dir)
		return
	}
	t.Logf("seed %d, %v: %+v", o.Seed, time.Since(began).Round(time.Second), tally)
	if err := Clean(o); err != nil {
		t.Error(err)
	}
	sum.Acknowledged += tally.Acknowledged
	sum.Kills += tally.Kills
	sum.Stops += tally.Stops
	sum.Cuts += tally.Cuts
	sum.PowerCuts += tally.PowerCuts
	sum.Gone += tally.Gone
	sum.Converged = max(sum.Converged, tally.Converged)
	sum.Urgent = max(sum.Urgent, tally.Urgent)
}
