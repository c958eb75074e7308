package fsm

import (
	"testing"

	"wardline/sync/trust"
)

// TestMachines_LogKey_TurnsByOne_AndIsKnownAfterAReopening: a turn that was ordered twice, or
// skips a key, is refused and leaves no entry.
func TestMachines_LogKey_TurnsByOne_AndIsKnownAfterAReopening(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir)
	do(t, m, Tick(now))
	turn := func(n uint32, note string) error {
		return change(t, m, trust.Change{Op: trust.OpLogKey, Current: n, Log: []byte(note)})
	}
	expect(t, "the second key", turn(2, "two"), nil)
	index := m.CityIndex()
	for what, err := range map[string]error{"again": turn(2, "other"), "one is skipped": turn(4, "four"), "no note": turn(3, "")} {
		if err == nil {
			t.Errorf("%s: passed", what)
		}
	}
	if m.CityIndex() != index {
		t.Error("what was refused left an entry")
	}
	expect(t, "the third key", turn(3, "three"), nil)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = mustOpen(t, dir)
	defer func() { _ = m.Close() }() // the test is over
	log := m.Machines().Log
	if len(log) != 2 || log[0].Index != index || string(log[1].Note) != "three" || log[1].At != now {
		t.Errorf("%+v", log)
	}
}
