package fsm

import (
	"os"
	"path/filepath"
	"testing"
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
