package fsm

import (
	"fmt"
	"slices"
	"testing"
)

// quarantined is what is kept, as text.
func quarantined(t *testing.T, m *Machine, limit int) (out []string) {
	t.Helper()
	rows, err := m.Quarantined(limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		out = append(out, string(r))
	}
	return out
}

func TestMalformed_FloodOfOneSource_LeavesWhatOthersSent(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir)
	raft := uint64(0)
	apply := func(items ...[]byte) {
		t.Helper()
		raft++
		if _, err := m.ApplyBatch([]LogEntry{{Index: raft, Term: 1, Items: items}}); err != nil {
			t.Fatal(err)
		}
	}
	apply(Malformed("app-1", 1, []byte("from app-1")))
	apply(Malformed("app-1", 1, []byte("from app-1"))) // proposed again: its outcome was not known
	for i := range 200 {
		apply(Malformed("app-2", int64(10+i), fmt.Append(nil, "flood ", i)), Malformed("app-2", int64(10+i), fmt.Append(nil, "more ", i)))
	}
	apply(Malformed("", 5, make([]byte, MaxMalformed+maxSource+1))) // too large: refused, and nothing breaks
	got := quarantined(t, m, 100)
	if len(got) != 1+quarantineRing || got[0] != "more 199" && got[0] != "flood 199" || got[len(got)-1] != "from app-1" {
		t.Fatalf("%d kept: %q", len(got), got)
	}
	if m.CityIndex() != 0 {
		t.Error("malformed input has a place in the city's order")
	}
	if two := quarantined(t, m, 2); !slices.Equal(two, got[:2]) {
		t.Error(two)
	}
	before, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, dir)
	defer func() { _ = again.Close() }()
	if after, err := again.Digest(); err != nil || after != before || !slices.Equal(quarantined(t, again, 100), got) {
		t.Error("it is another one after a restart", err)
	}
}
