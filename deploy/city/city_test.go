package city

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"wardline/sync/record"
)

// town is a running city as an outsider sees it: city.json and HTTP.
type town struct {
	t       *testing.T
	dir     string
	bin     string
	file    fileJSON
	wire    bool // its core nodes reach each other over lines that can be cut
	encrypt bool // its disks
	tiles   string
	kept    map[string]*http.Client // of as, by base and role
}

func startTown(t *testing.T) *town {
	t.Helper()
	w := newTown(t)
	w.start()
	return w
}

func newTown(t *testing.T) *town {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, dir: t.TempDir(), bin: bin, kept: map[string]*http.Client{}}
}

// program is the binary that all towns run, linked once: each link takes as long as a town's start.
// With -trimpath it takes the packages that `make build` has compiled.
var program = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(built, "wardline")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "wardline").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

// built is the directory of program.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "wardline-city"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

func (w *town) start() {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, "city.json")); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c, err := New(Options{Dir: w.dir, Encrypt: w.encrypt, Tiles: w.tiles, Command: "127.0.0.1:0", Station: "127.0.0.1:0", MQTT: "127.0.0.1:0", Devices: 2, Wires: w.wire, Binary: w.bin, Out: io.Discard})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
	w.wait("the city stands", func() bool {
		raw, err := os.ReadFile(filepath.Join(w.dir, "city.json"))
		return err == nil && json.Unmarshal(raw, &w.file) == nil
	})
}

