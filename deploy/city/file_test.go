package city

import (
	"context"
	"encoding/json"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCityJSON_ProcessThatStaysDown_HasNoPID: a number that is nobody's any
// more may be another program's next.
func TestCityJSON_ProcessThatStaysDown_HasNoPID(t *testing.T) {
	c := mustPlan(t, t.TempDir(), 1)
	c.o.Binary, c.o.NoRestart = "/bin/sleep", true
	k := &child{name: "core-1", args: []string{"600"}, dir: c.o.Dir, wake: make(chan struct{}, 1)}
	c.kids = append(c.kids, k)
	if err := c.publish(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.keep(ctx, k) }()
	defer func() { cancel(); <-done }()
	pid := func(ok func(pid int) bool) int {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
			var f fileJSON
			raw, err := os.ReadFile(c.path("city.json"))
			if err != nil || json.Unmarshal(raw, &f) != nil {
				t.Fatal(err, string(raw))
			}
			if ok(f.Core[0].PID) {
				return f.Core[0].PID
			}
		}
		t.Fatal("city.json does not say so")
		return 0
	}
	running := pid(func(p int) bool { return p != 0 })
	if err := syscall.Kill(running, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	pid(func(p int) bool { return p == 0 })
}
