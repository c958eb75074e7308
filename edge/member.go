package edge

import (
	"fmt"
	"path/filepath"
	"time"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// openMember reads who the station is to the city.
func (s *Station) openMember() (err error) {
	// No clock of a small box is sure before it has spoken with the city, and it must
	// find the city first.
	s.trust = trust.NewHolder(func() time.Time { return time.Time{} })
	s.member, err = trust.OpenMember(trust.MemberConfig{Name: trust.StationName(s.c.Ward), Dir: filepath.Join(s.c.Dir, "keys"), TokenFile: s.c.TLS.TokenFile,
		Roots: filepath.Join(s.c.Dir, trust.RootsFile), Cores: s.c.Core, Holder: s.trust, Now: s.cityWall, Log: s.log})
	return err
}

// cityWall is the wall clock, set right by what the city said of it while the line stands.
func (s *Station) cityWall() time.Time {
	now := s.wall()
	if st := s.up.Status(); st.Connected {
		now = now.Add(st.Offset)
	}
	return now
}

// machinesNow is what the city says of machines, as it stands in the ledger.
type machinesNow struct {
	newest  uint64 // city index of roots
	roots   [][]byte
	revoked map[trust.Name]uint32 // up to which enrolment of it
}

// add takes an entry about machines, in any order.
func (m *machinesNow) add(index uint64, b *record.Body) error {
	c, err := trust.DecodeChange(b.Payload.Data)
	if err != nil {
		return fmt.Errorf("what the city says of a machine cannot be used: %w", err)
	}
	switch {
	case c.Op == trust.OpRevoke:
		if m.revoked == nil {
			m.revoked = map[trust.Name]uint32{}
		}
		m.revoked[c.Name] = max(m.revoked[c.Name], c.Epoch)
	case (c.Op == trust.OpRotate || c.Op == trust.OpRetire) && index >= m.newest:
		m.newest, m.roots = index, c.Roots
	}
	return nil
}

// heardOfMachines lets what the city says of machines take effect.
func (s *Station) heardOfMachines(m machinesNow) {
	s.trust.SetCheck(func(p trust.Peer) error {
		if upTo, revoked := m.revoked[p.Name]; revoked && p.Epoch <= upTo {
			return trust.ErrRevoked
		}
		return nil
	})
	if err := s.member.SetRoots(m.roots); err != nil {
		s.alarm(fmt.Sprintf("the city's certificate authority changed, and this station could not keep that: %v", err))
	}
}

// enrolment says what is wrong with the station's enrolment; empty when nothing is.
func (s *Station) enrolment() string {
	until, problem := s.member.Status()
	switch {
	case problem != nil:
		return fmt.Sprintf("enrolment: %v", problem)
	case until.IsZero():
		return "enrolment: this station has no certificate yet; make a token at the core (wardline enrol " + trust.StationName(s.c.Ward).String() + ") and put it into tls.token_file"
	}
	return ""
}
