package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"wardline/sync/record"
)

// DeviceKinds are the kinds of devices that an administrator adds; a closed list.
var DeviceKinds = []string{"app", "kiosk", "button", "panel", "bridge", kindCamera}

// Credential is a device as an entry of the city's log states it (record.KindDevice):
// who it is, and by what its secret is known.
//
// The secret is 128 random bits or more (NewSecret), so a salted HMAC-SHA-256 is the
// right way to keep it: nobody can search for it, whatever the hash costs. A slow hash
// such as argon2id protects what people choose; here it would only let a ward's devices, which all come
// back at once after a power cut, wait for each other.
type Credential struct {
	ID string `json:"id"`
	// Ward is whose station the device speaks to, and where its reports belong; empty
	// for one that speaks to the city itself.
	Ward record.WardCode `json:"ward,omitempty"`
	Kind string          `json:"kind,omitempty"`
	Salt []byte          `json:"salt,omitempty"`
	// Sum is HMAC-SHA-256 (RFC 2104) of the secret under the salt.
	Sum     []byte `json:"sum,omitempty"`
	Revoked bool   `json:"revoked,omitempty"`
}

// ErrCredential says that an entry about a device cannot be used.
var ErrCredential = errors.New("identity: no entry about a device")

// NewCredential makes a device's secret, which is not kept, and what is.
func NewCredential(d Device) (Credential, string) {
	c := Credential{ID: d.ID, Ward: d.Ward, Kind: d.Kind, Salt: make([]byte, 16)}
	_, _ = rand.Read(c.Salt) // crypto/rand.Read never fails
	secret := NewSecret()
	c.Sum = c.sum(secret)
	return c, secret
}

func (c *Credential) sum(secret string) []byte {
	m := hmac.New(sha256.New, c.Salt)
	m.Write([]byte("wardline device\x00" + c.ID + "\x00" + secret))
	return m.Sum(nil)
}

// Admits checks a secret in constant time.
func (c *Credential) Admits(secret string) bool {
	return hmac.Equal(c.Sum, c.sum(secret)) && !c.Revoked && len(c.Salt) > 0
}

// Device is who the credential is for.
func (c *Credential) Device() Device { return Device{ID: c.ID, Ward: c.Ward, Kind: c.Kind} }

// Validate names what is wrong.
func (c *Credential) Validate() error {
	switch {
	case !ValidDeviceID(c.ID):
		return fmt.Errorf("%w: id %.80q; use 1 to %d letters, digits, '-', '_' and '.'", ErrCredential, c.ID, MaxDeviceID)
	case c.Ward != "" && !c.Ward.Valid():
		return fmt.Errorf("%w: ward %.20q; a ward has five digits", ErrCredential, string(c.Ward))
	case c.Revoked:
		return nil
	case !slices.Contains(DeviceKinds, c.Kind):
		return fmt.Errorf("%w: kind %.20q; use one of %v", ErrCredential, c.Kind, DeviceKinds)
	case len(c.Salt) != 16 || len(c.Sum) != sha256.Size:
		return fmt.Errorf("%w: the credential of %s is not whole", ErrCredential, c.ID)
	}
	return nil
}

// CredentialOf reads an entry about a device.
func CredentialOf(b *record.Body) (c Credential, err error) {
	if b.Kind != record.KindDevice || b.Origin != record.CoreOrigin {
		return c, ErrCredential
	}
	if err := json.Unmarshal(b.Payload.Data, &c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCredential, err)
	}
	return c, c.Validate()
}

// Credentials are those of the city's log, as far as this machine knows them.
type Credentials interface {
	// Credential is what the log says of a device; false when it says nothing.
	Credential(id string) (Credential, bool)
}

// UseCredentials lets the devices of the city's log in. What the log says of a
// device stands over the configuration: a device of a file can be revoked too.
func (d *Directory) UseCredentials(c Credentials) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.credentials = c
}

// logged is what the log says of a device.
func (d *Directory) logged(id string) (Credential, bool) {
	d.mu.RLock()
	c := d.credentials
	d.mu.RUnlock()
	if c == nil || !ValidDeviceID(id) {
		return Credential{}, false
	}
	return c.Credential(id)
}
