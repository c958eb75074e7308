// Command planted shows that the drill finds bugs: for each bug of package
// wardline/sync/planted it runs the drill against a program that has it, until
// a check fails, and prints which check that was, at which seed and after how long. It ends
// with an error when a bug was not found.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bug is one planted bug and the drill that finds it.
type bug struct {
	name string
	args []string
}

// The two forms. A seed does not fix the timing of processes, so a bug that
// needs an unlucky moment gets several.
func simulation(name string, seeds int) bug {
	return bug{name, []string{"test", "./deploy/drill", "-count=1", "-failfast", "-timeout=20m", "-tags=planted_" + name, "-run=TestSimulation", fmt.Sprint("-seeds=", seeds)}}
}

func whole(name, only string, runs int) bug {
	return bug{name, []string{"test", "./deploy/drill/whole", "-count=1", "-timeout=40m", "-run=TestWhole", "-planted=planted_" + name, "-only=" + only,
		fmt.Sprint("-runs=", runs), "-failures=1", "-faults=12s", "-within=60s"}}
}

// linear is the check of core reads and claims against a model of them.
func linear(name string) bug {
	return bug{name, []string{"test", "./core", "-count=1", "-timeout=20m", "-tags=planted_" + name, "-run=TestReadsAndClaims"}}
}

// torn is the state of the city after a power cut anywhere in what an entry writes.
func torn(name string) bug {
	return bug{name, []string{"test", "./core/fsm", "-count=1", "-timeout=20m", "-tags=planted_" + name, "-run=TestMachine_PowerCut"}}
}

var bugs = []bug{
	whole("ack_before_sync", "power", 12),
	whole("unsynced", "power", 8),
	simulation("queue_drops", 60),
	whole("cursor_first", "unwritten", 12),
	simulation("retry_new_id", 60),
	simulation("receipt_first", 60),
	simulation("gap_taken", 60),
	whole("repeat_unknown", "none", 4),
	torn("applied_apart"),
	whole("state_differs", "none", 2),
	whole("resync_empty", "restore", 4),
	whole("fold_arrival", "none", 8),
	linear("stale_read"),
	linear("claim_blind"),
}

func main() {
	only := flag.String("bug", "", "try this bug alone")
	verbose := flag.Bool("v", false, "print what the drill prints")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, verbose bool) error {
	var missed []string
	tried := 0
	for _, b := range bugs {
		if only != "" && only != b.name {
			continue
		}
		tried++
		said, took, err := b.try(ctx, verbose)
		if ctx.Err() != nil {
			return err
		}
		if err != nil { // said, and the others are tried all the same
			fmt.Fprintln(os.Stderr, err)
		}
		if said == "" {
			missed = append(missed, b.name)
			said = "NOT FOUND"
		}
		fmt.Printf("%-16s %6.0f s  %s\n                           go %s\n", b.name, took.Seconds(), said, strings.Join(b.args, " "))
	}
	switch {
	case tried == 0:
		return fmt.Errorf("no bug is called %q", only)
	case len(missed) > 0:
		return fmt.Errorf("the drill did not find %s", strings.Join(missed, ", "))
	}
	return nil
}

// try runs the drill with a bug, and gives the words of the check that
// failed; empty when none did. The time is the drill's, without the build.
func (b bug) try(ctx context.Context, verbose bool) (said string, took time.Duration, err error) {
	warm := slices.Clone(b.args)
	if i := slices.IndexFunc(warm, func(a string) bool { return strings.HasPrefix(a, "-run=") }); i >= 0 {
		warm[i] = "-run=^$"
	}
	if out, err := exec.CommandContext(ctx, "go", warm...).CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("%s does not build: %w\n%s", b.name, err, out)
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, "go", b.args...).CombinedOutput()
	took = time.Since(began)
	if verbose {
		fmt.Printf("%s\n", out)
	}
	if err == nil {
		return "", took, nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil {
		return "", took, err
	}
	if !checked(out) {
		return "", took, fmt.Errorf("%s: the drill ended without a failed check, so this is no find: %s", b.name, verdict(out))
	}
	return at(out) + verdict(out), took, nil
}

// Where whole cities, then the simulation and the readings, name the seed that failed. Seeds begin with 1.
var places = regexp.MustCompile(`: seed (\d+) after |--- FAIL: Test\w+/seed=(\d+) `)

// at is "seed N: ", empty where the drill names none.
func at(out []byte) string {
	if m := places.FindSubmatch(out); m != nil {
		return fmt.Sprintf("seed %s%s: ", m[1], m[2])
	}
	return ""
}

// checked says whether a test failed, and not the build, vet or the program around it.
func checked(out []byte) bool {
	return bytes.Contains(out, []byte("--- FAIL: ")) && !bytes.Contains(out, []byte("[build failed]")) && !bytes.Contains(out, []byte("[setup failed]"))
}

// What the two forms print when a check fails.
var failures = []*regexp.Regexp{
	regexp.MustCompile(`seed \d+ after [^:]+: (.*)`),
	regexp.MustCompile(`FAILED: (.*)`),
	regexp.MustCompile(`\.go:\d+: ((?:report|not within|cut \d+|.* lacks) .*)`),
}

func verdict(out []byte) string {
	for _, f := range failures {
		for _, m := range f.FindAllSubmatch(out, -1) {
			if string(m[1]) != "see above" { // the simulation's last word, behind what failed
				return string(m[1][:min(len(m[1]), 300)])
			}
		}
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return "failed: " + string(lines[0][:min(len(lines[0]), 300)])
}
