package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"wardline/configs"
	"wardline/edge/bridge"
	"wardline/edge/broker"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/proxies"
	"wardline/sync/rates"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/trust"
)

// Config is a ward station, as its file says it. Addresses are host:port;
// port 0 takes any.
type Config struct {
	// Role is edge, or empty.
	Role string          `json:"role,omitempty" yaml:"role"`
	Ward record.WardCode `json:"ward" yaml:"ward"`
	Dir  string          `json:"dir" yaml:"dir"`
	HTTP string          `json:"http" yaml:"http"`
	// Core are the core nodes' sync addresses; the station dials out, nothing dials in.
	Core []string `json:"core" yaml:"core"`
	// TLS is how the station proves who it is, and where it speaks TLS itself.
	TLS TLS `json:"tls,omitzero" yaml:"tls"`
	// DiskKey is the file with the key under which the station's disk is written: its
	// ledger and its secret keys. Empty: in the clear.
	DiskKey string `json:"disk_key,omitempty" yaml:"disk_key"`
	// DiskKeyBefore is the key of before, while DiskKey is another one.
	DiskKeyBefore string `json:"disk_key_before,omitempty" yaml:"disk_key_before"`
	// Officers may log in until the first account has come from the city.
	Officers []identity.OfficerAccount `json:"officers" yaml:"officers"`
	Devices  []identity.DeviceAccount  `json:"devices" yaml:"devices"`
	// MQTT is where devices connect by MQTT over TCP; MQTTWS by MQTT over WebSocket.
	// Empty: not at all.
	MQTT   string `json:"mqtt,omitempty" yaml:"mqtt"`
	MQTTWS string `json:"mqtt_ws,omitempty" yaml:"mqtt_ws"`
	// Panels are the alarm lines.
	Panels []Panel `json:"panels,omitempty" yaml:"panels"`
	// Bridges are brokers that are not ours.
	Bridges []bridge.Config `json:"bridges,omitempty" yaml:"bridges"`
	// ContactsFile lists the telephones and radios at hand at the desk: the ward's
	// patrols and whom it calls (api.ContactBook). Empty: the national numbers alone.
	ContactsFile string `json:"contacts_file,omitempty" yaml:"contacts_file"`
	// TilesFile is a file of streets for the desk's map (PMTiles, streets.Source). Empty: the
	// wards' boundaries alone.
	TilesFile string `json:"tiles_file,omitempty" yaml:"tiles_file"`
	// Limits bound the reports of one device and of one address.
	Limits rates.Config `json:"limits,omitzero" yaml:"limits"`
	// TrustedProxies are the servers in front of this one, addresses or networks, whose
	// X-Forwarded-For and X-Forwarded-Proto are believed, so that who is behind them does not
	// share one address and has Secure cookies where they end TLS. Their MQTT connections over
	// TCP begin with the header of the PROXY protocol.
	TrustedProxies []string `json:"trusted_proxies,omitempty" yaml:"trusted_proxies"`
	// SessionIdleMin is after how many minutes without a use an officer's session ends; a
	// page that is open uses it. 0 takes the default, 30.
	SessionIdleMin int `json:"session_idle_min,omitempty" yaml:"session_idle_min"`
	// WrappingDays is after how many days the keys change that wrap the keys of what identifies
	// people, 1 to 31; an erasure is complete with the next change. 0 takes the default, 7.
	WrappingDays int `json:"wrapping_days,omitempty" yaml:"wrapping_days"`
	// ReserveMB is the free space, in MiB, below which routine reports are
	// refused; 0 takes the default.
	ReserveMB int64 `json:"reserve_mb" yaml:"reserve_mb"`
	// Wall is the wall clock; nil is the system's. No file can set it.
	Wall func() time.Time `json:"-" yaml:"-"`
	// Connected is told how many devices are connected over MQTT when that has changed much,
	// at most once a second; nil: nobody asks. No file can set it.
	Connected func(devices int) `json:"-" yaml:"-"`
}

// TLS is a station's certificate and what it is shown at.
type TLS struct {
	// TokenFile is where the station finds the token by which it enrols at the city
	// (wardline enrol); it is looked at while the station runs.
	TokenFile string `json:"token_file,omitempty" yaml:"token_file"`
	// HTTP, MQTT and MQTTWS are the addresses of the same interface, and of MQTT over
	// TCP and WebSocket, over TLS. Empty: not at all.
	HTTP   string `json:"http,omitempty" yaml:"http"`
	MQTT   string `json:"mqtt,omitempty" yaml:"mqtt"`
	MQTTWS string `json:"mqtt_ws,omitempty" yaml:"mqtt_ws"`
}

var (
	_ configs.Validator = (*Config)(nil)
	_ configs.Loader    = (*Config)(nil)
)

