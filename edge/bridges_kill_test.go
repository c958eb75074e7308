package edge

import (
	"encoding/json"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"wardline/edge/bridge/mosquittotest"
	"wardline/edge/ledger"
	"wardline/sync/record"
)

// process is a station in a process of its own.
type process struct {
	t    *testing.T
	bin  string
	conf string
	log  string
	cmd  *exec.Cmd
}

func newProcess(t *testing.T, c Config) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, bin: filepath.Join(dir, "wardline"), conf: filepath.Join(dir, "edge.yaml"), log: filepath.Join(dir, "log")}
	if out, err := exec.Command("go", "build", "-trimpath", "-o", p.bin, "wardline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.conf, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			b, _ := os.ReadFile(p.log)
			t.Logf("the station:\n%s", b[max(0, len(b)-4000):])
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	p.cmd = exec.Command(p.bin, "edge", "--config", p.conf)
	p.cmd.Stderr = f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) end(sig os.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Wait() // it was ended
	p.cmd = nil
}

// crowd publishes reports until it is told to stop and remembers those that the
// broker acknowledged.
type crowd struct {
	mu    sync.Mutex
	acked []string
	n     atomic.Int64
	stop  chan struct{}
	wg    sync.WaitGroup
}

func newCrowd(m *mosquittotest.Broker, senders int) *crowd {
	c := &crowd{stop: make(chan struct{})}
	for i := range senders {
		c.wg.Go(func() { c.send(m, fmt.Sprintf("app-%d", i)) })
	}
	return c
}

func (c *crowd) send(m *mosquittotest.Broker, device string) {
	pause := time.NewTicker(4 * time.Millisecond) // slower than any station: without a sync a broker takes far more than a disk
	defer pause.Stop()
	o := mqtt.NewClientOptions().AddBroker(m.URL()).SetClientID(device).SetAutoReconnect(false)
	for {
		cl := mqtt.NewClient(o)
		if tok := cl.Connect(); tok.WaitTimeout(patience) && tok.Error() == nil {
			for c.one(cl, device) {
				<-pause.C
			}
		}
		cl.Disconnect(100)
		select {
		case <-c.stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *crowd) one(cl mqtt.Client, device string) bool {
	select {
	case <-c.stop:
		return false
	default:
	}
	category := "fire"
	if c.n.Load()%3 == 0 {
		category = "feedback"
	}
	id, raw := newReport(category)
	tok := cl.Publish("wardline/v1/26704/"+device+"/report", 1, false, raw)
	if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = append(c.acked, id)
	c.n.Add(1)
	return true
}

// TestStation_StationAndBrokerKilledInMidStream: kill -9 of the station at random
// moments, the broker ended and started in between; what the broker
// acknowledged is in the ledger once, whatever was on its way.
func TestStation_StationAndBrokerKilledInMidStream_LosesAndDoublesNothing(t *testing.T) {
	kills := 6
	if os.Getenv("WARDLINE_LONG") != "" {
		kills = 60
	}
	m := mosquittotest.Start(t, "max_inflight_messages 0")
	c := bridgedConfig(t, m)
	c.HTTP = fmt.Sprintf("127.0.0.1:%d", mosquittotest.FreePort(t))
	p := newProcess(t, c)
	d := newDesk(t, "http://"+c.HTTP)
	p.start()
	waitFor(t, "log-in", d.login)
	waitFor(t, "the bridge is up", func() bool { return d.bridged().Online })
	crowd := newCrowd(m, 4)
	more := func(k int64) {
		t.Helper()
		from := crowd.n.Load()
		waitFor(t, "more is published", func() bool { return crowd.n.Load() >= from+k })
	}
	for i := range kills {
		more(50 + mrand.Int64N(300))
		if i%3 == 2 {
			m.Restart()
			more(20)
		}
		p.end(syscall.SIGKILL)
		if i%2 == 0 {
			more(20) // while it is down
		}
		p.start()
		waitFor(t, "log-in", d.login)
		waitFor(t, "the bridge is up again", func() bool { return d.bridged().Online })
	}
	more(50)
	close(crowd.stop)
	crowd.wg.Wait()
	waitFor(t, "every acknowledged report is listed", func() bool {
		have := d.incidents()
		for _, id := range crowd.acked {
			if !have[id] {
				return false
			}
		}
		return true
	})
	p.end(syscall.SIGTERM)
	o := ledger.Default(c.Dir, record.StationOrigin(c.Ward))
	o.Log = slog.New(slog.DiscardHandler)
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := reportsIn(t, l)
	for _, id := range crowd.acked {
		if n[id] != 1 {
			t.Errorf("report %s stands in the ledger %d times", id, n[id])
		}
	}
	for id, k := range n {
		if k != 1 {
			t.Errorf("report %s stands in the ledger %d times", id, k)
		}
	}
	if cuts := l.Found().Cuts; len(cuts) != 0 {
		t.Errorf("%+v", cuts)
	}
	t.Logf("%d kills of the station, %d restarts of the broker, %d reports acknowledged by it, each in the ledger once", kills, kills/3, len(crowd.acked))
}
