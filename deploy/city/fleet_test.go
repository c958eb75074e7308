package city

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"wardline/core"
	"wardline/edge"
	"wardline/hardware/panel"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// fleet is a city within the test's process, under its race detector: three core nodes and a
// station, real sockets and disks, without the supervisor.
type fleet struct {
	t        *testing.T
	bin      string // each node is a process of this program instead, without the race detector
	cores    []core.Config
	station  edge.Config
	stop     map[string]func() // by core id, or "station"
	officers []identity.OfficerAccount
	device   identity.DeviceAccount
	sessions map[string]*http.Client // of as, by base and role
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	return startCores(t).withStation()
}

// startProcesses is startFleet in processes of their own: for a test that asks one thing after
// the other, of what sync/api, core, edge and the fleets beside hold to the race detector.
func startProcesses(t *testing.T) *fleet {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	f := planCores(t)
	f.bin = bin
	f.startAll()
	return f.withStation()
}

func (f *fleet) withStation() *fleet {
	f.t.Helper()
	f.enrol()
	f.startStation()
	f.wait("the line stands", func() bool {
		var st struct{ Line struct{ State string } }
		a := f.call(f.as(f.stationURL(), identity.WardOfficer), "GET", f.stationURL()+"/api/v1/stations", nil)
		return a.status == 200 && json.Unmarshal(a.body, &st) == nil && st.Line.State == "connected"
	})
	return f
}

// wardTiles is a small map of streets.
const wardTiles = "../../sync/streets/testdata/ward.pmtiles"

// startCores starts the core alone and plans the station.
func startCores(t *testing.T) *fleet {
	t.Helper()
	f := planCores(t)
	f.startAll()
	return f
}

func planCores(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, stop: map[string]func(){}, sessions: map[string]*http.Client{}, device: identity.DeviceAccount{ID: "app-1", Password: identity.NewSecret(), Ward: Ward, Kind: "app"}}
	for _, o := range []identity.OfficerAccount{{User: "administrator", Role: identity.Administrator, Unit: record.Command}, {User: "ward", Role: identity.WardOfficer, Unit: record.WardUnit(Ward)}, {User: "department", Role: identity.DepartmentOfficer, Unit: "PC07"},
		{User: "command", Role: identity.CommandOfficer, Unit: record.Command},
		{User: "auditor", Role: identity.Auditor, Unit: record.Command}, {User: "supervisor", Role: identity.Supervisor, Unit: record.Command}} {
		o.Password = identity.NewSecret()
		f.officers = append(f.officers, o)
	}
	dir, given := t.TempDir(), map[string]bool{}
	addr := func() string {
		a, err := free("127.0.0.1:0", given)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var peers []core.Peer
	for _, id := range []string{"core-1", "core-2", "core-3"} {
		c := core.Config{ID: id, Dir: filepath.Join(dir, id), HTTP: addr(), Raft: addr(), Sync: addr(), CityKey: filepath.Join(dir, "city.key"), ReserveMB: 16, TilesFile: wardTiles}
		c.Officers = f.officers[:1] // the administrator, who makes the accounts
		c.Devices = []identity.DeviceAccount{f.device}
		peers = append(peers, core.Peer{ID: id, Raft: c.Raft})
		f.cores = append(f.cores, c)
	}
	f.station = edge.Config{Ward: Ward, TLS: edge.TLS{TokenFile: filepath.Join(dir, "token")}, Dir: filepath.Join(dir, "ward"), HTTP: addr(), Devices: []identity.DeviceAccount{f.device}, TilesFile: wardTiles,
		Panels: []edge.Panel{{Device: "button-1", Protocol: panel.Button, Port: filepath.Join(dir, "no-adapter")}}}
	for i := range f.cores {
		f.cores[i].Peers = peers
		f.station.Core = append(f.station.Core, f.cores[i].Sync)
	}
	return f
}

// startAll starts the core and makes the accounts.
func (f *fleet) startAll() {
	f.t.Helper()
	for i := range f.cores {
		f.startCore(i)
	}
	for i := range f.cores {
		f.ready(f.coreURL(i))
	}
	c, err := NewClient(f.coreURL(0), 20*time.Second)
	if err != nil {
		f.t.Fatal(err)
	}
	f.wait("accounts", func() bool {
		err := errors.Join(c.SignIn(f.t.Context(), f.officers[0].User, f.officers[0].Password), Appoint(f.t.Context(), c, f.officers...))
		return err == nil
	})
}

func (f *fleet) ready(base string) {
	f.t.Helper()
	f.wait(base+" is ready", func() bool { return f.call(nil, "GET", base+"/readyz", nil).status == 200 })
}

func (f *fleet) stationURL() string   { return "http://" + f.station.HTTP }
func (f *fleet) coreURL(i int) string { return "http://" + f.cores[i].HTTP }

// logBuffer keeps what a node logs; its last goroutines may outlive it a little.
type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// quiet keeps a node's log for when the test fails.
func (f *fleet) quiet(name string) *slog.Logger {
	l := new(logBuffer)
	f.t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if raw := l.b.Bytes(); f.t.Failed() {
			f.t.Logf("%s:\n%s", name, raw[max(0, len(raw)-3000):])
		}
	})
	return slog.New(slog.NewTextHandler(l, nil))
}

