// Package city runs a whole city to try on one machine: three core nodes and
// one ward station, each a process of its own with real sockets and disks, so
// that each can be killed; and a line between them that can be cut.
package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"wardline/core"
	"wardline/edge"
	"wardline/hardware/panel"
	"wardline/hardware/sim"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Ward is the ward of the city to try: Phú Mỹ.
const Ward = record.WardCode("26704")

// Options of a city.
type Options struct {
	Dir string
	// Command, Station and MQTT are addresses; port 0 means any, and one that is taken is replaced.
	Command, Station, MQTT string
	Devices                int
	Tiles                  string // file of streets for this run; empty: none
	NoRestart              bool
	NoLimits               bool     // on how often a device or an address reports
	Encrypt                bool     // what nodes and stations write on their disks; it stays so
	Wires                  bool     // lines between the core nodes that can be cut, in a city that is made now
	Given                  []string // names of the flags that somebody set; the others hold their default
	Binary                 string   // this program
	Out                    io.Writer
}

// plan is what stays the same when the city is started again: ports, ids,
// passwords.
type plan struct {
	Command  string                    `json:"command"`
	CommandS string                    `json:"command_https,omitempty"` // over TLS
	Cores    []core.Config             `json:"cores"`
	Stations []edge.Config             `json:"stations"`
	Proxies  []string                  `json:"proxies"`
	Officers []identity.OfficerAccount `json:"officers"`
	Devices  []identity.DeviceAccount  `json:"devices"`
}

// City is a running one.
type City struct {
	o       Options
	log     *slog.Logger
	plan    plan
	proxies []*proxy
	wires   map[string]*peerLine // between core nodes, by where they lead; nil: nodes reach each other directly
	cables  []*sim.Pair          // between a panel's port and its station
	kids    []*child

	mu sync.Mutex // guards what changes in city.json
}

// New makes or reads the plan; it starts nothing.
func New(o Options) (*City, error) {
	if o.Dir == "" {
		return nil, errors.New("city: --data is needed: a directory to keep the city in")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if o.Tiles != "" {
		if o.Tiles, err = filepath.Abs(o.Tiles); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "conf"), 0o700); err != nil {
		return nil, err
	}
	c := &City{o: o, log: slog.New(slog.NewTextHandler(o.Out, nil))}
	raw, err := os.ReadFile(c.path("conf/plan.json"))
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &c.plan); err != nil {
			return nil, fmt.Errorf("city: %s: %w", c.path("conf/plan.json"), err)
		}
		if err := c.refit(); err != nil {
			return nil, err
		}
		for _, name := range o.Given {
			if slices.Contains([]string{"command", "station", "mqtt", "devices", "wires"}, name) {
				c.log.Warn("--"+name+" is ignored: this city goes on with the addresses, ids and passwords that it was made with; another --data makes a new one", "data", o.Dir)
			}
		}
	case errors.Is(err, os.ErrNotExist):
		if err := c.draw(); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	return c, nil
}

func (c *City) path(name string) string { return filepath.Join(c.o.Dir, name) }

// scriptPort is the end of a panel's line that a script plays the panel on.
func (c *City) scriptPort(device string) string { return c.path("panels/" + device) }

// Ports that nobody asked for come from below the range out of which the
// kernel takes ports for outgoing connections (ip(7), ip_local_port_range): a
// child's port must not be taken by its brother's connection before it listens.
const (
	firstPort = 18000
	lastPort  = 32000
)

// free gives an address whose port is free now and was not given before; a
// wanted one that is taken is replaced.
func free(want string, given map[string]bool) (string, error) {
	try := func(addr string) bool {
		l, err := net.Listen("tcp", addr)
		return err == nil && l.Close() == nil && !given[addr]
	}
	if _, port, err := net.SplitHostPort(want); err != nil {
		return "", fmt.Errorf("city: address %q: %w", want, err)
	} else if port != "0" && try(want) {
		given[want] = true
		return want, nil
	}
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		if try(addr) {
			given[addr] = true
			return addr, nil
		}
	}
	return "", errors.New("city: no free port on the loopback address")
}

