package tables

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// mustMount makes an ext4 in a file, whose blocks stand in a tmpfs that can be
// given no more, and mounts it.
func mustMount(t *testing.T, options string) (dir string, exhaust func()) {
	t.Helper()
	room, dir := t.TempDir(), t.TempDir()
	must := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("loop mounts are not possible here: %s: %v %s", name, err, out)
		}
	}
	unmount := func(dir string) func() {
		return func() {
			if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v %s", err, out)
			}
		}
	}
	must("mount", "-t", "tmpfs", "-o", "size=300m", "wardline-test", room)
	t.Cleanup(unmount(room))
	img := filepath.Join(room, "disk")
	must("truncate", "-s", "256M", img)
	must("env", "UNIX_IO_NOZEROOUT=1", "mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", img)
	must("mount", "-o", "loop,discard"+options, img, dir)
	t.Cleanup(unmount(dir))
	// One block a request: a loop device calls a write that its file took in part a good one.
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fmt.Sprintf("/sys/dev/block/%d:%d/queue/max_sectors_kb", unix.Major(st.Dev), unix.Minor(st.Dev)), []byte("4"), 0); err != nil {
		t.Skip(err)
	}
	return dir, func() {
		t.Helper()
		out, err := exec.Command("du", "-k", img).Output()
		if err != nil {
			t.Fatal(err)
		}
		must("mount", "-o", "remount,size="+strings.Fields(string(out))[0]+"k", room)
	}
}

// merge fills a store with many small tables and lets it merge them on a disk
// that takes no more, without an end that anybody could see; then it opens it anew.
func merge(t *testing.T, dir string, exhaust func()) (left int) {
	t.Helper()
	store := filepath.Join(dir, "store")
	o := badger.DefaultOptions(store).WithLogger(nil).WithCompression(0).WithMetricsEnabled(false).WithMemTableSize(1 << 20).WithValueThreshold(1 << 10).WithNumCompactors(0).WithNumLevelZeroTables(100).WithNumLevelZeroTablesStall(200)
	db, err := badger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 20_000
	w := db.NewWriteBatch()
	for i := range rows {
		if err := w.Set(key(i), value(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	// Its compactors begin up to a second after the store was opened.
	if db, err = badger.Open(o.WithNumCompactors(2).WithNumLevelZeroTables(1)); err != nil {
		t.Fatal(err)
	}
	tables := len(db.Tables())
	exhaust()
	for end := time.Now().Add(5 * time.Second); len(db.Tables()) == tables && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
	}
	if err := db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			left++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Logf("close: %v", err)
	}
	if left != rows {
		t.Logf("%d of %d rows are left", left, rows)
		return left
	}
	return rows
}

// TestBadger_FailedMerge_OnDataErrAbort_LosesNothing says why the option is asked for.
func TestBadger_FailedMerge_OnDataErrAbort_LosesNothing(t *testing.T) {
	dir, exhaust := mustMount(t, ",data_err=abort")
	if left := merge(t, dir, exhaust); left != 20_000 {
		t.Errorf("%d rows are left", left)
	}
	plain, exhaust := mustMount(t, "")
	if left := merge(t, plain, exhaust); left == 20_000 {
		t.Log("this Badger keeps the old tables when a new one cannot be written: data_err=abort is needed no longer")
	}
}

func TestAdvise_Ext4WithoutDataErrAbort_IsNamed(t *testing.T) {
	for options, warns := range map[string]bool{"": true, ",data_err=abort": false} {
		dir, _ := mustMount(t, options)
		var said bytes.Buffer
		Advise(dir, slog.New(slog.NewTextHandler(&said, nil)))
		if strings.Contains(said.String(), "data_err=abort") != warns {
			t.Errorf("mounted with %q: %q", options, said.String())
		}
	}
}