func (f *fleet) run(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	ended := false
	f.stop[name] = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("%s: %v", name, err)
		}
	}
	f.t.Cleanup(f.stop[name])
}

// process runs a node from its configuration until ctx ends.
func (f *fleet) process(name, role string, conf any) func(context.Context) error {
	file := filepath.Join(filepath.Dir(f.station.Dir), name+".json")
	log := file[:len(file)-len(".json")] + ".log"
	f.t.Cleanup(func() {
		if raw, err := os.ReadFile(log); f.t.Failed() && err == nil {
			f.t.Logf("%s:\n%s", name, raw[max(0, len(raw)-3000):])
		}
	})
	return func(ctx context.Context) error {
		if err := writeJSON(file, conf); err != nil {
			return err
		}
		out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }() // the process has its own
		c := exec.CommandContext(ctx, f.bin, role, "--config", file)
		c.Stdout, c.Stderr, c.WaitDelay = out, out, 30*time.Second
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Run(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}

func (f *fleet) startCore(i int) {
	f.t.Helper()
	if f.bin != "" {
		f.run(f.cores[i].ID, f.process(f.cores[i].ID, "core", f.cores[i]))
		return
	}
	n, err := core.New(f.cores[i], f.quiet(f.cores[i].ID))
	if err != nil {
		f.t.Fatal(err)
	}
	f.run(f.cores[i].ID, n.Run)
}

func (f *fleet) startStation() {
	f.t.Helper()
	if f.bin != "" {
		f.run("station", f.process("station", "edge", f.station))
		f.ready(f.stationURL())
		return
	}
	s, err := edge.New(f.station, f.quiet("station"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.run("station", s.Run)
	f.ready(f.stationURL())
}

func (f *fleet) wait(what string, ok func() bool) {
	f.t.Helper()
	end := time.Now().Add(3 * time.Minute) // of a machine that does much else beside the race detector
	for !ok() {
		if time.Now().After(end) {
			f.t.Fatalf("not in time: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// reply is an answer with the request that it is to.
type reply struct {
	req    *http.Request
	status int
	header http.Header
	body   []byte
}

// into decodes the answer.
func (f *fleet) into(a reply, v any) {
	f.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		f.t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
}

// call asks; without a client, as nobody. The status is 0 when nothing answered.
func (f *fleet) call(c *http.Client, method, url string, body []byte, set ...func(*http.Request)) reply {
	f.t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, s := range set {
		s(r)
	}
	if c == nil {
		c = &http.Client{Timeout: 20 * time.Second}
	}
	a, err := c.Do(r)
	if err != nil {
		return reply{req: r}
	}
	raw, err := io.ReadAll(a.Body)
	if cerr := a.Body.Close(); err != nil || cerr != nil {
		return reply{req: r}
	}
	return reply{r, a.StatusCode, a.Header, raw}
}

// asDevice sends the device's password.
func (f *fleet) asDevice(r *http.Request) { r.SetBasicAuth(f.device.ID, f.device.Password) }

// as is an officer's session that is kept for what is asked again and again: each log-in takes
// the processor for a tenth of a second, and more under the race detector.
func (f *fleet) as(base string, role identity.Role) *http.Client {
	f.t.Helper()
	key := base + " " + string(role)
	if c := f.sessions[key]; c != nil && f.call(c, "GET", base+"/api/v1/me", nil).status == 200 {
		return c
	}
	c := f.login(base, role)
	f.sessions[key] = c
	return c
}

func (f *fleet) login(base string, role identity.Role) *http.Client {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	for _, o := range f.officers {
		if o.Role == role {
			b, err := json.Marshal(map[string]string{"user": o.User, "password": o.Password})
			if err != nil {
				f.t.Fatal(err)
			}
			f.wait("log-in of "+o.User, func() bool { return f.call(c, "POST", base+"/api/v1/session", b).status == 200 })
		}
	}
	return c
}

// report sends a report through a door and gives its id.
func (f *fleet) report(base, body string) string {
	f.t.Helper()
	id := newID()
	f.wait("a report is taken at "+base, func() bool {
		a := f.call(nil, "POST", base+"/api/v1/reports", []byte(`{"id":"`+id+`",`+body+`}`), f.asDevice)
		return a.status == 201 || a.status == 200
	})
	return id
}

// enrol lets the station enrol.
func (f *fleet) enrol() {
	f.t.Helper()
	c, err := NewClient(f.coreURL(0), answerLimit)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, o := range f.officers {
		if o.Role != identity.Administrator {
			continue
		}
		f.wait("a token", func() bool {
			if err := c.SignIn(f.t.Context(), o.User, o.Password); err != nil {
				return false
			}
			token, err := NewToken(f.t.Context(), c, trust.StationName(Ward), names())
			if err == nil {
				err = writeSecret(f.station.TLS.TokenFile, token)
			}
			return err == nil
		})
	}
}
