package cluster

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// TestSealedLog_HoldsNothingInTheClear_AndReadsWhatWasBefore: entries of before the disk
// had a key are read, a wrong key or a changed byte is not taken for an entry.
func TestSealedLog_HoldsNothingInTheClear_AndReadsWhatWasBefore(t *testing.T) {
	for _, kind := range []string{"wal", "bolt"} {
		cfg := Default()
		cfg.Dir, cfg.LogStore = t.TempDir(), kind
		store, _, closer, err := openLog(cfg, raftLog(discard()))
		if err != nil {
			t.Fatal(err)
		}
		seal := func(key byte) raft.LogStore {
			f, err := SealLog([32]byte{key})
			if err != nil {
				t.Fatal(err)
			}
			return f(store)
		}
		if err := store.StoreLog(command(1, "in the clear before")); err != nil {
			t.Fatal(err)
		}
		s := seal(1)
		in := []*raft.Log{command(2, "Quách Thị Bí Mật"), {Index: 3, Term: 1, Type: raft.LogNoop}}
		was := bytes.Clone(in[0].Data)
		if err := s.StoreLogs(in); err != nil || !bytes.Equal(in[0].Data, was) {
			t.Fatalf("%s: %v; what Raft holds was changed: %v", kind, err, !bytes.Equal(in[0].Data, was))
		}
		var l raft.Log
		for i, want := range [][]byte{command(1, "in the clear before").Data, was, nil} {
			if err := s.GetLog(uint64(i+1), &l); err != nil || !bytes.Equal(l.Data, want) {
				t.Errorf("%s: entry %d: %q (%v)", kind, i+1, l.Data, err)
			}
		}
		if err := seal(2).GetLog(2, &l); !errors.Is(err, ErrRejoin) {
			t.Errorf("%s: under another key: %v", kind, err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(cfg.Dir, logFolder, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		clear := 0
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, []byte("Bí Mật")) {
				t.Errorf("%s: %s holds it in the clear", kind, f)
			}
			clear += bytes.Count(raw, []byte("in the clear before"))
		}
		if clear == 0 {
			t.Errorf("%s: the search finds nothing at all: it proves nothing", kind)
		}
	}
}
