package fsm

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"wardline/sync/record"
)

// disk is a station's disk as the ledger keeps it: lives one behind the other,
// each with chains, and a clock that never goes back.
type disk struct {
	o     record.Origin
	wall  *int64 // shared by all machines unless one's is wrong
	lives []*diskLife
	hlc   record.HLC
	since uint64 // city index before it came
}

type diskLife struct {
	inc    record.Incarnation
	head   map[record.LaneID]record.Head
	chains map[record.LaneID][]record.Entry
}

// image copies a disk; entries are never changed.
func (d *disk) image() *disk {
	c := *d
	c.lives = nil
	for _, l := range d.lives {
		n := &diskLife{l.inc, map[record.LaneID]record.Head{}, map[record.LaneID][]record.Entry{}}
		for lane, h := range l.head {
			n.head[lane], n.chains[lane] = h, slices.Clone(l.chains[lane])
		}
		c.lives = append(c.lives, n)
	}
	return &c
}

// start begins a life; nothing tells of it before it writes.
func (d *disk) start(inc record.Incarnation) {
	d.lives = append(d.lives, &diskLife{inc, map[record.LaneID]record.Head{}, map[record.LaneID][]record.Entry{}})
}

var diskBodies int

func (d *disk) write(lane record.LaneID) record.Entry {
	me := d.lives[len(d.lives)-1]
	*d.wall++
	diskBodies++
	d.hlc = max(record.HLCAt(*d.wall), d.hlc+1)
	h := me.head[lane]
	l := record.Link{Origin: d.o, Incarnation: me.inc, Lane: lane, Seq: h.Seq + 1, HLC: d.hlc, Prev: h.Hash}
	for i := len(d.lives) - 2; l.Seq == 1 && i >= 0 && l.Pred.Seq == 0; i-- {
		for _, at := range []record.LaneID{lane, record.Urgent, record.Routine, record.Telemetry} {
			if l.Pred.Seq == 0 {
				l.Pred = d.lives[i].head[at]
			}
		}
	}
	id := record.DerivedID("disk", fmt.Append(nil, diskBodies))
	b := record.Body{ID: id, Incident: id, Kind: record.KindSignal, Origin: d.o, HLC: d.hlc}
	raw, err := b.Encode()
	if err != nil {
		panic(err)
	}
	e := record.Entry{Link: l, Body: raw}
	me.head[lane] = record.Head{Incarnation: me.inc, Lane: lane, Seq: l.Seq, Hash: e.Hash()}
	me.chains[lane] = append(me.chains[lane], e)
	return e
}

