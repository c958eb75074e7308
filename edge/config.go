package edge

import (
	"errors"
	"fmt"

	"wardline/edge/bridge"
	"wardline/edge/broker"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Config is a ward station, as its file says it. Addresses are host:port;
// port 0 takes any.
type Config struct {
	Ward record.WardCode `json:"ward" yaml:"ward"`
	Dir  string          `json:"dir" yaml:"dir"`
	HTTP string          `json:"http" yaml:"http"`
	// Core are the core nodes' sync addresses; the station dials out, nothing dials in.
	Core     []string  `json:"core" yaml:"core"`
	Officers []Officer `json:"officers" yaml:"officers"`
	Devices  []Device  `json:"devices" yaml:"devices"`
	// MQTT is where devices connect by MQTT over TCP; MQTTWS by MQTT over WebSocket.
	// Empty: not at all.
	MQTT   string `json:"mqtt,omitempty" yaml:"mqtt"`
	MQTTWS string `json:"mqtt_ws,omitempty" yaml:"mqtt_ws"`
	// Panels are the alarm lines.
	Panels []Panel `json:"panels,omitempty" yaml:"panels"`
	// Bridges are brokers that are not ours.
	Bridges []bridge.Config `json:"bridges,omitempty" yaml:"bridges"`
	// ReserveMB is the free space, in MiB, below which routine reports are
	// refused; 0 takes the default.
	ReserveMB int64 `json:"reserve_mb" yaml:"reserve_mb"`
}

// Officer is an account with its password.
type Officer struct {
	User     string        `json:"user" yaml:"user"`
	Password string        `json:"password" yaml:"password"`
	Role     identity.Role `json:"role" yaml:"role"`
	Unit     record.UnitID `json:"unit" yaml:"unit"`
}

// Device is a sender with its password.
type Device struct {
	ID       string          `json:"id" yaml:"id"`
	Password string          `json:"password" yaml:"password"`
	Ward     record.WardCode `json:"ward" yaml:"ward"`
	Kind     string          `json:"kind" yaml:"kind"`
}

// Validate names every field that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if !c.Ward.Valid() {
		errs = append(errs, fmt.Errorf("ward is %q; it must be five digits, for example 26704", c.Ward))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("dir is empty; name a directory on the station's disk"))
	}
	if c.HTTP == "" {
		errs = append(errs, errors.New("http is empty; name an address such as 127.0.0.1:8801"))
	}
	if len(c.Core) == 0 {
		errs = append(errs, errors.New("core is empty; list the sync addresses of the core nodes"))
	}
	for i, p := range c.Panels {
		if p.Device == "" || p.Port == "" {
			errs = append(errs, fmt.Errorf("panels[%d] needs device and port", i))
		}
		if _, err := p.profile(); err != nil {
			errs = append(errs, fmt.Errorf("panels[%d]: %w", i, err))
		}
	}
	return errors.Join(append(errs, c.checkBridges())...)
}

// mqtt is the MQTT server's configuration; false when there is none.
func (c *Config) mqtt() (broker.Config, bool) {
	b := broker.Default()
	b.Listeners = nil
	if c.MQTT != "" {
		b.Listeners = append(b.Listeners, broker.Listener{Network: "tcp", Addr: c.MQTT})
	}
	if c.MQTTWS != "" {
		b.Listeners = append(b.Listeners, broker.Listener{Network: "ws", Addr: c.MQTTWS})
	}
	return b, len(b.Listeners) > 0
}

func (c *Config) directory() (*identity.Directory, error) {
	d := identity.NewDirectory()
	var errs []error
	for _, o := range c.Officers {
		errs = append(errs, d.AddOfficer(identity.Officer{User: o.User, Role: o.Role, Unit: o.Unit}, o.Password))
	}
	for _, v := range c.Devices {
		errs = append(errs, d.AddDevice(identity.Device{ID: v.ID, Ward: v.Ward, Kind: v.Kind}, v.Password))
	}
	return d, errors.Join(errs...)
}
