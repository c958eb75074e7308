package core

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"wardline/core/cluster"
	"wardline/sync/api"
	"wardline/sync/record"
)

// smallDisk mounts an ext4 image of some MiB.
func smallDisk(t *testing.T, mb int64) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, mb<<20); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", img}, {"mount", "-o", "loop", img, dir}} {
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

// fill leaves so many bytes of the disk free; less than nothing means none.
func fill(t *testing.T, dir string, leave int64) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	take := int64(st.Bavail)*st.Bsize - leave
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for take > 0 { // a file system keeps some blocks to describe what was taken
		err := unix.Fallocate(int(f.Fd()), 0, 0, take)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		take -= 64 << 10
	}
}

func TestNode_FullDisk_UrgentGoesOnThenEndsAndOpensAgain(t *testing.T) {
	disk := smallDisk(t, 256)
	x := newCity(t, disk, 1)[0]
	const reserve = 64 << 20
	x.c.ReserveMB = reserve >> 20
	x.start()
	x.mustReport(1, record.Feedback)

	fill(t, disk, reserve*3/4)
	waitFor(t, "the reserve to be reached", func() bool { return x.n.raft.Stats().Low })
	var p *api.Error
	if err := x.report(2, record.Feedback); !errors.As(err, &p) || p.Status != 507 {
		t.Fatalf("routine below the reserve: %v", err)
	}
	x.mustReport(3, record.Fire)

	fill(t, disk, reserve/4)
	if err := x.ended(); !errors.Is(err, cluster.ErrDiskFull) {
		t.Fatalf("Run: %v", err)
	}
	// Something else takes the very last block, while the node is down.
	fill(t, disk, 0)
	x.start()
	x.mustReport(4, record.Fire)
	for _, n := range []int{1, 3, 4} {
		if !x.lists(n) {
			t.Fatalf("report %d is gone", n)
		}
	}
	if err := x.report(5, record.Feedback); !errors.As(err, &p) || p.Status != 507 {
		t.Fatalf("routine on the ballast's room: %v", err)
	}
	x.stop()
	// Without a ballast to give up, nothing is opened and the hint says why.
	fill(t, disk, 0)
	if n, err := New(x.c, slog.New(slog.NewTextHandler(io.Discard, nil))); !errors.Is(err, cluster.ErrDiskFull) {
		t.Fatalf("New on a full disk: %v %v", n, err)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.mustReport(6, record.Feedback)
	if _, err := os.Stat(filepath.Join(x.c.Dir, "ballast")); err != nil {
		t.Fatal("the ballast was not made again:", err)
	}
}