// Validate names every field that is wrong.
func (c *Config) Validate() error {
	var f configs.Faults
	if c.Role != "" && c.Role != "edge" {
		f.Add("role", "write edge, or run wardline core with this file", "%q is not what this file is read as", c.Role)
	}
	if !c.Ward.Valid() {
		f.Add("ward", "write its five digits, for example 26704", "%q is no ward's code", c.Ward)
	}
	f.Empty("dir", c.Dir, "name a directory on the station's disk")
	f.Address("http", c.HTTP, configs.AnyPort)
	for _, a := range []struct{ field, addr string }{{"mqtt", c.MQTT}, {"mqtt_ws", c.MQTTWS},
		{"tls.http", c.TLS.HTTP}, {"tls.mqtt", c.TLS.MQTT}, {"tls.mqtt_ws", c.TLS.MQTTWS}} {
		if a.addr != "" {
			f.Address(a.field, a.addr, configs.AnyPort)
		}
	}
	if len(c.Core) == 0 {
		f.Add("core", "list the sync addresses of the core nodes", "is empty")
	}
	for i, a := range c.Core {
		f.Address(fmt.Sprintf("core[%d]", i), a, configs.Reachable)
	}
	if field := c.Limits.Negative(); field != "" {
		f.Add("limits."+field, "write 0 for the default, or more; off: true is no limit", "is below 0")
	}
	_, perr := proxies.Parse(c.TrustedProxies)
	f.Under("", perr)
	f.Under("", identity.CheckIdle(c.SessionIdleMin))
	if !sealing.GoodTurn(c.WrappingDays) {
		f.Add("wrapping_days", fmt.Sprintf("write %d to %d, or 0 for the default, %d", sealing.MinTurnDays, sealing.MaxTurnDays, sealing.DefaultTurnDays), "is %d", c.WrappingDays)
	}
	if c.ReserveMB < 0 {
		f.Add("reserve_mb", "write 0 for the default, or more", "is %d", c.ReserveMB)
	}
	if c.DiskKeyBefore != "" && c.DiskKey == "" {
		f.Add("disk_key", "name the new key there: a disk's key is changed, not taken away", "is empty, but disk_key_before is not")
	}
	f.Under("", identity.CheckAccounts(c.Officers, c.Devices))
	c.checkPanels(&f)
	c.checkBridges(&f)
	return f.Err()
}

// checkPanels holds the alarm lines to their profiles and their names to
// everything else that reports here.
func (c *Config) checkPanels(f *configs.Faults) {
	devices, panels, ports := map[string]int{}, map[string]int{}, map[string]int{}
	for i, d := range c.Devices {
		devices[d.ID] = i
	}
	for i, p := range c.Panels {
		at := fmt.Sprintf("panels[%d]", i)
		if !identity.ValidDeviceID(p.Device) {
			f.Add(at+".device", fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.': it stands in logs and beside its reports", identity.MaxDeviceID), "%q is no id", p.Device)
		} else if x, had := panels[p.Device]; had {
			f.Add(at+".device", "give each line a name of its own", "is %q, which panels[%d] has", p.Device, x)
		} else if x, had := devices[p.Device]; had {
			f.Add(at+".device", "rename one: a device with a password could speak for the alarm line", "is %q, which devices[%d] has", p.Device, x)
		}
		f.Empty(at+".port", p.Port, "name the adapter, best by its lasting name below /dev/serial/by-id/")
		if x, had := ports[p.Port]; had && p.Port != "" {
			f.Add(at+".port", "one line has one adapter", "is %q, which panels[%d] has", p.Port, x)
		}
		panels[p.Device], ports[p.Port] = i, i
		_, err := p.profile()
		f.Under(at, err)
	}
}

// mqtt is the MQTT server's configuration; false when there is none.
func (c *Config) mqtt(h *trust.Holder) (broker.Config, bool) {
	b := broker.Default()
	b.Listeners = nil
	b.Proxies, _ = proxies.Parse(c.TrustedProxies) // Validate has looked at them
	for _, l := range []struct {
		network, addr string
		tls           *tls.Config
	}{{"tcp", c.MQTT, nil}, {"ws", c.MQTTWS, nil}, {"tcp", c.TLS.MQTT, h.Public()}, {"ws", c.TLS.MQTTWS, h.Public("http/1.1")}} {
		if l.addr != "" {
			b.Listeners = append(b.Listeners, broker.Listener{Network: l.network, Addr: l.addr, TLS: l.tls})
		}
	}
	return b, len(b.Listeners) > 0
}

// Load reads the password files and the contacts.
func (c *Config) Load() error {
	_, err := c.directory()
	_, cerr := c.contacts()
	return errors.Join(err, cerr)
}

func (c *Config) contacts() ([]api.Contact, error) {
	var book api.ContactBook
	if c.ContactsFile == "" {
		return nil, nil
	}
	if err := configs.Read(c.ContactsFile, &book); err != nil {
		return nil, &configs.Fault{Field: "contacts_file", Wrong: err.Error(), Do: "mend that file; README.md shows one"}
	}
	return book.Contacts, nil
}

func (c *Config) directory() (*identity.Directory, error) {
	return identity.FromAccounts(c.Officers, c.Devices)
}

// Tiles is the tile file, for whoever checks the configuration: a start goes on without it.
func (c *Config) Tiles() string { return c.TilesFile }
