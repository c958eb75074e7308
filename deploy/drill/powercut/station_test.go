package powercut

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wardline/sync/record"
)

var (
	cuts     = flag.Int("cuts", 3, "how many times the power is cut")
	fromSeed = flag.Uint64("seed", 1, "what the cuts follow")
)

const secret = "powercut-test-secret"

const stationConfig = `ward: "26704"
dir: /data/edge
core: ["127.0.0.1:9"]
http: 127.0.0.1:8801
mqtt: 127.0.0.1:1883
reserve_mb: 64
officers:
  - {user: duty, role: ward_officer, unit: ward/26704, password: ` + secret + `}
devices:
  - {id: app-1, ward: "26704", kind: app, password: ` + secret + `}
`

// TestStation_PowerCutWithACacheThatForgets_EveryAcknowledgedReportIsThere runs a
// station in a virtual machine, cut off from the city, sends reports through its
// door, takes the power at a random moment, and asks after the next boot for
// every report that was ever answered with 201: its hash and place must be the same.
func TestStation_PowerCutWithACacheThatForgets_EveryAcknowledgedReportIsThere(t *testing.T) {
	dir := os.Getenv("WARDLINE_KERNEL")
	if dir == "" {
		t.Skip("WARDLINE_KERNEL names no folder with a kernel (make drill-power gets one)")
	}
	for _, p := range []string{"qemu-system-x86_64", "mkfs.ext4"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed (deploy/drill/powercut/kernel.sh, deploy/setup.sh)", p)
		}
	}
	s := newStation(t, dir)
	r := rand.New(rand.NewPCG(*fromSeed, 0))
	waiting, kept := 0, 0
	for cut := range *cuts {
		s.boot()
		lost := s.missing()
		if len(lost) > 0 {
			t.Fatalf("FAILED: listed: after cut %d of seed %d, %d acknowledged reports are not there or not the same: %v; console in %s", cut, *fromSeed, len(lost), lost[:min(5, len(lost))], s.keep())
		}
		before := len(s.acked)
		s.load(time.Duration(500+r.IntN(4000))*time.Millisecond, 1+r.IntN(12), func() {
			w, k, err := s.m.Cut(r)
			if err != nil {
				t.Fatal(err)
			}
			waiting, kept = waiting+w, kept+k
		})
		t.Logf("cut %d: %d acknowledged since the one before", cut+1, len(s.acked)-before)
	}
	s.boot()
	if lost := s.missing(); len(lost) > 0 {
		t.Fatalf("FAILED: listed: after the last cut of seed %d, %d of %d acknowledged reports are not there or not the same: %v; console in %s", *fromSeed, len(lost), len(s.acked), lost[:min(5, len(lost))], s.keep())
	}
	t.Logf("seed %d: %d cuts, %d acknowledged, 0 lost; %d writes waited for a flush at the cuts, %d of them were kept wholly or in part", *fromSeed, *cuts, len(s.acked), waiting, kept)
	if len(s.acked) < *cuts {
		t.Errorf("only %d reports were acknowledged; that proves nothing", len(s.acked))
	}
}

// station is the machine and the reports that were answered.
type station struct {
	t   *testing.T
	dir string
	m   *Machine
	url string
	on  bool

	mu    sync.Mutex // guards all below
	n     int
	acked map[record.ID]answer
}

// answer is what of a 201 must stay the same for ever.
type answer struct {
	Seq         uint64
	Hash        string
	Incarnation string
}

func run(t *testing.T, env []string, name string, arg ...string) {
	t.Helper()
	c := exec.Command(name, arg...)
	c.Env = append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arg, err, out)
	}
}

