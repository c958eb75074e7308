package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/mqttload"
	"wardline/deploy/bench/reports"
)

// tlsCity is what of city.json is needed here.
type tlsCity struct {
	CA       string
	Core     []struct{ URL, HTTPS string }
	Stations []struct {
		URL, MQTTS string
		PID        int
	}
	Officers []struct{ User, Password, Role string }
	Devices  []struct{ ID, Password, Ward string }
}

// trust measures what TLS and passwords cost, at a whole city as `wardline city` runs it:
// log-ins of officers, connections of devices, and what a station keeps for those that
// are connected. The load is made by this process on the same cores.
func (b *bench) trust(ctx context.Context) error {
	idle := b.pick(5000, 1000)
	dir := filepath.Join(b.dir, "trust")
	p, err := b.start("trust", b.bin, "city", "--data", dir, "--command", "127.0.0.1:0", "--station", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--devices", fmt.Sprint(idle), "--limits=off")
	if err != nil {
		return err
	}
	var f tlsCity
	if err := p.until(ctx, "city.json", 50*time.Millisecond, func() bool {
		raw, err := os.ReadFile(filepath.Join(dir, "city.json"))
		return err == nil && json.Unmarshal(raw, &f) == nil
	}); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if raw, err := os.ReadFile(f.CA); err != nil || !roots.AppendCertsFromPEM(raw) {
		return errors.Join(errors.New("the city's authority is not there"), err)
	}
	b.settle(ctx)
	if err := b.logIns(ctx, &f, roots); err != nil {
		return err
	}
	b.settle(ctx)
	return b.idleDevices(ctx, &f, roots, idle)
}

// logIns logs an officer in over HTTPS, each time over a new connection, one after the other.
func (b *bench) logIns(ctx context.Context, f *tlsCity, roots *x509.CertPool) error {
	var body []byte
	for _, o := range f.Officers {
		if o.Role == "command_officer" {
			body, _ = json.Marshal(map[string]string{"user": o.User, "password": o.Password}) // texts alone
		}
	}
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	var took []time.Duration
	for range b.pick(100, 20) {
		r, err := http.NewRequestWithContext(ctx, "POST", f.Core[0].HTTPS+"/api/v1/session", strings.NewReader(string(body)))
		if err != nil {
			return err
		}
		began := time.Now()
		a, err := c.Do(r)
		if err != nil {
			return err
		}
		if err := a.Body.Close(); err != nil || a.StatusCode != http.StatusOK {
			return errors.Join(fmt.Errorf("log-in: %s", a.Status), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.row(figures.Row{Measure: "log-in of an officer over HTTPS (argon2id, a new connection each), p50", Unit: "ms", Ours: figures.Of(ms(took[len(took)/2]))})
	b.row(figures.Row{Measure: "the same, p99", Unit: "ms", Ours: figures.Of(ms(took[len(took)*99/100]))})
	return nil
}

// connecting are the devices that connect at once.
const connecting = 32

// idleDevices connects devices over TLS with their passwords, subscribed to what a device reads,
// and leaves them idle.
func (b *bench) idleDevices(ctx context.Context, f *tlsCity, roots *x509.CertPool, n int) error {
	st := f.Stations[0]
	if len(f.Devices) < n {
		return fmt.Errorf("the city has %d devices, not %d", len(f.Devices), n)
	}
	station := &proc{cmd: pidOf(st.PID)}
	before, err := station.anon()
	if err != nil {
		return err
	}
	used, err := station.cpu()
	if err != nil {
		return err
	}
	conf := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	clients, errs := make([]*mqttload.Client, n), make([]error, n)
	defer func() {
		for _, c := range clients {
			if c != nil {
				_ = c.Close() // what was measured is known
			}
		}
	}()
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range connecting {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				d := f.Devices[i]
				ward := "wardline/v1/" + d.Ward + "/"
				own := ward + d.ID + "/"
				clients[i], errs[i] = mqttload.Dial(mqttload.Config{Addr: st.MQTTS, TLS: conf, Client: d.ID, User: d.ID, Password: d.Password,
					Filters: []string{own + "receipt", own + "command", ward + "alert"}, Topic: own + "report", Window: 1, Messages: reports.New(1, uint64(i), "fire").Messages})
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	after, err := station.cpu()
	if err != nil {
		return err
	}
	b.row(figures.Row{Measure: fmt.Sprintf("MQTT connections over TLS 1.3 with a password and three subscriptions, %d devices, %d at once", n, connecting), Unit: "1/s", Ours: figures.Of(float64(n) / took.Seconds()),
		Note: fmt.Sprintf("%.2f ms of the station's processor time each", ms(after-used)/float64(n))})
	<-time.After(b.seconds(150, 3)) // idle: the runtime collects at least every two minutes
	anon, err := station.anon()
	if err != nil {
		return err
	}
	online, err := gauge(ctx, st.URL, "wardline_edge_mqtt_connections")
	stacks, serr := gauge(ctx, st.URL, "go_memstats_stack_inuse_bytes")
	heap, herr := gauge(ctx, st.URL, "go_memstats_heap_inuse_bytes")
	if err = errors.Join(err, serr, herr); err != nil || int(online) != n {
		return errors.Join(fmt.Errorf("%v of %d devices are connected", online, n), err)
	}
	b.row(figures.Row{Measure: fmt.Sprintf("anonymous memory of a station with %d idle devices over TLS (RssAnon)", n), Unit: "MB", Ours: figures.Of(float64(anon) / 1e6),
		Note: fmt.Sprintf("%s MB before; %.1f KB a device; stacks %s MB, heap in use %s MB", figures.Number(float64(before)/1e6), float64(anon-before)/1e3/float64(n), figures.Number(stacks/1e6), figures.Number(heap/1e6))})
	return nil
}

// pidOf is a process that another one started, to read its figures.
func pidOf(pid int) *exec.Cmd { return &exec.Cmd{Process: &os.Process{Pid: pid}} }

// gauge reads a metric without labels.
func gauge(ctx context.Context, base, name string) (v float64, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	a, err := plain.Do(r)
	if err != nil {
		return 0, err
	}
	raw, err := io.ReadAll(a.Body)
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("%s is not among the metrics of %s", name, base)
}