// said counts what the city named about a disk's station.
func said(t testing.TB, m *Machine, d *disk) map[string]int {
	t.Helper()
	rows, err := m.After(d.since, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, r := range rows {
		if r.Listed == record.KindAlarm && r.Body.Payload.Patrol == string(d.o) {
			n[r.Body.Payload.Reason]++
		}
	}
	return n
}

func came(t testing.TB, m *Machine, list ...record.Entry) {
	t.Helper()
	if r := do(t, m, batchOf(list...)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
}

func newDisk() *disk {
	wall := now
	return &disk{o: station, wall: &wall}
}

// Seed 987 of the simulation. The life that joins what the city holds to the
// image's lives had no line, and went with the disk.
func TestLives_LostLifeWhoseParentNeverCame_IsARollback(t *testing.T) {
	m, d := open(t), newDisk()
	d.start(1)
	came(t, m, d.write(record.Urgent))
	image := d.image()
	d.start(2)
	d.write(record.Telemetry) // never comes
	d.start(3)
	came(t, m, d.write(record.Urgent))
	if n := said(t, m, d); len(n) != 0 {
		t.Fatalf("ordinary starts: %v", n)
	}
	image.start(4)
	came(t, m, image.write(record.Urgent))
	if n := said(t, m, d); n["rollback"] != 1 || n["clone"] != 0 {
		t.Fatalf("%v", n)
	}
	image.start(5)
	came(t, m, image.write(record.Urgent), image.write(record.Urgent))
	if n := said(t, m, d); n["rollback"] != 1 || n["clone"] != 0 {
		t.Fatalf("the restored disk goes on: %v", n)
	}
}

// As before, with the lost life's entries coming after the restored disk's.
func TestLives_LostLifeThatComesBehindTheRestoredDisk_IsARollback(t *testing.T) {
	m, d := open(t), newDisk()
	d.start(1)
	came(t, m, d.write(record.Urgent))
	image := d.image()
	d.start(2)
	d.write(record.Telemetry) // never comes
	d.start(3)
	late := d.write(record.Urgent)
	image.start(4)
	came(t, m, image.write(record.Urgent))
	came(t, m, late)
	if n := said(t, m, d); n["rollback"] != 1 {
		t.Fatalf("%v", n)
	}
}

// Seed 1436: the second machine's lanes and the first's next life name their
// common parent in different lanes, and come in turns.
func TestLives_TwoMachinesWhoseLanesComeInTurns_AreAClone(t *testing.T) {
	m, first := open(t), newDisk()
	first.start(1)
	came(t, m, first.write(record.Routine))
	came(t, m, first.write(record.Urgent))
	second := first.image()
	came(t, m, first.write(record.Telemetry))
	first.start(2)
	second.start(3)
	came(t, m, second.write(record.Routine))
	came(t, m, first.write(record.Telemetry))
	came(t, m, second.write(record.Telemetry))
	second.start(4)
	came(t, m, second.write(record.Urgent))
	first.start(5)
	came(t, m, first.write(record.Urgent))
	came(t, m, first.write(record.Routine))
	came(t, m, second.write(record.Urgent))
	if n := said(t, m, first); n["rollback"] == 0 || n["clone"] == 0 {
		t.Fatalf("%v", n)
	}
}

// A disk that was restored into a box without a battery clock: the rollback is
// named, and its next starts are not taken for another or for a clone.
func TestLives_RestoredDiskWithASlowClock_IsNamedOnce(t *testing.T) {
	m, d := open(t), newDisk()
	d.start(1)
	came(t, m, d.write(record.Urgent))
	image := d.image()
	slow := int64(0)
	image.wall = &slow
	for inc := record.Incarnation(2); inc < 5; inc++ {
		d.start(inc)
		came(t, m, d.write(record.Urgent))
	}
	for inc := record.Incarnation(5); inc < 8; inc++ {
		image.start(inc)
		came(t, m, image.write(record.Urgent))
		came(t, m, image.write(record.Routine))
	}
	if n := said(t, m, d); n["rollback"] != 1 || n["clone"] != 0 {
		t.Fatalf("%v", n)
	}
}

// More lives than are looked at, and an image older than all of them.
func TestLives_ImageOlderThanAllThatAreLookedAt_IsARollback(t *testing.T) {
	m, d := open(t), newDisk()
	d.start(1)
	came(t, m, d.write(record.Urgent))
	image := d.image()
	for inc := range record.Incarnation(maxLives + 10) {
		d.start(inc + 2)
		came(t, m, d.write(record.Urgent))
	}
	if n := said(t, m, d); len(n) != 0 {
		t.Fatalf("ordinary starts: %v", n)
	}
	image.start(10_000)
	came(t, m, image.write(record.Urgent))
	if n := said(t, m, d); n["rollback"] != 1 || n["clone"] != 0 {
		t.Fatalf("%v", n)
	}
}

// come lets what is on a disk and not at the city arrive: each chain in order,
// the chains in any order.
func come(rt *rapid.T, t *testing.T, m *Machine, at map[record.ChainID]record.Seq, disks ...*disk) {
	for {
		var open [][]record.Entry
		for _, d := range disks {
			for _, l := range d.lives {
				for lane := record.Urgent; lane <= record.Telemetry; lane++ {
					if list := l.chains[lane]; len(list) > 0 && at[list[0].Link.Chain()] < record.Seq(len(list)) {
						open = append(open, list[at[list[0].Link.Chain()]:])
					}
				}
			}
		}
		if len(open) == 0 {
			return
		}
		list := rapid.SampledFrom(open).Draw(rt, "chain")
		n := rapid.IntRange(1, len(list)).Draw(rt, "entries")
		came(t, m, list[:n]...)
		at[list[0].Link.Chain()] += record.Seq(n)
	}
}

// live lets a disk live for a while; each life writes in one lane at least.
func live(rt *rapid.T, d *disk, inc *record.Incarnation) {
	for range rapid.IntRange(1, 4).Draw(rt, "lives") {
		*inc++
		d.start(*inc)
		d.writeSome(rt)
	}
}

func (d *disk) writeSome(rt *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(rt, "writes") {
		d.write(rapid.SampledFrom([]record.LaneID{record.Urgent, record.Routine, record.Telemetry}).Draw(rt, "lane"))
	}
}

func (d *disk) writeAll() {
	for lane := record.Urgent; lane <= record.Telemetry; lane++ {
		d.write(lane)
	}
}

// In whatever order the chains come: one disk is never taken for two, and two
// are named once all of both has come and both go on.
func TestLives_AnyOrder_OneDiskIsNeverNamed_TwoAreAClone(t *testing.T) {
	atLeast(t, 60)
	m := open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		wall := now
		d := &disk{o: record.Origin(fmt.Sprintf("ward-%05d", n)), wall: &wall, since: m.CityIndex()}
		at := map[record.ChainID]record.Seq{}
		inc := record.Incarnation(0)
		live(rt, d, &inc)
		before := rapid.Bool().Draw(rt, "some come before the image")
		if before {
			come(rt, t, m, at, d)
		}
		second := d.image()
		if rapid.Bool().Draw(rt, "the life goes on") {
			d.writeSome(rt)
		}
		if rapid.Bool().Draw(rt, "more lives") {
			live(rt, d, &inc)
		}
		if rapid.Bool().Draw(rt, "alone") {
			come(rt, t, m, at, d)
			if s := said(t, m, d); len(s) != 0 {
				rt.Fatalf("one disk: %v", s)
			}
			return
		}
		inc++
		second.start(inc)
		second.writeAll()
		if rapid.Bool().Draw(rt, "the second starts again") {
			live(rt, second, &inc)
		}
		// The heads of lives that both have are the image's until both went on.
		d.writeAll()
		come(rt, t, m, at, d, second)
		for _, x := range []*disk{d, second} {
			x.writeAll()
			come(rt, t, m, at, x)
		}
		if s := said(t, m, d); s["clone"] == 0 {
			rt.Fatalf("two disks: %v", s)
		}
	})
}