// anyPort takes any.
const anyPort = "127.0.0.1:0"

func (c *City) draw() error {
	var errs []error
	given := map[string]bool{}
	addr := func(want string) string {
		a, err := free(want, given)
		errs = append(errs, err)
		return a
	}
	p := &c.plan
	p.Command, p.CommandS = addr(c.o.Command), addr(anyPort)
	unit := record.WardUnit(Ward)
	for _, o := range []identity.OfficerAccount{{User: "ward", Role: identity.WardOfficer, Unit: unit}, {User: "department", Role: identity.DepartmentOfficer, Unit: "PC07"},
		{User: "command", Role: identity.CommandOfficer, Unit: record.Command}, {User: "supervisor", Role: identity.Supervisor, Unit: record.Command},
		{User: "administrator", Role: identity.Administrator, Unit: record.Command}, {User: "auditor", Role: identity.Auditor, Unit: record.Command},
		{User: "ward-2", Role: identity.WardOfficer, Unit: unit}} {
		o.Password = identity.NewSecret()
		p.Officers = append(p.Officers, o)
	}
	for i := range c.o.Devices {
		p.Devices = append(p.Devices, newDevice(i))
	}
	// It makes the first administrator's account, and is nobody from then on.
	bootstrap := identity.OfficerAccount{User: "bootstrap", Password: identity.NewSecret(), Role: identity.Administrator, Unit: record.Command}
	var peers []core.Peer
	for i := range 3 {
		id := fmt.Sprintf("core-%d", i+1)
		n := core.Config{ID: id, Dir: c.path(id), HTTP: addr(anyPort), HTTPS: addr(anyPort), Raft: addr(anyPort), Sync: addr(anyPort), CityKey: c.path("conf/city.key"), Names: names()}
		if c.o.Wires {
			n.RaftListen = addr(anyPort)
		}
		n.Officers = []identity.OfficerAccount{bootstrap}
		for _, d := range p.Devices {
			n.Devices = append(n.Devices, d)
		}
		peers = append(peers, core.Peer{ID: id, Raft: n.Raft})
		p.Cores = append(p.Cores, n)
		p.Proxies = append(p.Proxies, addr(anyPort))
	}
	for i := range p.Cores {
		p.Cores[i].Peers = peers
	}
	p.Stations = append(p.Stations, edge.Config{Ward: Ward, Dir: c.path("ward-" + string(Ward)), HTTP: addr(c.o.Station),
		MQTT: addr(c.o.MQTT), MQTTWS: addr(anyPort), Core: p.Proxies, TLS: edge.TLS{TokenFile: c.tokenFile(Ward), HTTP: addr(anyPort), MQTT: addr(anyPort), MQTTWS: addr(anyPort)},
		Devices: p.Devices, ContactsFile: c.path("conf/contacts.yaml"), Panels: []edge.Panel{
			{Device: "panel-1", Protocol: panel.SurGard, Port: c.path("lines/panel-1")},
			{Device: "button-1", Protocol: panel.Button, Port: c.path("lines/button-1")}}})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.WriteFile(c.path("conf/contacts.yaml"), []byte(contacts), 0o600); err != nil {
		return err
	}
	return writeJSON(c.path("conf/plan.json"), p)
}

// contacts are the sample's patrols and numbers: nobody answers them.
const contacts = `contacts:
  - {id: tuan-tra-1, name: Tổ tuần tra 1, kind: patrol, unit: ward/` + string(Ward) + `, phone: "0900 000 001", radio: "Kênh 3"}
  - {id: tuan-tra-2, name: Tổ tuần tra 2, kind: patrol, unit: ward/` + string(Ward) + `, phone: "0900 000 002", radio: "Kênh 3"}
  - {id: dan-phong, name: Lực lượng dân phòng, kind: patrol, unit: ward/` + string(Ward) + `, phone: "0900 000 003"}
  - {id: pc07, name: Trực ban PC07, kind: unit, unit: PC07, phone: "0900 000 107"}
  - {id: chi-huy, name: Trung tâm chỉ huy, kind: unit, unit: command, phone: "0900 000 100", radio: "Kênh 1"}
`

