package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"testing"
	"time"

	"wardline/edge/ledger"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// patience is how long a test waits for what must come on a busy machine.
const patience = 90 * time.Second

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// testPassword is long enough to count as random.
const testPassword = "test-password-0123456789"

// testConfig is a station whose city refuses every connection.
func testConfig(dir string) Config {
	return Config{Ward: "26704", Dir: dir, HTTP: "127.0.0.1:0", Core: []string{"127.0.0.1:1"},
		Officers: []identity.OfficerAccount{{User: "command", Password: testPassword, Role: identity.CommandOfficer, Unit: record.Command}},
		Devices:  []identity.DeviceAccount{{ID: "app-1", Password: testPassword, Ward: "26704", Kind: "app"}}}
}

// station is a station that runs in the test's process.
type station struct {
	*Station
	stop func()
	logs *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *syncBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *syncBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// startStation runs a station until stop or the test's end.
func startStation(t testing.TB, c Config) *station {
	t.Helper()
	logs := &syncBuffer{}
	s, err := New(c, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	st := &station{s, func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}, logs}
	t.Cleanup(st.stop)
	return st
}

// reports counts the entries of kind report per report id.
func (s *station) reports(t testing.TB) map[string]int { return reportsIn(t, s.ledger) }

func reportsIn(t testing.TB, l *ledger.Ledger) map[string]int {
	t.Helper()
	n := map[string]int{}
	for pos := uint64(0); ; {
		rows, err := l.After(pos, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return n
		}
		for _, r := range rows {
			if r.Body.Kind == record.KindReport {
				n[r.Body.Payload.Report.String()]++
			}
			pos = r.Position
		}
	}
}

// desk is an officer's browser.
type desk struct {
	base string
	c    *http.Client
}

func newDesk(t testing.TB, base string) *desk {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{base, &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	t.Cleanup(d.c.CloseIdleConnections)
	return d
}

func (d *desk) login() bool {
	raw := fmt.Appendf(nil, `{"user":"command","password":%q}`, testPassword)
	a, err := d.c.Post(d.base+"/api/v1/session", "application/json", bytes.NewReader(raw))
	if err != nil {
		return false
	}
	return a.Body.Close() == nil && a.StatusCode == 200
}

func (d *desk) get(path string, into any) bool {
	a, err := d.c.Get(d.base + path)
	if err != nil {
		return false
	}
	raw, err := io.ReadAll(a.Body)
	return a.Body.Close() == nil && err == nil && a.StatusCode == 200 && json.Unmarshal(raw, into) == nil
}

// incidents are the ids of all that the station lists.
func (d *desk) incidents() map[string]bool {
	all := map[string]bool{}
	for next := ""; ; {
		var p struct {
			Items []struct{ ID string }
			Next  *string
		}
		if !d.get("/api/v1/incidents?limit=200"+next, &p) {
			return all
		}
		for _, x := range p.Items {
			all[x.ID] = true
		}
		if p.Next == nil {
			return all
		}
		next = "&cursor=" + *p.Next
	}
}

// bridged is the bridge as the desk shows it.
func (d *desk) bridged() (x struct {
	Online bool
	Detail string
}) {
	var p struct {
		Items []struct {
			Devices []struct {
				ID     string
				Online bool
				Detail string
			}
		}
	}
	d.get("/api/v1/stations", &p)
	for _, s := range p.Items {
		for _, v := range s.Devices {
			if v.ID == "hall" {
				x.Online, x.Detail = v.Online, v.Detail
			}
		}
	}
	return x
}
