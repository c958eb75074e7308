package core

import (
	"errors"
	"fmt"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Config is one node of the city core, as its file says it. Addresses are
// host:port; port 0 takes any.
type Config struct {
	ID   string `json:"id" yaml:"id"`
	Dir  string `json:"dir" yaml:"dir"`
	HTTP string `json:"http" yaml:"http"`
	Raft string `json:"raft" yaml:"raft"`
	Sync string `json:"sync" yaml:"sync"`
	// Peers are the founding nodes, the same list on all of them.
	Peers []Peer `json:"peers" yaml:"peers"`
	// CityKey is the file with the key that wraps the keys of sealed parts; all
	// nodes have the same. It is made when it is not there.
	CityKey string `json:"city_key" yaml:"city_key"`
	// ReserveMB is the free space, in MiB, below which the node leads only if
	// no other can and takes no routine reports; below half of it the process
	// ends. 0 takes the default. A ballast of three quarters of it is kept beside.
	ReserveMB int64     `json:"reserve_mb,omitempty" yaml:"reserve_mb"`
	Officers  []Officer `json:"officers" yaml:"officers"`
	Devices   []Device  `json:"devices" yaml:"devices"`
}

// Peer is a founding node.
type Peer struct {
	ID   string `json:"id" yaml:"id"`
	Raft string `json:"raft" yaml:"raft"`
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
	for _, f := range []struct{ name, v string }{{"id", c.ID}, {"dir", c.Dir}, {"http", c.HTTP}, {"raft", c.Raft}, {"sync", c.Sync}, {"city_key", c.CityKey}} {
		if f.v == "" {
			errs = append(errs, fmt.Errorf("%s is empty", f.name))
		}
	}
	if c.ReserveMB < 0 {
		errs = append(errs, fmt.Errorf("reserve_mb is %d; it must be 0 (the default) or more", c.ReserveMB))
	}
	mine := false
	for i, p := range c.Peers {
		if p.ID == "" || p.Raft == "" {
			errs = append(errs, fmt.Errorf("peers[%d] needs id and raft", i))
		}
		mine = mine || p.ID == c.ID
	}
	if !mine {
		errs = append(errs, fmt.Errorf("peers does not name this node, %q", c.ID))
	}
	return errors.Join(errs...)
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
