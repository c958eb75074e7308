package core

import (
	"errors"
	"fmt"
	"time"

	"wardline/configs"
	"wardline/core/signon"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/proxies"
	"wardline/sync/rates"
	"wardline/sync/sealing"
)

// Config is one node of the city core, as its file says it. Addresses are
// host:port. Port 0 takes any for HTTP and Sync; Raft's must be the real one,
// because the peers are told it.
type Config struct {
	// Role is core, or empty.
	Role string `json:"role,omitempty" yaml:"role"`
	ID   string `json:"id" yaml:"id"`
	Dir  string `json:"dir" yaml:"dir"`
	HTTP string `json:"http" yaml:"http"`
	// HTTPS is the same interface over TLS, with this node's certificate. Empty: not at all.
	HTTPS string `json:"https,omitempty" yaml:"https"`
	// Raft is where the other nodes reach this one, as it stands in Peers.
	Raft string `json:"raft" yaml:"raft"`
	// RaftListen is where the node takes them where that is another address: behind a
	// translation of addresses, in a container. Empty: Raft.
	RaftListen string `json:"raft_listen,omitempty" yaml:"raft_listen"`
	// Sync is where the stations' lines come in.
	Sync string `json:"sync" yaml:"sync"`
	// Reach is where the stations reach this node's Sync, host:port: it stands in the command
	// by which a new station is made. Empty: the first of Names, with Sync's port.
	Reach string `json:"reach,omitempty" yaml:"reach"`
	// Peers are the founding nodes, the same list on all of them.
	Peers []Peer `json:"peers" yaml:"peers"`
	// Join says that this node is not one of the founding ones: it joins the city
	// through them, at first without a vote.
	Join bool `json:"join,omitempty" yaml:"join"`
	// TokenFile is where the one-time token stands by which a node that joins is enrolled
	// (wardline enrol core/NAME); it then renews its certificate by itself. A founding node
	// needs none: it has the city's key.
	TokenFile string `json:"token_file,omitempty" yaml:"token_file"`
	// CityKey is the file with the key that wraps the keys of sealed parts; all
	// nodes have the same. A founding node makes it when it is not there, and a node that joins
	// is given it when it enrols.
	CityKey string `json:"city_key" yaml:"city_key"`
	// AuthorityKey is the file with the secret of the city's certificate authority, the
	// same on all nodes; empty takes CityKey.
	AuthorityKey string `json:"authority_key,omitempty" yaml:"authority_key"`
	// DiskKey is the file with the key under which this node's disk is written: its state,
	// lists and Raft log, and its own secret keys; each node has its own. Empty: in the clear.
	DiskKey string `json:"disk_key,omitempty" yaml:"disk_key"`
	// DiskKeyBefore is the key of before, while DiskKey is another one.
	DiskKeyBefore string `json:"disk_key_before,omitempty" yaml:"disk_key_before"`
	// Names are the host names and addresses under which browsers and devices reach
	// this node; they stand in its certificate.
	Names []string `json:"names,omitempty" yaml:"names"`
	// OIDC lets officers log in by the city's OpenID Connect provider.
	OIDC signon.Config `json:"oidc,omitzero" yaml:"oidc"`
	// Limits bound the reports of one device and of one address.
	Limits rates.Config `json:"limits,omitzero" yaml:"limits"`
	// TrustedProxies are the servers in front of this one, addresses or networks, whose
	// X-Forwarded-For and X-Forwarded-Proto are believed, so that who is behind them does not
	// share one address and has Secure cookies where they end TLS.
	TrustedProxies []string `json:"trusted_proxies,omitempty" yaml:"trusted_proxies"`
	// SessionIdleMin is after how many minutes without a use an officer's session ends; a
	// page that is open uses it. 0 takes the default, 30.
	SessionIdleMin int `json:"session_idle_min,omitempty" yaml:"session_idle_min"`
	// WrappingDays is after how many days the keys change that wrap the keys of what identifies
	// people, 1 to 31; an erasure is complete with the next change. 0 takes the default, 7.
	WrappingDays int `json:"wrapping_days,omitempty" yaml:"wrapping_days"`
	// ReserveMB is the free space, in MiB, below which the node leads only if
	// no other can and takes no routine reports; below half of it the process
	// ends. 0 takes the default. A ballast of three quarters of it is kept beside.
	ReserveMB int64 `json:"reserve_mb,omitempty" yaml:"reserve_mb"`
	// Officers may log in until the city's log has an administrator's account: one
	// administrator, who makes it (wardline user add). From then on they are nobody.
	Officers []identity.OfficerAccount `json:"officers" yaml:"officers"`
	Devices  []identity.DeviceAccount  `json:"devices" yaml:"devices"`
	// ContactsFile lists the telephones and radios of the departments and their
	// patrols (api.ContactBook). Empty: the national numbers alone.
	ContactsFile string `json:"contacts_file,omitempty" yaml:"contacts_file"`
	// TilesFile is a file of streets for the map (PMTiles, streets.Source). Empty: the
	// wards' boundaries alone.
	TilesFile string `json:"tiles_file,omitempty" yaml:"tiles_file"`
	// Wall is the wall clock; nil is the system's. No file can set it.
	Wall func() time.Time `json:"-" yaml:"-"`
}

