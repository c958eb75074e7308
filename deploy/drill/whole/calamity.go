package whole

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The calamities: what a run has at most one kind of, beside everyday faults;
// a storm is several kinds.
const (
	calm      = "none"
	restore   = "restore"   // an older image of the station's disk is put in its place
	power     = "power"     // the station's power is cut, again and again
	wipe      = "wipe"      // a core node's disk is lost
	corePower = "corepower" // the power of one, two or all core nodes is cut, again and again
	full      = "full"      // the disk of the station, of a core node or of all of them is full
	clone     = "clone"     // a second station runs from a copy of the first one's disk
	clock     = "clock"     // clocks jump by hours, or a process starts in 1970
	flip      = "flip"      // a bit of a file is another one
	unwritten = "unwritten" // a write to the disk fails
	stall     = "stall"     // the disk of the core's leader stands still
	cell      = "cell"      // the line is a bad 4G cell, all the time
	outage    = "outage"    // the line is a black hole all the time; not among the seeds' own, for -only
	storm     = "storm"     // any of power, corepower, full, clock, unwritten, stall and split, one after the other
	coreImage = "coreimage" // an older image of a core node's disk is put in its place
	split     = "split"     // core nodes do not reach each other, in one direction or both
)

// calamities are in turn those of the seeds.
var calamities = []string{calm, restore, power, wipe, corePower, full, clone, clock, flip, unwritten, stall, cell, storm, storm, split, coreImage}

// storms are what a storm is made of.
var storms = []string{power, corePower, full, clock, unwritten, stall, split}

// wired are the calamities that cut lines between core nodes.
var wired = []string{split, storm}

// inRows are the calamities that leave the station's disk alone: it may be killed several
// times in a row without keeping them from happening.
var inRows = []string{calm, wipe, clock, cell, split, coreImage}

// onDisks are the calamities that need file systems of their own.
var onDisks = []string{power, corePower, full, unwritten, stall, storm}

// mountDisks gives every process a disk of its own when the calamity needs
// that, and says whether it can be had.
func (m *master) mountDisks(which string) (bool, error) {
	if !slices.Contains(onDisks, which) {
		return true, nil
	}
	m.disks = map[string]*disk{}
	for _, name := range m.w.names() {
		d, err := newDisk(filepath.Join(m.w.o.Dir, "disks", name), filepath.Join(m.w.dir, name), sizeOf(name))
		if errors.Is(err, errNoDisk) {
			m.w.note("without %s: %v", which, err)
			return false, m.closeDisks()
		}
		if err != nil {
			return false, errors.Join(err, m.closeDisks())
		}
		m.disks[name] = d
	}
	return true, nil
}

func sizeOf(name string) int64 {
	if name == station {
		return stationDisk
	}
	return coreDisk
}

// keepDisks copies what is on the disks, for who looks at a run that failed.
func (m *master) keepDisks() (err error) {
	for name, d := range m.disks {
		err = errors.Join(err, run("cp", "-a", "--sparse=always", d.dir, filepath.Join(m.w.o.Dir, "kept-"+name)))
	}
	return err
}

func (m *master) closeDisks() (err error) {
	for _, d := range m.disks {
		err = errors.Join(err, d.close())
	}
	m.disks = nil
	return err
}

// calamity lets the run's calamity happen, or its next step; again says that
// there is more to come.
func (m *master) calamity(ctx context.Context, which string) (again bool, err error) {
	if which == storm {
		which = storms[m.r.IntN(len(storms))]
	}
	cores := m.w.names()[1:]
	one := cores[m.r.IntN(len(cores))]
	switch which {
	case restore:
		if m.busy[station] {
			return true, nil
		}
		if m.images++; m.images == 1 {
			return true, m.takeImage("image")
		}
		return false, m.putBack(ctx)
	case clone:
		if m.busy[station] {
			return true, nil
		}
		return false, m.clone(ctx)
	case wipe:
		if m.busy[one] {
			return true, nil
		}
		m.w.note("the disk of %s is lost", one)
		return false, m.replace(one)
	case power:
		return true, m.powerCut(station)
	case corePower:
		m.r.Shuffle(len(cores), func(i, j int) { cores[i], cores[j] = cores[j], cores[i] })
		return true, m.powerCut(cores[:1+m.r.IntN(len(cores))]...)
	case full:
		m.full(ctx)
	case clock:
		return true, m.clock(ctx)
	case flip:
		return true, m.flip(ctx)
	case unwritten:
		m.unwritten(ctx)
	case stall:
		m.stall(ctx)
	case split:
		m.split(ctx)
	case coreImage:
		return m.coreImage(one)
	}
	return true, nil
}

