package ledger

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wardline/sync/record"
)

// TestLedger_FullDisk fills real file systems, with the space that is kept free on small disks and
// on large ones. Urgent reports flood until they are refused too: what the store
// merges meanwhile must find room, or a mapped write ends this process.
func TestLedger_FullDisk_UrgentStillGoesIn_AndItOpensAgain(t *testing.T) {
	for _, c := range []struct {
		name     string
		disk, mb int64 // of the disk, and of entries before it fills
		sizes    func(o *Options)
	}{
		{"small", 256, 16, func(o *Options) { o.Reserve, o.Floor, o.Ballast = 96<<20, 48<<20, 24<<20 }},
		{"wide", 1536, 160, func(o *Options) { o.Reserve, o.Floor, o.Ballast = wideReserve, wideFloor, wideBallast }},
	} {
		t.Run(c.name, func(t *testing.T) { fullDisk(t, smallDisk(t, c.disk), c.mb, c.sizes) })
	}
}

func fullDisk(t *testing.T, disk string, mb int64, sizes func(*Options)) {
	dir := filepath.Join(disk, "l")
	l := mustOpen(t, dir, sizes)
	n := 0
	next := func(lane record.LaneID) Append {
		n++
		b := reportBody(l.Ledger, reportID(n))
		b.Payload.Data = make([]byte, 2000)
		_, _ = rand.Read(b.Payload.Data) // packing saves nothing of it
		return Append{Lane: lane, Body: b, Once: &Once{ID: reportID(n), Fingerprint: record.Hash{1}}}
	}
	submit := func(lane record.LaneID) error {
		ch := make(chan error, 1)
		l.Submit(next(lane), func(_ Result, err error) { ch <- err })
		return <-ch
	}
	// flood appends many at once until one is refused for want of room, or count are in.
	flood := func(lane record.LaneID, count int) (in int64) {
		var took atomic.Int64
		var full atomic.Bool
		slots := make(chan struct{}, 256)
		for i := 0; i < count && !full.Load(); i++ {
			slots <- struct{}{}
			l.Submit(next(lane), func(_ Result, err error) {
				if err == nil {
					took.Add(1)
				} else if errors.Is(err, ErrNoSpace) {
					full.Store(true)
				}
				<-slots
			})
		}
		for range cap(slots) {
			slots <- struct{}{}
		}
		return took.Load()
	}
	flood(record.Routine, int(mb)<<20/2400)
	fill(t, disk, l.o.Reserve-20<<20)
	waitFor(t, "routine is refused on a full disk", func() bool { return errors.Is(submit(record.Routine), ErrNoSpace) })
	for range 200 {
		if err := submit(record.Urgent); err != nil {
			t.Fatal(err)
		}
	}
	last := n
	fill(t, disk, l.o.Floor+10<<20)
	in := flood(record.Urgent, 1<<20)
	least := int64(1 << 62)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); runtime.Gosched() { // what is still merged
		free, err := freeSpace(disk)
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, free)
	}
	t.Logf("%d urgent reports went in below the reserve; at least %d MiB stayed free", in, least>>20)
	l.stop()
	fill(t, disk, 20<<20)
	l = mustOpen(t, dir, sizes)
	if _, ok, err := l.Once(reportID(last)); err != nil || !ok {
		t.Fatal("an urgent report is not there after the full disk was opened again", err)
	}
	checkChains(t, l.Ledger)
}

// fill leaves so many bytes free.
func fill(t *testing.T, disk string, leave int64) {
	t.Helper()
	free, err := freeSpace(disk)
	if err != nil {
		t.Fatal(err)
	}
	if free <= leave {
		return
	}
	f, err := os.CreateTemp(disk, "fill")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, free-leave); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts an ext4 image of some MiB.
func smallDisk(t *testing.T, mb int64) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(mb << 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", img}, {"mount", "-o", "loop", img, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("loop mounts are not possible here: %s: %v\n%s", args[0], err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}
