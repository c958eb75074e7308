package city

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func mustPlan(t *testing.T, dir string, devices int) *City {
	t.Helper()
	c, err := New(Options{Dir: dir, Command: "127.0.0.1:0", Station: "127.0.0.1:0", MQTT: "127.0.0.1:0", Devices: devices, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustListen(t *testing.T, network, addr string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestNew_PortTakenSinceTheLastRun_IsReplacedAndTheRestStays(t *testing.T) {
	dir := t.TempDir()
	was := mustPlan(t, dir, 2).plan
	if again := mustPlan(t, dir, 2).plan; !reflect.DeepEqual(again, was) {
		t.Fatalf("nothing was taken, and the plan is another one:\n%+v\n%+v", again, was)
	}
	for _, a := range []string{was.Command, was.Stations[0].HTTP, was.Proxies[1]} {
		mustListen(t, "tcp", a)
	}
	now := mustPlan(t, dir, 3).plan
	if now.Command == was.Command || now.Stations[0].HTTP == was.Stations[0].HTTP || now.Proxies[1] == was.Proxies[1] {
		t.Errorf("a port that is taken was kept: %+v", now)
	}
	if now.Stations[0].MQTT != was.Stations[0].MQTT || now.Cores[2].HTTP != was.Cores[2].HTTP || now.Proxies[0] != was.Proxies[0] ||
		!reflect.DeepEqual(now.Officers, was.Officers) || !reflect.DeepEqual(now.Devices[:2], was.Devices) {
		t.Errorf("what was free has changed:\n%+v\n%+v", was, now)
	}
	if len(now.Devices) != 3 || !reflect.DeepEqual(now.Stations[0].Core, now.Proxies) ||
		!reflect.DeepEqual(now.Cores[1].Devices, now.Devices) || !reflect.DeepEqual(now.Stations[0].Devices, now.Devices) {
		t.Errorf("the processes are not told: %+v", now)
	}
	if again := mustPlan(t, dir, 1).plan; !reflect.DeepEqual(again.Devices, now.Devices) || again.Command != now.Command {
		t.Error("what was replaced is not kept, or a device was taken away")
	}
}

func TestNew_PortOfRaftTaken_SaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	raft := mustPlan(t, dir, 1).plan.Cores[1].Raft
	mustListen(t, "tcp", raft)
	if _, err := New(Options{Dir: dir, Out: io.Discard}); err == nil || !strings.Contains(err.Error(), raft) || !strings.Contains(err.Error(), "core-2") {
		t.Error(err)
	}
}

// TestNew_CityRunsThere_IsRefused: with other ports a second city would start
// its processes on the first one's folders. A directory of any length can be commanded.
func TestNew_CityRunsThere_IsRefused(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		mustPlan(t, dir, 1)
		path, err := socket(dir)
		if err != nil {
			t.Fatal(err)
		}
		mustListen(t, "unix", path)
		if _, err := New(Options{Dir: dir, Out: io.Discard}); !errors.Is(err, ErrRuns) {
			t.Error(err)
		}
	}
}
