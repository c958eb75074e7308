package edge

import (
	"fmt"

	"wardline/sync/api"
	"wardline/sync/points"
	"wardline/sync/record"
)

var _ api.Points = backend{}

// readPoints takes in the places of help that the ledger holds.
func (s *Station) readPoints() error {
	rows, err := s.ledger.Incident(record.PointsID)
	if err != nil {
		return err
	}
	parts := make([]points.Part, len(rows))
	for i := range rows {
		p := &rows[i].Body.Payload
		parts[i] = points.Part{Version: p.Rules, Number: p.Part, All: p.Parts, Data: p.Data}
	}
	set, err := points.Assemble(parts)
	if err != nil {
		s.alarm(fmt.Sprintf("the city's places of help cannot be used by this station: %v", err))
		return nil
	}
	s.points.Store(set)
	return nil
}

// Points is the set that the city sent last; nil when it sent none.
func (b backend) Points() (*points.Set, error) { return b.s.points.Load(), nil }
