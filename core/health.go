package core

import (
	"encoding/json"

	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/wire"
)

// Limits of what a station says of itself, and of what a node tells the others of it:
// an answer between nodes holds 128 KiB (core/cluster).
const (
	maxHealthAlarms = 3
	maxHealthAlarm  = 160
	maxHeardAnswer  = 120 << 10
)

// health keeps what a station said of itself, until its line is another node's.
func (l *Line) health(o record.Origin, h *wire.Health) {
	now := l.d.Wall().UnixMilli()
	x := &api.Health{At: api.Time(now), Free: h.FreeBytes, Room: h.Room, ClockMS: h.WallMs - now, Lag: h.Lag, Quarantined: h.Quarantined}
	if x.Room != "all" && x.Room != "urgent_only" {
		x.Room = "none" // the word of another version of the program: better seen than not
	}
	if h.Incarnation != 0 {
		x.Incarnation = record.Incarnation(h.Incarnation).String()
	}
	if h.CertificateUntilMs > 0 {
		t := api.Time(h.CertificateUntilMs)
		x.CertificateUntil = &t
	}
	for _, a := range h.Alarms[:min(len(h.Alarms), maxHealthAlarms)] {
		if r := []rune(a); len(r) > maxHealthAlarm {
			a = string(r[:maxHealthAlarm-1]) + "…"
		}
		x.Alarms = append(x.Alarms, a)
	}
	l.lives.is(o, x)
}

// heardJSON is what this node's lines know of the stations, for the others. When it is
// too much at once, what stations say of themselves stays out.
func (l *Line) heardJSON() ([]byte, error) {
	heard := l.heard()
	raw, err := json.Marshal(heard)
	if err != nil || len(raw) <= maxHeardAnswer {
		return raw, err
	}
	for o, x := range heard {
		x.Health = nil
		heard[o] = x
	}
	return json.Marshal(heard)
}
