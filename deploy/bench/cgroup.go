package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tight is the memory, in bytes, of the cgroup that a flooded station is put into: its own and
// what the kernel keeps of its files.
const tight = 256 << 20

// cgroup is a control group whose memory is bounded.
type cgroup struct {
	dir  string
	peak string // the file with the most memory that it had
}

// newCgroup makes one below our own (cgroup v1) or at the top (v2, where a group with
// processes has no controlled groups below).
func newCgroup(limit int64) (*cgroup, error) {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mount, v1, err := memoryMount()
	if err != nil {
		return nil, err
	}
	g, bound := &cgroup{dir: mount, peak: "memory.peak"}, "memory.max"
	if v1 {
		g.peak, bound = "memory.max_usage_in_bytes", "memory.limit_in_bytes"
		for line := range strings.Lines(string(raw)) { // ID:controllers:path
			if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && f[1] == "memory" {
				g.dir = filepath.Join(mount, f[2])
			}
		}
	}
	g.dir = filepath.Join(g.dir, fmt.Sprintf("wardline-bench-%d", os.Getpid()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(g.dir, bound), []byte(strconv.FormatInt(limit, 10)), 0o600); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// memoryMount is where the groups are mounted that bound memory (proc(5), mountinfo).
func memoryMount() (dir string, v1 bool, err error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		left, right, _ := strings.Cut(s.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 3 {
			continue
		}
		controllers, _ := os.ReadFile(filepath.Join(l[4], "cgroup.controllers")) // v2 alone has it
		switch {
		case r[0] == "cgroup" && strings.Contains(","+r[2]+",", ",memory,"):
			return l[4], true, nil
		case r[0] == "cgroup2" && strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " memory "):
			return l[4], false, nil
		}
	}
	return "", false, errors.New("no cgroup that bounds memory is mounted")
}

// command is a program's, run inside the group from its first byte on.
func (g *cgroup) command(bin string, args []string) (string, []string) {
	return "/bin/sh", append([]string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs"), bin}, args...)
}

// most is the most memory that the group had, in bytes.
func (g *cgroup) most() (float64, error) {
	raw, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
}

// remove removes the group, once its processes have ended.
func (g *cgroup) remove() error { return os.Remove(g.dir) }

// bounded floods a station in a cgroup, and gives the acknowledgements a second, its most anonymous memory and what
// the group held at most, both in bytes.
func (b *bench) bounded(ctx context.Context, n int) (rate, anon, all float64, err error) {
	g, err := newCgroup(tight)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("no cgroup can be made here: %w", err)
	}
	b.inside = g
	c := b.station("tight")
	p, _, err := b.startStation(ctx, "tight", c)
	b.inside = nil
	if err != nil {
		return 0, 0, 0, errors.Join(err, g.remove())
	}
	most, stop := p.most()
	rate, _, err = fill(c, n)
	stop()
	anon = float64(<-most)
	if alive := p.running(); alive != nil {
		err = errors.Join(alive, err)
	}
	all, merr := g.most()
	p.stop()
	return rate, anon, all, errors.Join(err, merr, g.remove())
}
