package core

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wardline/sync/record"
)

// TestNode_New_JoinsThroughTheFoundingOnes: a fourth node gets all that the city
// has and takes reports itself.
func TestNode_New_JoinsThroughTheFoundingOnes(t *testing.T) {
	dir := t.TempDir()
	city := newCity(t, dir, 3)
	for _, x := range city {
		x.start()
	}
	city[0].mustReport(1, record.Fire)
	c := city[0].c
	c.ID, c.Dir, c.Raft, c.Join = "core-4", filepath.Join(dir, "core-4"), freeAddr(t), true
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	without := c
	without.Dir, without.CityKey = t.TempDir(), filepath.Join(dir, "no.key")
	if _, err := New(without, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "copy it from another node") {
		t.Fatalf("a new node made a city key of its own: %v", err)
	}
	if _, err := os.Stat(without.CityKey); err == nil {
		t.Fatal("a city key was made")
	}
	fourth := &testNode{t: t, c: c}
	t.Cleanup(fourth.stop)
	fourth.start()
	waitFor(t, "the report is at the new node", func() bool { return fourth.lists(1) })
	fourth.mustReport(2, record.Crime)
	same(t, append(city, fourth))
}