func (w *town) wait(what string, ok func() bool) {
	w.t.Helper()
	end := time.Now().Add(90 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			logs, _ := filepath.Glob(filepath.Join(w.dir, "*.log"))
			for _, l := range logs {
				b, _ := os.ReadFile(l)
				w.t.Logf("%s:\n%s", filepath.Base(l), b[max(0, len(b)-2000):])
			}
			w.t.Fatalf("not in time: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// kill ends a process of the city at once.
func (w *town) kill(name string) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "city.json"))
	var now fileJSON
	if err != nil || json.Unmarshal(raw, &now) != nil {
		w.t.Fatal(err)
	}
	pid := now.Stations[0].PID
	for _, c := range now.Core {
		if c.ID == name {
			pid = c.PID
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) do(c *http.Client, method, url string, body []byte, into any) int {
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if c == http.DefaultClient {
		d := w.file.Devices[0]
		r.SetBasicAuth(d.ID, d.Password)
	}
	a, err := c.Do(r)
	if err != nil {
		return 0
	}
	raw, err := io.ReadAll(a.Body)
	if cerr := a.Body.Close(); err != nil || cerr != nil {
		return 0
	}
	if into != nil && json.Unmarshal(raw, into) != nil {
		return 0
	}
	return a.StatusCode
}

func (w *town) login(base, role string) *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	for _, o := range w.file.Officers {
		if o.Role == role {
			b, _ := json.Marshal(map[string]string{"user": o.User, "password": o.Password})
			w.wait("log-in of "+role, func() bool { return w.do(c, "POST", base+"/api/v1/session", b, nil) == 200 })
		}
	}
	return c
}

// as is a session that is kept for what is asked again and again: each log-in takes the node's
// processor for a tenth of a second.
func (w *town) as(base, role string) *http.Client {
	w.t.Helper()
	if c := w.kept[base+" "+role]; c != nil && w.do(c, "GET", base+"/api/v1/me", nil, nil) == 200 {
		return c
	}
	c := w.login(base, role)
	w.kept[base+" "+role] = c
	return c
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562, version 4
	return record.ID(b).String()
}

func reportOf(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"category":"fire","text":"cháy nhà","location":{"lat":10.72,"lon":106.73,"accuracy_m":20}}`, id)
}

type entry struct {
	Index  uint64
	Kind   string
	Origin string
	Report *string
}

func (w *town) entries() []entry {
	var all []entry
	c := w.as(w.file.Command.URL, "auditor")
	after := ""
	for {
		var p struct {
			Items []entry
			Next  *uint64
		}
		if w.do(c, "GET", w.file.Command.URL+"/api/v1/entries?limit=1000"+after, nil, &p) != 200 {
			return nil
		}
		all = append(all, p.Items...)
		if p.Next == nil {
			return all
		}
		after = fmt.Sprintf("&after=%d", *p.Next)
	}
}

// once checks that every acknowledged id is listed as a report exactly once.
func (w *town) once(ids []string) {
	w.t.Helper()
	count := func() map[string]int {
		n := map[string]int{}
		for _, e := range w.entries() {
			if e.Kind == "report" && e.Report != nil {
				n[*e.Report]++
			}
		}
		return n
	}
	w.wait("every acknowledged report is in the city", func() bool {
		n := count()
		for _, id := range ids {
			if n[id] == 0 {
				return false
			}
		}
		return true
	})
	for id, n := range count() {
		if n != 1 {
			w.t.Errorf("report %s is in the city %d times", id, n)
		}
	}
}

func (w *town) control(command string, args map[string][]string) {
	w.t.Helper()
	if err := Control(w.dir, command, args); err != nil {
		w.t.Fatal(err)
	}
}

// TestCity_CutLeaderKilledStationKilled_EveryAcknowledgedReportOnce is the
// promise from outside: real processes, real sockets, real kills.
func TestCity_CutLeaderKilledStationKilled_EveryAcknowledgedReportOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	st, cmd := w.file.Stations[0].URL, w.file.Command.URL
	var mu sync.Mutex
	var acked []string
	send := func(base string) bool {
		id := newID()
		for range 50 {
			if s := w.do(http.DefaultClient, "POST", base+"/api/v1/reports", reportOf(id), nil); s == 201 || s == 200 {
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
				return true
			}
			<-time.After(100 * time.Millisecond)
		}
		return false
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, base := range []string{st, st, cmd} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
					send(base)
				}
			}
		}()
	}
	n := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	more := func(k int) {
		t.Helper()
		from := n()
		w.wait("more reports are acknowledged", func() bool { return n() >= from+k })
	}
	more(50)
	w.control("cut", map[string][]string{"mode": {"blackhole"}})
	more(50)
	for _, name := range []string{"ward-26704", "core-1", "core-2", "core-3"} {
		w.kill(name)
		more(30)
	}
	w.control("cut", map[string][]string{"mode": {""}})
	more(50)
	close(stop)
	wg.Wait()
	w.once(acked)
	t.Logf("%d reports acknowledged, each in the city once", len(acked))
	type digest struct {
		Index      uint64
		Log, State string
	}
	auditors := map[string]*http.Client{} // a log-in is noted in the state that is compared
	for _, c := range w.file.Core {
		auditors[c.URL] = w.login(c.URL, "auditor")
	}
	w.wait("all nodes have the same digest at one index", func() bool {
		var all []digest
		for _, c := range w.file.Core {
			var d digest
			if w.do(auditors[c.URL], "GET", c.URL+"/api/v1/digest", nil, &d) != 200 {
				return false
			}
			all = append(all, d)
		}
		return all[0] == all[1] && all[1] == all[2]
	})
}

type incidentJSON struct {
	Version  string
	Status   string
	Lead     string
	Delivery struct{ City bool }
	Reports  []struct{ Sealed map[string]string }
}

// bothDoors also follows the claim from
// the ward to the command centre, and the city's own report down to the ward.
func bothDoors(w *town) {
	t := w.t
	st, cmd := w.file.Stations[0].URL, w.file.Command.URL
	ward, command := w.login(st, "ward_officer"), w.login(cmd, "command_officer")
	get := func(c *http.Client, base, id string) (in incidentJSON) {
		w.do(c, "GET", base+"/api/v1/incidents/"+id, nil, &in)
		return in
	}
	a := newID()
	if s := w.do(http.DefaultClient, "POST", st+"/api/v1/reports", reportOf(a), nil); s != 201 {
		t.Fatalf("status %d", s)
	}
	if s := w.do(http.DefaultClient, "POST", st+"/api/v1/reports", reportOf(a), nil); s != 200 {
		t.Fatalf("a repeat: status %d", s)
	}
	w.wait("the city's routing is back at the ward", func() bool { in := get(ward, st, a); return in.Lead != "" && in.Delivery.City })
	claim := fmt.Appendf(nil, `{"id":%q,"action":"claim","seen":%q}`, newID(), get(ward, st, a).Version)
	var first, again map[string]any
	if s := w.do(ward, "POST", st+"/api/v1/incidents/"+a+"/actions", claim, &first); s != 200 {
		t.Fatalf("claim: %d %v", s, first)
	}
	if w.do(ward, "POST", st+"/api/v1/incidents/"+a+"/actions", claim, &again); fmt.Sprint(first) != fmt.Sprint(again) {
		t.Fatalf("the same action again: %v %v", first, again)
	}
	w.wait("the command centre sees the claim", func() bool { return get(command, cmd, a).Status == "claimed" })
	if in := get(command, cmd, a); in.Reports[0].Sealed["text"] != "cháy nhà" {
		t.Fatalf("the sealed text does not open at the core: %+v", in.Reports)
	}
	w.control("cut", map[string][]string{"mode": {"refuse"}})
	b := newID()
	for _, base := range []string{st, cmd} {
		if s := w.do(http.DefaultClient, "POST", base+"/api/v1/reports", reportOf(b), nil); s != 201 {
			t.Fatalf("at %s: %d", base, s)
		}
	}
	w.wait("the station routes alone", func() bool { return get(ward, st, b).Lead != "" })
	w.control("cut", map[string][]string{"mode": {""}})
	w.wait("one report and one repeat", func() bool {
		kinds := map[string]int{}
		for _, e := range w.entries() {
			if e.Report != nil && *e.Report == b {
				kinds[e.Kind]++
			}
		}
		return kinds["report"] == 1 && kinds["repeat"] == 1
	})
	c := newID()
	if s := w.do(http.DefaultClient, "POST", cmd+"/api/v1/reports", reportOf(c), nil); s != 201 {
		t.Fatalf("status %d", s)
	}
	w.wait("the city's report rings at the ward", func() bool { return get(ward, st, c).Lead != "" })
	var bad struct{ Field string }
	if s := w.do(http.DefaultClient, "POST", st+"/api/v1/reports", []byte(`{"id":"x","category":"fire"}`), &bad); s != 400 || bad.Field != "id" {
		t.Fatalf("malformed: %d %+v", s, bad)
	}
}
