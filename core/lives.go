package core

import (
	"sync"
	"time"

	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/wire"
)

// lives says which processes of each station are on the line to this node. Two
// at once are a clone: but only when both are heard. A station that was started
// again while the stream of its former life has not yet been found dead is none.
type lives struct {
	mu sync.Mutex // guards all below
	of map[record.Origin]*station
	n  uint64
}

type station struct {
	lives map[uint64]*life // by boot
	last  time.Time        // heard
	told  time.Time        // of a clone
	is    *api.Health      // what it said of itself last; never changed, only replaced
}

// life is one process of a station.
type life struct {
	streams int
	order   uint64 // counts up as lives come
	since   time.Time
	heard   time.Time
}

// cloneGrace is how long after a newer life's hello an older one must be heard
// to be alive: more than what may still be under way, and more than a ping.
const cloneGrace = wire.PingEvery + wire.PingEvery/2

// tellEvery is how often a clone that goes on is said again.
const tellEvery = time.Hour

func newLives() *lives { return &lives{of: map[record.Origin]*station{}} }

func (v *lives) up(o record.Origin, boot uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.of[o]
	if s == nil {
		s = &station{lives: map[uint64]*life{}}
		v.of[o] = s
	}
	now := time.Now()
	l := s.lives[boot]
	if l == nil {
		v.n++
		l = &life{order: v.n, since: now}
		s.lives[boot] = l
	}
	l.streams++
	l.heard, s.last = now, now
}

// heard says whether what came over a line shows a clone: from a life older
// than another one that is alive too.
func (v *lives) heard(o record.Origin, boot uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.of[o]
	if s == nil || s.lives[boot] == nil {
		return false
	}
	now, l := time.Now(), s.lives[boot]
	l.heard, s.last = now, now
	for _, newer := range s.lives {
		if newer.order > l.order && now.Sub(newer.since) > cloneGrace && now.Sub(newer.heard) < wire.DeadAfter &&
			(s.told.IsZero() || now.Sub(s.told) > tellEvery) {
			s.told = now
			return true
		}
	}
	return false
}

func (v *lives) gone(o record.Origin, boot uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.of[o]; s != nil && s.lives[boot] != nil {
		if s.lives[boot].streams--; s.lives[boot].streams <= 0 {
			delete(s.lives, boot)
		}
	}
}

// is keeps what a station says of itself.
func (v *lives) is(o record.Origin, h *api.Health) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.of[o]; s != nil {
		s.is = h
	}
}

// each calls f for every station that was ever heard here.
func (v *lives) each(f func(o record.Origin, connected bool, last time.Time, is *api.Health)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for o, s := range v.of {
		f(o, len(s.lives) > 0, s.last, s.is)
	}
}