func newStation(t *testing.T, kernels string) *station {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	kernel, drivers, err := FindKernel(kernels)
	if err != nil {
		t.Fatal(err)
	}
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-ldflags=-s -w", "-o", in("guest"), "wardline/deploy/drill/powercut/guest")
	tags := os.Getenv("WARDLINE_TAGS")
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-tags="+tags, "-ldflags=-s -w", "-o", in("wardline"), "wardline")
	if err := os.WriteFile(in("edge.yaml"), []byte(stationConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteInit(in("init.cpio"), map[string]string{"init": in("guest"), "wardline": in("wardline"), "edge.yaml": in("edge.yaml")}, drivers); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "mkfs.ext4", "-q", "-F", in("disk"), "512M")
	d, err := Open(in("disk"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := &station{t: t, dir: dir, url: "http://" + addr, acked: map[record.ID]answer{},
		m: &Machine{Kernel: kernel, Init: in("init.cpio"), Disk: d, Forward: map[string]int{addr: 8801}, Console: in("console")}}
	t.Cleanup(func() {
		if s.on {
			if _, _, err := s.m.Cut(rand.New(rand.NewPCG(0, 0))); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// keep copies the console to where it outlives the test.
func (s *station) keep() string {
	raw, err := os.ReadFile(s.m.Console)
	to := filepath.Join(os.TempDir(), fmt.Sprintf("wardline-powercut-%d.txt", os.Getpid()))
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		return err.Error()
	}
	return to
}

// fuseLimit is how long a cut waits for a write that is not forced; then the power goes without.
const fuseLimit = 30 * time.Second

// bootLimit is how long an emulated machine on a loaded host may take.
const bootLimit = 4 * time.Minute

func (s *station) boot() {
	s.t.Helper()
	if err := s.m.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.on = true
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(bootLimit); ; <-tick.C {
		resp, err := asking.Get(s.url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == 200 {
				return
			}
		}
		if said, err := os.ReadFile(s.m.Console); err == nil && bytes.Contains(said, []byte("GUEST FAILED")) || time.Now().After(end) {
			s.t.Fatalf("the station did not get ready in time (%v); console in %s", bootLimit, s.keep())
		}
	}
}

var asking = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

func (s *station) ask(method, path string, body any) (int, []byte) {
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Error(err)
		return 0, nil
	}
	q, err := http.NewRequest(method, s.url+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Error(err)
		return 0, nil
	}
	q.SetBasicAuth("app-1", secret)
	resp, err := asking.Do(q)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, b
}

func content(id record.ID) map[string]any {
	return map[string]any{"id": id, "category": "fire", "text": strings.Repeat("khói ở tầng hai ", 20)}
}

// load sends reports from several phones for a while, then calls cut while they
// still send, and returns once all of them have given up.
func (s *station) load(d time.Duration, fuse int, cut func()) {
	var end atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !end.Load() {
				s.mu.Lock()
				s.n++
				id := record.DerivedID("powercut", fmt.Append(nil, *fromSeed, " ", s.n))
				s.mu.Unlock()
				code, b := s.ask("POST", "/api/v1/reports", content(id))
				var a answer
				if code != 201 || json.Unmarshal(b, &a) != nil {
					continue
				}
				s.mu.Lock()
				s.acked[id] = a
				s.mu.Unlock()
			}
		})
	}
	<-time.After(d)
	s.m.Disk.Light(fuse)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(fuseLimit); !s.m.Disk.Dead() && time.Now().Before(end); {
		<-tick.C
	}
	<-time.After(time.Second) // answers that were given too early get out: they are what is looked for
	cut()
	s.on = false
	end.Store(true)
	wg.Wait()
	asking.CloseIdleConnections()
}

// missing offers every acknowledged report again: the answer must be the
// stored one, 200 with the same place in the same chain.
func (s *station) missing() (lost []string) {
	for id, want := range s.acked {
		var code int
		var b []byte
		for range 20 {
			if code, b = s.ask("POST", "/api/v1/reports", content(id)); code == 200 || code == 201 {
				break
			}
			<-time.After(200 * time.Millisecond)
		}
		var got answer
		if code != 200 || json.Unmarshal(b, &got) != nil || got != want {
			lost = append(lost, fmt.Sprintf("%s: %d %.200s", id, code, b))
		}
	}
	return lost
}
