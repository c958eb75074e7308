package edge

import (
	"sync"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// credentials are the ward's devices as the city's log states them: read from the
// ledger at the start, kept up by the downlink. So a ward's devices log in while the city is away.
type credentials struct {
	ward record.WardCode

	mu sync.RWMutex // guards of
	of map[string]credentialAt
}

type credentialAt struct {
	identity.Credential
	index uint64 // the city's, of the entry
}

var _ identity.Credentials = (*credentials)(nil)

// Credential implements identity.Credentials. A device of another ward is none here.
func (c *credentials) Credential(id string) (identity.Credential, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	x, known := c.of[id]
	if known && x.Ward != c.ward {
		x.Revoked = true
	}
	return x.Credential, known
}

// take takes what the city says of a device, in any order; false when something
// newer is known.
func (c *credentials) take(x identity.Credential, index uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, known := c.of[x.ID]; known && old.index >= index {
		return false
	}
	c.of[x.ID] = credentialAt{x, index}
	return true
}

// openCredentials reads what the ledger holds.
func (s *Station) openCredentials() error {
	s.credentials = &credentials{ward: s.c.Ward, of: map[string]credentialAt{}}
	rows, err := s.ledger.Incident(record.DevicesID)
	if err != nil {
		return err
	}
	for i := range rows {
		s.heardOfDevice(rows[i].Index, &rows[i].Body)
	}
	s.people.UseCredentials(s.credentials)
	return nil
}

// heardOfDevice lets what the city says of a device take effect; a device that is
// connected by what held before is dropped.
func (s *Station) heardOfDevice(index uint64, b *record.Body) {
	c, err := identity.CredentialOf(b)
	if err != nil {
		s.log.Error("what the city says of a device cannot be used", "index", index, "err", err)
		return
	}
	if s.credentials.take(c, index) && s.mqtt != nil {
		s.mqtt.Drop(c.ID)
	}
}
