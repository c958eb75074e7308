package core

import (
	"wardline/core/fsm"
	"wardline/sync/record"
	"wardline/sync/view"
)

// cityLog is what lists and live streams follow.
type cityLog struct{ m *fsm.Machine }

func (l cityLog) Position() uint64         { return l.m.CityIndex() }
func (l cityLog) Changed() <-chan struct{} { return l.m.Changed() }

func (l cityLog) After(pos uint64, limit int) ([]view.Committed, error) {
	rows, err := l.m.After(pos, limit)
	out := make([]view.Committed, len(rows))
	for i, r := range rows {
		out[i] = view.Committed{Position: r.Index, Body: r.Body}
	}
	return out, err
}

func (l cityLog) Bodies(id record.ID) ([]record.Body, error) {
	rows, err := l.m.Incident(id)
	out := make([]record.Body, len(rows))
	for i, r := range rows {
		out[i] = r.Body
	}
	return out, err
}