// writeJSON writes a file by rename, readable by its owner alone: passwords
// stand in it.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Run starts everything and keeps it up until ctx ends.
func (c *City) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What an earlier run wrote holds no longer; who waits for the file waits for this run.
	if err := os.Remove(c.path("city.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	command, err := net.Listen("tcp", c.plan.Command)
	if err != nil {
		return fmt.Errorf("city: %w; is another city running on %s?", err, c.o.Dir)
	}
	var nodes, tls []string
	for i, n := range c.plan.Cores {
		p, err := newProxy(c.plan.Proxies[i], func() string { return n.Sync })
		if err != nil {
			return err
		}
		c.proxies = append(c.proxies, p)
		if n.RaftListen != "" {
			if err := c.peerLine(i); err != nil {
				return err
			}
		}
		nodes, tls = append(nodes, n.HTTP), append(tls, n.HTTPS)
		n.Limits.Off, n.TilesFile = c.o.NoLimits, c.o.Tiles // of this run, not of the plan
		if n.DiskKey, err = c.diskKey(n.ID); err != nil {
			return err
		}
		n.Reach = c.plan.Proxies[i] // a station that is added later is cut with the others
		if err := c.add(n.ID, "core", n); err != nil {
			return err
		}
	}
	for _, s := range c.plan.Stations {
		for _, p := range s.Panels {
			cable, err := sim.NewPair(p.Port, c.scriptPort(p.Device), c.log)
			if err != nil {
				return errors.Join(err, c.unplug())
			}
			c.cables = append(c.cables, cable)
		}
		s.Limits.Off, s.TilesFile = c.o.NoLimits, c.o.Tiles // as above
		if s.DiskKey, err = c.diskKey("ward-" + string(s.Ward)); err != nil {
			return errors.Join(err, c.unplug())
		}
		if err := c.add("ward-"+string(s.Ward), "edge", s); err != nil {
			return errors.Join(err, c.unplug())
		}
	}
	for _, w := range c.wires {
		go w.accept()
	}
	var wg sync.WaitGroup
	fail := make(chan error, 2+len(c.cables))
	for _, p := range c.cables {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := p.Run(ctx); err != nil {
				fail <- err
			}
		}()
	}
	for _, k := range c.kids {
		wg.Add(1)
		go func() { defer wg.Done(); c.keep(ctx, k) }()
	}
	f := newFront(nodes, c.log)
	secure, err := newProxy(c.plan.CommandS, func() string { return tls[f.node()] })
	if err != nil {
		cancel()
		wg.Wait()
		return err
	}
	defer func() { _ = secure.l.Close() }() // everything has ended
	wg.Add(2)
	go func() { defer wg.Done(); fail <- f.serve(ctx, command) }()
	go func() { defer wg.Done(); fail <- c.control(ctx) }()
	err = c.ready(ctx)
	if err == nil {
		wg.Add(1)
		go func() { defer wg.Done(); c.followAuthority(ctx) }()
		if err = c.publish(); err == nil {
			c.hello()
			select {
			case <-ctx.Done():
			case err = <-fail:
			}
		}
	}
	cancel()
	wg.Wait()
	for _, p := range c.proxies {
		_ = p.l.Close() // everything has ended
	}
	for _, w := range c.wires {
		_ = w.l.Close() // as above
	}
	return err
}

// unplug removes the cables of a city that did not come to run.
func (c *City) unplug() error {
	var errs []error
	for _, p := range c.cables {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func (c *City) add(name, role string, conf any) error {
	file := c.path("conf/" + name + ".json")
	if err := writeJSON(file, conf); err != nil {
		return err
	}
	c.kids = append(c.kids, &child{name: name, args: []string{role, "--config", file}, dir: c.o.Dir, wake: make(chan struct{}, 1)})
	return nil
}
