// Command bench measures Wardline beside its peers, in turn, on one machine,
// and prints a table. It judges nothing: what is to be reached stands elsewhere.
//
// Everything that is measured runs in processes of its own, on loopback, with
// its data on a real disk. They and their data are gone when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/peer"
	"wardline/deploy/city"
	"wardline/deploy/cli"
)

// bench is one run.
type bench struct {
	dir      string
	bin      string // wardline
	self     string
	short    bool
	repeats  int
	backlog  int
	grown    int
	senders  int
	profiles string
	log      io.Writer
	admins   map[string]*city.Client // by address

	report figures.Report
	procs  []*proc
	inside *cgroup // in which the next process starts
	port   int
}

// measures are what can be measured, in the order of the table.
var measures = []struct {
	name, does string
	run        func(*bench, context.Context) error
}{
	{"acks", "synced MQTT acknowledgements a second, beside Mosquitto and NATS JetStream", (*bench).acks},
	{"latency", "one publisher, one message at a time, beside NATS JetStream and one fdatasync", (*bench).latency},
	{"commit", "entries a second committed by three core nodes, beside etcd", (*bench).commit},
	{"live", "MQTT publish until the command API's SSE shows it committed", (*bench).live},
	{"drain", "a backlog drained into three core nodes, and an urgent report meanwhile", (*bench).drain},
	{"many", "what an entry costs the core from all stations at once, beside one station", (*bench).many},
	{"grow", "the core with many entries beside few; the start and memory of a node", (*bench).grow},
	{"trust", "log-ins, connections and idle devices with TLS and passwords", (*bench).trust},
	{"size", "size, start and memory of a station", (*bench).sizes},
}

// longest bounds a whole run, longestLong one with -long; a measure that is cut off says so.
const (
	longest     = 15 * time.Minute
	longestLong = 6 * time.Hour
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 0 && args[0] == "peer":
		err = peer.Main(ctx, args[1:])
	case len(args) > 1 && args[0] == "profile":
		err = profile(ctx, args[1], args[2:])
	default:
		err = run(ctx, args)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{log: os.Stderr}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "", "measure these alone, with commas between them")
	data := f.String("dir", os.TempDir(), "directory on the disk to measure")
	out := f.String("json", "", "also write the figures to this file")
	f.StringVar(&b.bin, "wardline", "", "the program to measure; built when empty")
	f.BoolVar(&b.short, "short", false, "shorter and coarser: some minutes")
	f.IntVar(&b.backlog, "backlog", 0, "entries of the backlog to drain (default 100,000; with -short 20,000)")
	f.IntVar(&b.grown, "grown", 0, "entries of the city at which the core is measured again, or as many as the disk holds (default 400,000; with -short 160,000; with -long 10,000,000)")
	long := f.Bool("long", false, "hours: the backlog has 1,000,000 entries, the grown core 10,000,000")
	f.IntVar(&b.senders, "senders", 4, "stations that send to the core at once")
	f.StringVar(&b.profiles, "profile", "", "write processor profiles of our processes into this directory; they then run inside this program")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: bench [flags]; measures:")
		for _, m := range measures {
			fmt.Fprintf(f.Output(), "  %-8s %s\n", m.name, m.does)
		}
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	var names []string
	for _, m := range measures {
		names = append(names, m.name)
	}
	wanted := names
	if *only != "" {
		wanted = strings.Split(*only, ",")
		for _, w := range wanted {
			if !slices.Contains(names, w) {
				return fmt.Errorf("-only %s: there are %s", w, strings.Join(names, ", "))
			}
		}
	}
	b.repeats = 3
	if b.short {
		b.repeats = 2
	}
	most := longest
	backlog, grown := b.pick(100_000, 20_000), b.pick(400_000, 160_000)
	if *long {
		most, backlog, grown = longestLong, 1_000_000, 10_000_000
	}
	if b.backlog == 0 {
		b.backlog = backlog
	}
	if b.grown == 0 {
		b.grown = grown
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := b.prepare(*data); err != nil {
		return err
	}
	defer func() {
		b.stopAll()
		err = errors.Join(err, os.RemoveAll(b.dir))
	}()
	began := time.Now()
	for _, m := range measures {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		b.say("%s: %s", m.name, m.does)
		if err := m.run(b, ctx); err != nil {
			b.row(figures.Row{Measure: m.does, Note: "failed: " + firstLine(err)})
			b.say("%s failed: %v", m.name, err)
		}
		b.stopAll()
		if ctx.Err() != nil {
			break
		}
	}
	b.report.Seconds = time.Since(began).Seconds()
	if *out != "" {
		w, err := os.Create(*out)
		if err != nil {
			return err
		}
		if err := errors.Join(b.report.JSON(w), w.Close()); err != nil {
			return err
		}
	}
	return b.report.Markdown(os.Stdout)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (b *bench) say(format string, a ...any) { fmt.Fprintf(b.log, "bench: "+format+"\n", a...) }

func (b *bench) row(r figures.Row) { b.report.Rows = append(b.report.Rows, r) }

// pick is a number for a whole run, and one for a short one.
func (b *bench) pick(whole, short int) int {
	if b.short {
		return short
	}
	return whole
}

func (b *bench) seconds(whole, short float64) time.Duration {
	if b.short {
		whole = short
	}
	return time.Duration(whole * float64(time.Second))
}

// prepare makes the run's directory, the program and the description of the machine.
func (b *bench) prepare(data string) error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if err := onDisk(data); err != nil {
		return err
	}
	if b.profiles != "" {
		if b.profiles, err = filepath.Abs(b.profiles); err != nil {
			return err
		}
		if err := os.MkdirAll(b.profiles, 0o755); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp(data, "wardline-bench-"); err != nil {
		return err
	}
	if b.report.Machine, err = machine(b.dir); err != nil {
		return err
	}
	b.report.Short = b.short
	if b.bin != "" {
		b.bin, err = filepath.Abs(b.bin)
		return err
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "wardline").Output()
	if err != nil {
		return fmt.Errorf("finding wardline's source: %w; run it in deploy/bench, or name a program with -wardline", err)
	}
	b.bin = filepath.Join(b.dir, "wardline")
	build := exec.Command("go", "build", "-trimpath", "-o", b.bin, ".")
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building wardline: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) stopAll() {
	for _, p := range slices.Backward(b.procs) {
		p.stop()
	}
	b.procs = nil
}

// ours starts a process of Wardline, profiled if that was asked for.
func (b *bench) ours(name string, args ...string) (*proc, error) {
	if b.profiles == "" {
		return b.start(name, b.bin, args...)
	}
	return b.start(name, b.self, append([]string{"profile", filepath.Join(b.profiles, name+".pprof")}, args...)...)
}

// profile runs a role of Wardline inside this program under the processor profile.
func profile(ctx context.Context, file string, args []string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that is cut short says so when read
	}()
	switch {
	case len(args) > 0 && args[0] == "core":
		return cli.Core(ctx, args[1:])
	case len(args) > 0 && args[0] == "edge":
		return cli.Edge(ctx, args[1:])
	}
	return fmt.Errorf("profile: %q is neither core nor edge", args)
}