// What was lost with the disk may have come to the city in any part; as soon
// as the restored disk has written in every lane, the rollback is named, and no clone ever.
func TestLives_AnyOrder_RestoredDisk_IsARollback_NeverAClone(t *testing.T) {
	atLeast(t, 60)
	m := open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		wall := now
		d := &disk{o: record.Origin(fmt.Sprintf("ward-%05d", n)), wall: &wall, since: m.CityIndex()}
		at := map[record.ChainID]record.Seq{}
		inc := record.Incarnation(0)
		live(rt, d, &inc)
		if rapid.Bool().Draw(rt, "some come before the image") {
			come(rt, t, m, at, d)
		}
		image := d.image()
		d.writeSome(rt)
		live(rt, d, &inc)
		// Of each chain a part comes, and of some nothing.
		part := d.image()
		lost := false
		for i, l := range part.lives {
			for lane := record.Urgent; lane <= record.Telemetry; lane++ {
				list := l.chains[lane]
				if len(list) == 0 {
					continue
				}
				keep := rapid.IntRange(int(at[list[0].Link.Chain()]), len(list)).Draw(rt, "keep")
				l.chains[lane] = list[:keep]
				lost = lost || (keep > 0 && (i >= len(image.lives) || keep > len(image.lives[i].chains[lane])))
			}
		}
		come(rt, t, m, at, part)
		if s := said(t, m, d); len(s) != 0 {
			rt.Fatalf("before the disk was restored: %v", s)
		}
		inc++
		image.start(inc)
		image.writeAll()
		come(rt, t, m, at, image)
		live(rt, image, &inc)
		come(rt, t, m, at, image)
		if s := said(t, m, d); (s["rollback"] > 0) != lost || s["clone"] > 0 {
			rt.Fatalf("lost something that the city holds: %v; named: %v", lost, s)
		}
	})
}
