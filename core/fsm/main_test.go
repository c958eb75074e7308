package fsm

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// TestMain keeps the properties short: each case opens real stores. The long
// form draws a hundred.
func TestMain(m *testing.M) {
	flag.Parse()
	explicit := false
	flag.Visit(func(f *flag.Flag) { explicit = explicit || f.Name == "rapid.checks" })
	if os.Getenv("WARDLINE_LONG") == "" && !explicit {
		if err := flag.Set("rapid.checks", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// atLeast draws more cases of a property that opens no store for each.
func atLeast(t *testing.T, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if have, err := strconv.Atoi(was); err != nil || have >= n {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Value.Set(was); err != nil {
			t.Error(err)
		}
	})
}
