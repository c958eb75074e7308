package fsm

import (
	"flag"
	"os"
	"testing"
)

// TestMain keeps the properties short: each case opens real stores. The long
// form draws a hundred.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("WARDLINE_LONG") == "" {
		if err := flag.Set("rapid.checks", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
