package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wardline/core"
	"wardline/deploy/city"
	"wardline/edge"
	"wardline/sync/identity"
	"wardline/sync/rates"
	"wardline/sync/record"
)

// secret is the password of everyone in a measured city, which lives on
// loopback for minutes.
var secret = identity.NewSecret()

// devices are enough for every connection that is measured.
const devices = 64

func device(i int) string { return fmt.Sprintf("app-%d", i+1) }

// cores starts three core nodes and waits until each is ready.
func (b *bench) cores(ctx context.Context, name string) ([]core.Config, []*proc, error) {
	var list []core.Config
	var peers []core.Peer
	for i := range 3 {
		id := fmt.Sprintf("%s-core-%d", name, i+1)
		c := core.Config{ID: id, Dir: filepath.Join(b.dir, id), HTTP: b.addr(), Raft: b.addr(), Sync: b.addr(), CityKey: filepath.Join(b.dir, name+"-city.key"), Limits: rates.Config{Off: true}}
		for _, r := range []identity.Role{identity.CommandOfficer, identity.Auditor, identity.Administrator} {
			c.Officers = append(c.Officers, identity.OfficerAccount{User: string(r), Password: secret, Role: r, Unit: record.Command})
		}
		for d := range devices {
			c.Devices = append(c.Devices, identity.DeviceAccount{ID: device(d), Password: secret, Ward: city.Ward, Kind: "app"})
		}
		peers = append(peers, core.Peer{ID: id, Raft: c.Raft})
		list = append(list, c)
	}
	var procs []*proc
	for i := range list {
		list[i].Peers = peers
		p, err := b.role("core", list[i].ID, list[i])
		if err != nil {
			return nil, nil, err
		}
		procs = append(procs, p)
	}
	for i, p := range procs {
		if err := p.until(ctx, "readyz", 20*time.Millisecond, func() bool { return answers("http://" + list[i].HTTP + "/readyz") }); err != nil {
			return nil, nil, err
		}
	}
	return list, procs, nil
}

// role starts one of our processes with its configuration.
func (b *bench) role(role, name string, conf any) (*proc, error) {
	raw, err := json.Marshal(conf)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, name+".json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, err
	}
	return b.ours(name, role, "--config", file)
}

// station is the configuration of a ward station; without nodes its line is cut.
func (b *bench) station(name string, nodes ...core.Config) edge.Config {
	c := edge.Config{Ward: city.Ward, Dir: filepath.Join(b.dir, name), HTTP: b.addr(), MQTT: b.addr(), Core: []string{"127.0.0.1:1"}, Limits: rates.Config{Off: true}}
	if len(nodes) > 0 {
		c.Core = nil
	}
	for _, n := range nodes {
		c.Core = append(c.Core, n.Sync)
	}
	c.Officers = []identity.OfficerAccount{{User: "ward", Password: secret, Role: identity.WardOfficer, Unit: record.WardUnit(city.Ward)}}
	for d := range devices {
		c.Devices = append(c.Devices, identity.DeviceAccount{ID: device(d), Password: secret, Ward: city.Ward, Kind: "app"})
	}
	return c
}

// startStation starts a station and gives the time until it was ready.
func (b *bench) startStation(ctx context.Context, name string, c edge.Config) (*proc, time.Duration, error) {
	began := time.Now()
	p, err := b.role("edge", name, c)
	if err != nil {
		return nil, 0, err
	}
	err = p.until(ctx, "readyz", 5*time.Millisecond, func() bool { return answers("http://" + c.HTTP + "/readyz") })
	return p, time.Since(began), err
}

// login gives a client with a session.
func login(base, user, password string) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar}
	raw, err := json.Marshal(map[string]string{"user": user, "password": password})
	if err != nil {
		return nil, err
	}
	r, err := c.Post(base+"/api/v1/session", "application/json", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("log-in of %s at %s: %s", user, base, r.Status)
	}
	return c, nil
}

// many keeps a connection for each of some dozen callers.
var many = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: devices}}

// asDevice asks as a device, which may read its own reports, and gives the status.
func asDevice(ctx context.Context, n int, method, url string, body []byte) (int, error) {
	return asAccount(ctx, device(n), secret, method, url, body)
}

func asAccount(ctx context.Context, id, password, method, url string, body []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.SetBasicAuth(id, password)
	a, err := many.Do(r)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		return 0, err
	}
	return a.StatusCode, a.Body.Close()
}

// follow reads a live stream and calls each with the reports of every event,
// until the stream ends.
func follow(ctx context.Context, c *http.Client, base string, each func(reports []string, at time.Time)) error {
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/live", nil)
	if err != nil {
		return err
	}
	a, err := c.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("live at %s: %s", base, a.Status)
	}
	s := bufio.NewScanner(a.Body)
	s.Buffer(nil, 1<<20)
	incident := false
	for s.Scan() {
		line := s.Text()
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			incident = kind == "incident"
			if kind == "heartbeat" {
				each(nil, time.Now())
			}
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && incident {
			var e struct{ Reports []string }
			at := time.Now()
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return err
			}
			each(e.Reports, at)
		}
	}
	return s.Err()
}
