package edge

import (
	"context"

	"wardline/sync/api"
	"wardline/sync/exercise"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

var _ api.Exercises = backend{}

// practice says whether a report may be of the exercise that it names: that runs now, in
// the ward where the report belongs, as far as this station knows.
func (s *Station) practice(r *report.Report, ward record.WardCode, at int64) bool {
	d := routing.Route(s.city.rulesAt(at), s.city.wards(), routing.Input{Category: r.Category, Place: r.Place, DeviceWard: ward, CapturedAt: at, ReceivedAt: at})
	lead, _ := d.Lead.Ward()
	return s.city.now.Load().exercises.Marks(r.Exercise, lead, at)
}

// Exercises are those of which the city told this station.
func (b backend) Exercises(context.Context) (exercise.Set, error) {
	return b.s.city.now.Load().exercises, nil
}
