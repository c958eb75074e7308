package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// hole is where the file's first block stands that nobody wrote; ext4 counts those that
// were only reserved.
func hole(t *testing.T, f *os.File) int64 {
	t.Helper()
	at, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_HOLE)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestSegments_EveryFile_IsWrittenBeforeItIsUsed(t *testing.T) {
	dir := t.TempDir()
	s, err := newSegments(dir, 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"1.wal", "2.wal", "3.wal"} { // the first is made at once, the others ahead
		w, err := s.Create(dir, name, 3<<20)
		if err != nil {
			t.Fatal(err)
		}
		f := w.(*segmentFile)
		if at := hole(t, f.File); at != 3<<20 {
			t.Errorf("%s: nobody wrote what stands at %d", name, at)
		}
		if _, err := f.WriteAt([]byte("an entry"), 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil || f.fresh != "" {
			t.Errorf("%s: %v, its name may be lost: %q", name, err, f.fresh)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Create(dir, "2.wal", 3<<20); err == nil {
		t.Error("a file of the log was replaced")
	}
}

func TestSegments_FileHalfMadeAtAKill_IsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, spareName), []byte("not zeros"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newSegments(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(dir, "1.wal", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "1.wal"))
	if err != nil || !bytes.Equal(raw, make([]byte, 1<<20)) {
		t.Errorf("%v; it does not hold zeros alone", err)
	}
}
