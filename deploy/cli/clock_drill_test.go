//go:build drill

package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWall_FileOfTheProcess_MovesTheDateAndNoDuration(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(clocksVariable, dir)
	now := wall("core-1")
	for _, off := range []time.Duration{-3 * time.Hour, 5 * time.Hour, -56 * 365 * 24 * time.Hour} {
		before := now()
		if err := os.WriteFile(filepath.Join(dir, "core-1"), []byte(off.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		after := now()
		if d := time.Until(after.Round(0)) - off; d > time.Minute || d < -time.Minute {
			t.Errorf("moved by %v it says %v", off, after)
		}
		if d := after.Sub(before); d < 0 || d > time.Minute {
			t.Errorf("a jump of %v changed a duration to %v", off, d)
		}
	}
}
