package fsm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"wardline/sync/record"
)

// What was applied and not synced is gone after a power cut, with the applied index: Raft
// gives it again, and the state is as if nothing had been.
func TestMachine_PowerCut_TakesTheEndAndTheLogBringsItBack(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir)
	var l log
	w := &writer{inc: 1}
	for i := range 60 {
		l.add(batchOf(w.entry(report(station, i, 1))), Tick(now+int64(i)*1000))
	}
	apply := func(m *Machine, from, to int) {
		t.Helper()
		for _, e := range l.entries[from:to] {
			if _, err := m.ApplyBatch([]LogEntry{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	apply(m, 0, 30)
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	apply(m, 30, 60)
	want, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	cut := t.TempDir() // as the disk is after it
	if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(cut, liveName, "*.mem"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	end := len(raw)
	for raw[end-1] == 0 {
		end--
	}
	clear(raw[end-3000 : end-2000]) // a page that was not written, before others that were
	if err := os.WriteFile(logs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	m = mustOpen(t, cut)
	defer m.Close()
	at, _ := m.Applied()
	if at < 30 || at >= 60 {
		t.Fatalf("applied %d of 60 after the cut, 30 were synced", at)
	}
	apply(m, 20, 60) // Raft begins at its mark
	got, err := m.Digest()
	if err != nil || got != want {
		t.Errorf("%+v, want %+v: %v", got, want, err)
	}
}

// Wherever a power cut falls into what one Raft entry writes, the state is as if the
// entry had never been or had been once: Raft gives it again unless it says that it is applied.
func TestMachine_PowerCut_AnywhereInAnEntry_IsAppliedOnce(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir)
	var l log
	w := &writer{inc: 1}
	for i := range 4 {
		l.add(batchOf(w.entry(report(station, i, 1))), Body(encode(t, report(record.CoreOrigin, 100+i, 1)), nil), Tick(now+int64(i)*1000))
	}
	wal := func(dir string) string {
		t.Helper()
		logs, err := filepath.Glob(filepath.Join(dir, liveName, "*.mem"))
		if err != nil || len(logs) != 1 {
			t.Fatal(logs, err)
		}
		return logs[0]
	}
	written := func() (end int, raw []byte) {
		t.Helper()
		raw, err := os.ReadFile(wal(dir))
		if err != nil {
			t.Fatal(err)
		}
		for end = len(raw); end > 0 && raw[end-1] == 0; end-- {
		}
		return end, raw
	}
	from := 0
	for i, e := range l.entries {
		if i == len(l.entries)-1 {
			from, _ = written()
		}
		if _, err := m.ApplyBatch([]LogEntry{e}); err != nil {
			t.Fatal(err)
		}
	}
	want, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	end, raw := written()
	name, err := filepath.Rel(dir, wal(dir))
	if err != nil {
		t.Fatal(err)
	}
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(wal(image)); err != nil {
		t.Fatal(err)
	}
	const step = 100 // bytes; no commit is shorter
	for at := from; at <= end; at += step {
		cut := t.TempDir()
		log := filepath.Join(cut, name)
		if err := errors.Join(os.CopyFS(cut, os.DirFS(image)), os.WriteFile(log, raw[:at], 0o600), os.Truncate(log, int64(len(raw)))); err != nil {
			t.Fatal(err)
		}
		m := mustOpen(t, cut)
		applied, _ := m.Applied()
		for _, e := range l.entries[applied:] {
			if _, err := m.ApplyBatch([]LogEntry{e}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := m.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("cut %d bytes into the entry's %d: index %d, digest %x; without a cut %d, %x", at-from, end-from, got.Index, got.State, want.Index, want.State)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}
