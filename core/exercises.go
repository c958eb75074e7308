package core

import (
	"context"

	"wardline/sync/api"
	"wardline/sync/exercise"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

var (
	_ api.Exercises = backend{}
	_ api.Exerciser = backend{}
)

// practice says whether a report may be of the exercise that it names: that runs now, in
// the ward where the report belongs.
func (b backend) practice(r *report.Report, ward record.WardCode, at int64) (bool, error) {
	if r.Exercise.Zero() {
		return false, nil
	}
	all, err := b.n.machine.Exercises()
	if err != nil {
		return false, err
	}
	d := routing.Route(b.n.machine.RulesAt(at), b.n.machine.Wards(), routing.Input{Category: r.Category, Place: r.Place, DeviceWard: ward, CapturedAt: at, ReceivedAt: at})
	lead, _ := d.Lead.Ward()
	return all.Marks(r.Exercise, lead, at), nil
}

// Exercises are all that were made.
func (b backend) Exercises(ctx context.Context) (exercise.Set, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	return b.n.machine.Exercises()
}

// SayExercise commits an exercise as it stands from now on.
func (b backend) SayExercise(ctx context.Context, by identity.Officer, x exercise.Exercise) error {
	if err := x.Validate(); err != nil {
		field := exercise.Field(err)
		return api.Problem(400, "invalid-"+field, field, "%v", err)
	}
	p, err := x.Payload()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	return b.commit(ctx, by, record.Body{ID: record.NewID(b.n.wall()), Kind: record.KindExercise, Payload: p})
}