// Peer is a founding node.
type Peer struct {
	ID   string `json:"id" yaml:"id"`
	Raft string `json:"raft" yaml:"raft"`
}

var (
	_ configs.Validator = (*Config)(nil)
	_ configs.Loader    = (*Config)(nil)
)

// Validate names every field that is wrong.
func (c *Config) Validate() error {
	var f configs.Faults
	if c.Role != "" && c.Role != "core" {
		f.Add("role", "write core, or run wardline edge with this file", "%q is not what this file is read as", c.Role)
	}
	f.Empty("id", c.ID, "give the node a name of its own, such as core-1")
	f.Empty("dir", c.Dir, "name a directory on the node's disk")
	f.Empty("city_key", c.CityKey, "name the file of the city's key, the same on all nodes")
	f.Address("http", c.HTTP, configs.AnyPort)
	if c.HTTPS != "" {
		f.Address("https", c.HTTPS, configs.AnyPort)
	}
	f.Address("raft", c.Raft, configs.Reachable)
	if c.RaftListen != "" {
		f.Address("raft_listen", c.RaftListen, configs.AnyPort)
	}
	f.Address("sync", c.Sync, configs.AnyPort)
	if c.Reach != "" {
		f.Address("reach", c.Reach, configs.Reachable)
	}
	if field := c.Limits.Negative(); field != "" {
		f.Add("limits."+field, "write 0 for the default, or more; off: true is no limit", "is below 0")
	}
	f.Under("oidc", c.OIDC.Validate())
	_, perr := proxies.Parse(c.TrustedProxies)
	f.Under("", perr)
	f.Under("", identity.CheckIdle(c.SessionIdleMin))
	if !sealing.GoodTurn(c.WrappingDays) {
		f.Add("wrapping_days", fmt.Sprintf("write %d to %d, or 0 for the default, %d", sealing.MinTurnDays, sealing.MaxTurnDays, sealing.DefaultTurnDays), "is %d", c.WrappingDays)
	}
	if c.ReserveMB < 0 {
		f.Add("reserve_mb", "write 0 for the default, or more", "is %d", c.ReserveMB)
	}
	c.checkPeers(&f)
	if c.DiskKeyBefore != "" && c.DiskKey == "" {
		f.Add("disk_key", "name the new key there: a disk's key is changed, not taken away", "is empty, but disk_key_before is not")
	}
	f.Under("", identity.CheckAccounts(c.Officers, c.Devices))
	return f.Err()
}

// checkPeers holds the list to itself and to this node.
func (c *Config) checkPeers(f *configs.Faults) {
	ids, addrs := map[string]int{}, map[string]int{}
	mine := false
	for i, p := range c.Peers {
		at := fmt.Sprintf("peers[%d].", i)
		f.Empty(at+"id", p.ID, "name the node, such as core-2")
		f.Address(at+"raft", p.Raft, configs.Reachable)
		if first, had := ids[p.ID]; had && p.ID != "" {
			f.Add(at+"id", "name each node once", "is %q, which peers[%d] has", p.ID, first)
		} else if first, had := addrs[p.Raft]; had && p.Raft != "" {
			f.Add(at+"raft", "each node has an address of its own", "is %s, which peers[%d] has", p.Raft, first)
		}
		ids[p.ID], addrs[p.Raft] = i, i
		if p.ID != c.ID {
			continue
		}
		mine = true
		if p.Raft != c.Raft && p.Raft != "" && c.Raft != "" {
			f.Add(at+"raft", "write the same address in both", "is %s, but this node's raft is %s", p.Raft, c.Raft)
		}
	}
	switch {
	case !mine && !c.Join && c.ID != "":
		f.Add("peers", "add this node with its raft address, or write join: true if it comes later", "does not name this node, %q", c.ID)
	case mine && c.Join:
		f.Add("join", "a founding node does not join; leave it out", "is true, but peers names this node")
	case c.Join && c.TokenFile == "":
		f.Add("token_file", "name the file of the token that wardline enrol core/"+c.ID+" prints at the city", "is empty, but a node that joins needs one")
	case c.Join && len(c.Peers) == 0:
		f.Add("peers", "list the founding nodes, through which this one joins", "is empty")
	}
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
