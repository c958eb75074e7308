//go:build !drill

package cli

import "testing"

// TestWall_WithoutTheTag_IsTheSystems holds the drill's clock out of the product.
func TestWall_WithoutTheTag_IsTheSystems(t *testing.T) {
	t.Setenv("WARDLINE_DRILL_CLOCKS", t.TempDir())
	if wall("core-1") != nil {
		t.Fatal("the product has a clock of its own")
	}
}
