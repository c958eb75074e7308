package city

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"wardline/sync/identity"
)

// ErrRuns says that a city runs on the directory.
var ErrRuns = errors.New("a city runs there")

// maxSocket is the longest path of a socket that every system takes: 104 bytes
// with the closing zero is the smallest sun_path in use (unix(7) has 108).
const maxSocket = 103

// socket is where a city in dir takes commands: in the directory, or where its
// path is too long for a socket, beside all temporary files under a name made from it.
func socket(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(dir, "control.sock"); len(path) <= maxSocket {
		return path, nil
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), "wardline-"+hex.EncodeToString(sum[:8])+".sock"), nil
}

// refit makes the plan of an earlier run fit today: what was taken by another
// program meanwhile gets another port, which is said, and there are as many devices as
// asked for, never fewer than before. The ports of Raft stay: the nodes know each
// other by them.
func (c *City) refit() error {
	path, err := socket(c.o.Dir)
	if err != nil {
		return err
	}
	if conn, err := net.Dial("unix", path); err == nil {
		return errors.Join(fmt.Errorf("city: %w: end it first, or give another --data than %s", ErrRuns, c.o.Dir), conn.Close())
	}
	p := &c.plan
	given := map[string]bool{}
	for _, n := range p.Cores {
		for _, addr := range []string{n.Raft, n.RaftListen} {
			if addr == "" {
				continue
			}
			if a, err := free(addr, given); err != nil || a != addr {
				return fmt.Errorf("city: %s of %s is taken by another program (ss -ltnp names it); end that, or begin anew with another --data", addr, n.ID)
			}
		}
	}
	changed := c.complete()
	addrs := []*string{&p.Command, &p.CommandS}
	for i := range p.Cores {
		addrs = append(addrs, &p.Cores[i].HTTP, &p.Cores[i].HTTPS, &p.Cores[i].Sync, &p.Proxies[i])
	}
	for i := range p.Stations {
		addrs = append(addrs, &p.Stations[i].HTTP, &p.Stations[i].MQTT, &p.Stations[i].MQTTWS,
			&p.Stations[i].TLS.HTTP, &p.Stations[i].TLS.MQTT, &p.Stations[i].TLS.MQTTWS)
	}
	for _, a := range addrs {
		now, err := free(*a, given)
		if err != nil {
			return err
		}
		if now != *a && *a != anyPort {
			c.log.Warn("an address is taken by another program and was replaced", "was", *a, "is", now)
		}
		changed = changed || now != *a
		*a = now
	}
	for i := len(p.Devices); i < c.o.Devices; i++ {
		p.Devices, changed = append(p.Devices, newDevice(i)), true
	}
	if !changed {
		return nil
	}
	for i := range p.Cores {
		p.Cores[i].Devices = p.Devices
	}
	for i := range p.Stations {
		p.Stations[i].Core, p.Stations[i].Devices = p.Proxies, p.Devices
	}
	return writeJSON(c.path("conf/plan.json"), p)
}

// newDevice is the app device of a number from 0 on.
func newDevice(i int) identity.DeviceAccount {
	return identity.DeviceAccount{ID: fmt.Sprintf("app-%d", i+1), Password: identity.NewSecret(), Ward: Ward, Kind: "app"}
}
