package cluster

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// openStore is a snapshot store over a fileState, without a node.
func openStore(t *testing.T, dir string) (*snapStore, *fileState, *error) {
	t.Helper()
	state := openFileState(t, dir)
	t.Cleanup(state.close)
	var failed error
	fail := func(err error) { failed = errors.Join(failed, err) }
	applied, _ := state.Applied()
	s, err := openSnapStore(dir, applied)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(state, newWatchdog(time.Minute), fail)
	m.store, s.machine, s.fail = s, m, fail
	return s, state, &failed
}

func command(index uint64, items ...string) *raft.Log {
	var b [][]byte
	for _, it := range items {
		b = append(b, []byte(it))
	}
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: packEntry(b)}
}

// sent is what a leader with these commands sends under a mark at announced.
func sent(t *testing.T, announced uint64, logs ...*raft.Log) (raft.SnapshotMeta, []byte) {
	t.Helper()
	s, _, _ := openStore(t, t.TempDir())
	s.machine.ApplyBatch(logs)
	if err := s.save(snapMark{Index: announced, Term: 1, ConfigIndex: 1}); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	meta, r, err := s.Open(list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if !s.keepLog(time.Now()) {
		t.Fatal("the log would be cut under the stream")
	}
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != meta.Size {
		t.Fatalf("%d bytes, announced %d: %v", len(b), meta.Size, err)
	}
	r.Close()
	if s.grace = time.Minute; !s.keepLog(time.Now()) {
		t.Fatal("the log would be cut right after the stream")
	}
	if s.keepLog(time.Now().Add(2 * time.Minute)) {
		t.Fatal("the log is never cut again")
	}
	return *meta, b
}

func (s *snapStore) sink(t *testing.T, m raft.SnapshotMeta) raft.SnapshotSink {
	t.Helper()
	k, err := s.Create(m.Version, m.Index, m.Term, m.Configuration, m.ConfigurationIndex, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSnapshot_ContainsMoreThanAnnounced_FollowerSkipsWhatItHas(t *testing.T) {
	meta, b := sent(t, 2, command(2, "a"), command(3, "b"), command(4, "c"))
	if meta.Index != 2 {
		t.Fatalf("announced %d", meta.Index)
	}
	s, state, failed := openStore(t, t.TempDir())
	k := s.sink(t, meta)
	if _, err := k.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, r, err := s.Open(k.ID()); err != nil || s.machine.Restore(r) != nil {
		t.Fatalf("raft cannot go on: %v", err)
	}
	if m := s.current(); m.Index != 2 || m.Applied != 4 {
		t.Fatalf("mark %+v", m)
	}
	// Raft gives again what follows the announced index.
	out := s.machine.ApplyBatch([]*raft.Log{command(3, "b"), command(4, "c"), command(5, "d")})
	if got := state.snapshotItems(); len(got) != 4 || *failed != nil {
		t.Fatalf("%q, %v", got, *failed)
	}
	if r, _ := out[2].([][]byte); len(r) != 1 {
		t.Fatalf("the new command's result: %v", out[2])
	}
}

func TestSnapshot_StreamCut_OldStateStays(t *testing.T) {
	meta, b := sent(t, 2, command(2, "new"))
	for _, n := range []int{0, streamHeader - 1, streamHeader, len(b) / 2, len(b) - 1} {
		dir := t.TempDir()
		s, state, failed := openStore(t, dir)
		s.machine.ApplyBatch([]*raft.Log{command(1, "old")})
		k := s.sink(t, meta)
		_, _ = k.Write(b[:n])
		if err := k.Cancel(); err != nil {
			t.Fatal(err)
		}
		if got := state.snapshotItems(); len(got) != 1 || got[0] != "old" || s.current().Index != 0 || *failed != nil {
			t.Fatalf("cut at %d: %q, mark %+v, %v", n, got, s.current(), *failed)
		}
		if _, err := os.Stat(filepath.Join(dir, incomingName)); err == nil {
			t.Fatalf("cut at %d: the incoming mark is left", n)
		}
	}
	// Raft closes instead of cancelling when the sizes happen to agree.
	s, state, _ := openStore(t, t.TempDir())
	k := s.sink(t, meta)
	flipped := bytes.Clone(b)
	flipped[len(b)-6] ^= 1
	_, _ = k.Write(flipped)
	if err := k.Close(); err == nil || len(state.snapshotItems()) != 0 {
		t.Fatalf("a damaged stream was installed: %v", err)
	}
}

func TestSnapshot_KilledBetweenInstallAndMark_IsFinishedAtTheNextStart(t *testing.T) {
	meta, b := sent(t, 2, command(2, "a"), command(3, "b"))
	for _, installed := range []bool{true, false} {
		dir := t.TempDir()
		s, state, _ := openStore(t, dir)
		mark := snapMark{Index: meta.Index, Term: meta.Term, ConfigIndex: 1, Applied: 3}
		if err := writeJSON(dir, incomingName, mark); err != nil {
			t.Fatal(err)
		}
		if installed {
			_, size, _ := readStreamHeader(b[:streamHeader])
			if err := state.Install(newStreamBody(bytes.NewReader(b[streamHeader:]), size)); err != nil {
				t.Fatal(err)
			}
		}
		// Here the process was killed.
		_ = s
		s2, _, _ := openStore(t, dir)
		if got := s2.current(); installed != (got.Index == 2 && got.Applied == 3) {
			t.Fatalf("installed %v: mark %+v", installed, got)
		}
		if _, err := os.Stat(filepath.Join(dir, incomingName)); err == nil {
			t.Fatal("the incoming mark is left")
		}
	}
}

func TestSnapshot_StateBehindItsMark_IsNotSent(t *testing.T) {
	s, _, failed := openStore(t, t.TempDir())
	if err := s.save(snapMark{Index: 9, Term: 1, Applied: 9}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(s.current().name()); err == nil || !errors.Is(*failed, ErrRejoin) {
		t.Fatalf("%v, %v", err, *failed)
	}
	if s.keepLog(time.Now()) && s.grace == 0 {
		t.Fatal("a stream that never was is counted")
	}
}

// The log before a mark is dropped: what the State had only in memory would be nowhere.
func TestSnapshot_Mark_StandsOnlyAfterTheStateIsOnTheDisk(t *testing.T) {
	s, state, failed := openStore(t, t.TempDir())
	s.machine.ApplyBatch([]*raft.Log{command(1, "a"), command(2, "b")})
	mark := func() error {
		snap, err := s.machine.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return snap.Persist(s.sink(t, raft.SnapshotMeta{Index: 2, Term: 1}))
	}
	if err := mark(); err != nil || s.current().Applied != 2 || state.synced != 2 {
		t.Fatalf("%v: mark %+v over a state that is on the disk up to %d", err, s.current(), state.synced)
	}
	s.machine.ApplyBatch([]*raft.Log{command(3, "c")})
	state.failWith = errors.New("no sync")
	if err := mark(); err == nil || s.current().Applied != 2 || !errors.Is(*failed, ErrState) {
		t.Fatalf("%v, %v: mark %+v over a state that is on the disk up to %d", err, *failed, s.current(), state.synced)
	}
}

func openGuarded(t *testing.T, kind string) (*guardedLog, *error) {
	t.Helper()
	cfg := Default()
	cfg.Dir, cfg.LogStore = t.TempDir(), kind
	store, _, closer, err := openLog(cfg, raftLog(discard()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
	var failed error
	g, err := newGuardedLog(store, newWatchdog(time.Minute), func(err error) { failed = err })
	if err != nil {
		t.Fatal(err)
	}
	return g, &failed
}

func TestLog_BeginsAnewBeyondItsEnd_AfterAnInstalledSnapshot(t *testing.T) {
	for _, kind := range []string{"wal", "bolt"} {
		g, failed := openGuarded(t, kind)
		if err := g.StoreLogs([]*raft.Log{command(1, "a"), command(2, "b")}); err != nil {
			t.Fatal(err)
		}
		if err := g.StoreLogs([]*raft.Log{command(50, "c")}); err != nil || *failed != nil {
			t.Fatalf("%s: %v, %v", kind, err, *failed)
		}
		first, last, err := g.span()
		if err != nil || first != 50 || last != 50 {
			t.Fatalf("%s: %d to %d, %v", kind, first, last, err)
		}
		if _, n := g.size(0); n != 1 {
			t.Fatalf("%s: %d entries counted", kind, n)
		}
	}
}

func TestLog_DroppedEntries_AreGone(t *testing.T) {
	for _, kind := range []string{"wal", "bolt"} {
		g, _ := openGuarded(t, kind)
		for i := uint64(1); i <= 20; i++ {
			if err := g.StoreLog(command(i, item("x", 1000))); err != nil {
				t.Fatal(err)
			}
		}
		if n := g.trailing(5000); n != 4 {
			t.Fatalf("%s: %d entries in 5,000 bytes", kind, n)
		}
		if err := g.DeleteRange(1, 10); err != nil {
			t.Fatal(err)
		}
		var l raft.Log
		if err := g.GetLog(10, &l); !errors.Is(err, raft.ErrLogNotFound) {
			t.Fatalf("%s: a dropped entry: %v", kind, err)
		}
		if err := g.GetLog(11, &l); err != nil {
			t.Fatal(err)
		}
		if bytes, n := g.size(0); n != 10 || bytes < 10000 || bytes > 11000 {
			t.Fatalf("%s: %d bytes, %d entries", kind, bytes, n)
		}
		if err := g.DeleteRange(16, 20); err != nil {
			t.Fatal(err)
		}
		if _, n := g.size(12); n != 3 {
			t.Fatalf("%s: %d entries after 12", kind, n)
		}
		if err := g.StoreLog(command(16, "y")); err != nil {
			t.Fatal(err)
		}
		if err := g.verify(11); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLog_DamagedEntry_IsFoundBeforeRaftStarts(t *testing.T) {
	g, _ := openGuarded(t, "wal")
	bad := command(2, "b")
	bad.Data[len(bad.Data)-1] ^= 1
	if err := g.StoreLogs([]*raft.Log{command(1, "a"), bad}); err != nil {
		t.Fatal(err)
	}
	if err := g.verify(1); !errors.Is(err, ErrRejoin) || !errors.Is(err, errEntrySum) {
		t.Fatal(err)
	}
}
