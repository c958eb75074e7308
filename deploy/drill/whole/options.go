package whole

import (
	"io"
	"time"
)

// Options of a run.
type Options struct {
	// Binary is the program under test, Dir an empty directory for the run.
	Binary, Dir string
	Seed        uint64
	// Faults is how long faults go on.
	Faults time.Duration
	// Short leaves processes stopped for at most two seconds.
	Short bool
	// Within is how long after the last fault everything may take to come to
	// its end.
	Within time.Duration
	// Bound is how long an urgent report may wait for its acknowledgement at a
	// ward whose own process and disk have no fault; the line, the core and
	// everything behind them may have any.
	Bound time.Duration
	// Only names the one calamity to try, instead of the seed's; see calamities.
	Only string
	Out  io.Writer
}

// Default is the long form.
func Default() Options {
	return Options{Faults: 25 * time.Second, Within: 90 * time.Second, Bound: 5 * time.Second, Out: io.Discard}
}

// Tally is what a run saw.
type Tally struct {
	Seed     uint64
	Calamity string
	// Acknowledged are reports and officers' entries; Kept those of them whose
	// source keeps them until they are in the city.
	Acknowledged, Kept, Presses, Actions int
	Kills, Stops, Cuts, PowerCuts        int
	// Full are disks that ran full, Jumps those of a clock, Flips bits of files,
	// Stalls those of the leader's disk; Unwritten counts processes that ended
	// because a write to their disk failed.
	Full, Jumps, Flips, Stalls, Unwritten int
	// Splits are cuts between core nodes.
	Splits int
	// Takeover is the longest time until another node led after the leader's disk stood still.
	Takeover time.Duration
	// Gone went with a disk that was put back, from sources without memory.
	Gone int
	// Released are claims that the city took back, because nothing came of them in its time.
	Released  int
	Entries   int
	Incidents int
	// Converged is how long after the last fault everything agreed.
	Converged time.Duration
	// Urgent is the longest wait of an urgent report at a ward without a fault of its own.
	Urgent time.Duration
}
