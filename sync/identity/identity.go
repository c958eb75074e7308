// Package identity says who speaks: officers with their roles, devices with
// their wards, sessions, and the one table of who may do what.
//
// Officers' accounts are entries of the city's log (Account); their passwords may
// be chosen, so they are kept as argon2id verifiers. Devices' passwords are random
// and long, made by the program; they are kept as SHA-256 sums and compared in
// constant time, which is right for random secrets and wrong for chosen ones.
package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync"

	"wardline/sync/record"
)

// Role is what an officer is for; a closed list.
type Role string

// The roles.
const (
	WardOfficer       Role = "ward_officer"
	DepartmentOfficer Role = "department_officer"
	CommandOfficer    Role = "command_officer"
	Supervisor        Role = "supervisor"
	Administrator     Role = "administrator"
	Auditor           Role = "auditor"
)

// Roles lists every role.
var Roles = []Role{WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor, Administrator, Auditor}

// MinSecret is the least length of a password, in characters: 16 characters of
// base64 hold 96 random bits, which no offline search reaches.
const MinSecret = 16

// Officer is an account.
type Officer struct {
	User string        `json:"user"`
	Role Role          `json:"role"`
	Unit record.UnitID `json:"unit"`
	// MustChange: the officer may do nothing but choose a new password.
	MustChange bool `json:"must_change,omitempty"`
	// Cred names the password that is in effect; a session that began under another
	// is over.
	Cred [8]byte `json:"-"`
}

// Device is a sender: an app install, a kiosk, a panel bridge.
type Device struct {
	ID   string          `json:"id"`
	Ward record.WardCode `json:"ward"`
	Kind string          `json:"kind"`
}

// Directory knows officers and devices. It is safe for use by many.
type Directory struct {
	hashing     hashing
	mu          sync.RWMutex // guards the rest
	accounts    Accounts     // nil: none but the configured officers
	installs    *Installs    // nil: none
	credentials Credentials  // nil: none but the configured devices and installs
	officers    map[string]officerRow
	devices     map[string]deviceRow
}

type officerRow struct {
	Officer
	sum [32]byte
}

type deviceRow struct {
	Device
	sum [32]byte
}

// NewDirectory is empty: nobody may log in.
func NewDirectory() *Directory {
	return &Directory{hashing: newHashing(), officers: map[string]officerRow{}, devices: map[string]deviceRow{}}
}

// AddOfficer adds an account, or replaces it.
func (d *Directory) AddOfficer(o Officer, password string) error {
	if err := (OfficerAccount{User: o.User, Password: password, Role: o.Role, Unit: o.Unit}).Validate(); err != nil {
		return fmt.Errorf("officer %q: %w", o.User, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.officers[strings.ToLower(o.User)] = officerRow{o, sha256.Sum256([]byte(password))}
	return nil
}

// MaxDeviceID bounds a device's id, in bytes: a UUID with a readable prefix fits.
const MaxDeviceID = 64

// AddDevice adds a device, or replaces it.
func (d *Directory) AddDevice(dev Device, password string) error {
	if err := (DeviceAccount{ID: dev.ID, Password: password, Ward: dev.Ward, Kind: dev.Kind}).Validate(); err != nil {
		return fmt.Errorf("device %q: %w", dev.ID, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.devices[dev.ID] = deviceRow{dev, sha256.Sum256([]byte(password))}
	return nil
}

// UseInstalls lets the installs of the citizen's page in, which no list names.
func (d *Directory) UseInstalls(x *Installs) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.installs = x
}

// Installs are those that the directory lets in; nil where none register.
func (d *Directory) Installs() *Installs {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.installs
}

// Device checks a device's password.
func (d *Directory) Device(id, password string) (Device, bool) {
	if c, known := d.logged(id); known {
		return c.Device(), c.Admits(password)
	}
	d.mu.RLock()
	row, known := d.devices[id]
	installs := d.installs
	d.mu.RUnlock()
	if !known && installs != nil {
		return installs.admits(id, password)
	}
	sum := sha256.Sum256([]byte(password))
	ok := subtle.ConstantTimeCompare(sum[:], row.sum[:]) == 1
	return row.Device, ok && known
}

// DeviceByID is a device without its password, for sources that a wire authenticates.
func (d *Directory) DeviceByID(id string) (Device, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	row, ok := d.devices[id]
	return row.Device, ok
}

// NewSecret is a random password of at least 128 bits, in letters and digits
// alone: it can be pasted behind any command's flag.
func NewSecret() string { return rand.Text() }