// free are those of the names that have no fault now.
func (m *master) idle(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return m.busy[n] })
}

// during runs a fault of some processes beside everything else; they have no
// other one meanwhile.
func (m *master) during(names []string, f func() error) {
	for _, n := range names {
		m.busy[n] = true
	}
	m.wg.Go(func() {
		err := f()
		m.mu.Lock()
		m.broke = errors.Join(m.broke, err)
		m.mu.Unlock()
		for _, n := range names {
			m.free <- n
		}
	})
}

// hurt is a fault of processes of which the station may be one; it lasts
// until the station answers again.
func (m *master) hurt(names []string, f func() error) error {
	if !slices.Contains(names, station) {
		return f()
	}
	m.w.wound()
	defer m.w.heal()
	defer m.w.woundUntilReady(context.Background())
	return f()
}

// replace gives a process an empty disk.
func (m *master) replace(name string) error {
	m.w.command("kill", name)
	err := emptyDir(filepath.Join(m.w.dir, name))
	m.w.command("start", name)
	return err
}

// emptyDir empties a directory, which may be where something is mounted.
func emptyDir(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// powerCut ends processes and everything that they had not synced at one moment.
func (m *master) powerCut(names ...string) error {
	names = m.idle(names...)
	if len(names) == 0 {
		return nil
	}
	return m.hurt(names, func() (err error) {
		m.w.note("the power of %s is cut", strings.Join(names, ", "))
		for _, n := range names {
			m.w.command("kill", n)
		}
		for _, n := range names {
			err = errors.Join(err, m.disks[n].cut())
			m.tally.PowerCuts++
		}
		for _, n := range names {
			m.w.command("start", n)
		}
		return err
	})
}

// takeImage copies the station's disk while its process is down.
func (m *master) takeImage(name string) error {
	return m.hurt([]string{station}, func() error {
		m.w.note("an image of the station's disk is taken")
		m.w.command("kill", station)
		m.imageAt = time.Now()
		err := os.CopyFS(filepath.Join(m.w.o.Dir, name), os.DirFS(filepath.Join(m.w.dir, station)))
		m.w.command("start", station)
		return err
	})
}

// putBack puts the image in the disk's place.
func (m *master) putBack(ctx context.Context) error {
	if m.r.IntN(3) > 0 { // else the city may never hear of what was written since
		m.whole()
		pause(ctx, time.Second)
	}
	return m.hurt([]string{station}, func() error {
		m.w.command("kill", station)
		m.w.note("the image is put in the place of the station's disk")
		dir := filepath.Join(m.w.dir, station)
		if err := errors.Join(emptyDir(dir), os.CopyFS(dir, os.DirFS(filepath.Join(m.w.o.Dir, "image")))); err != nil {
			return err
		}
		behind, err := m.forget(ctx, m.imageAt)
		if err != nil {
			return err
		}
		m.rolledBack = m.rolledBack || behind
		m.swapped = true
		m.w.command("start", station)
		return nil
	})
}

// forget counts apart what was on the station's disk alone and is there no
// longer. What a node has taken and not committed yet may still come.
func (m *master) forget(ctx context.Context, since time.Time) (behind bool, err error) {
	held, err := m.w.heldNow(ctx)
	if err != nil {
		return false, fmt.Errorf("while the disk was swapped: %w", err)
	}
	n, behind := m.b.forget(since, held)
	m.tally.Gone += n
	return behind, nil
}
