package cluster

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// TestMain lets more clusters run side by side than there are cores: they
// mostly wait for elections.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil {
		if n, err := strconv.Atoi(f.Value.String()); err == nil && n < 6 {
			_ = flag.Set("test.parallel", "6")
		}
	}
	os.Exit(m.Run())
}
