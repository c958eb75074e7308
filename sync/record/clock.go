package record

import (
	"sync"
	"time"
)

// HLC is a hybrid logical clock reading: 48 bits of milliseconds since the
// Unix epoch (UTC) above 16 bits of counter.
type HLC uint64

// Millis is the wall part, milliseconds since the Unix epoch, UTC.
func (h HLC) Millis() int64 { return int64(h >> 16) }

// HLCAt is the first reading of a millisecond.
func HLCAt(ms int64) HLC {
	if ms < 0 {
		return 0
	}
	return HLC(uint64(ms) << 16)
}

// ClockState says how far the author's wall clock can be trusted.
type ClockState uint8

const (
	// ClockUnsure: the box may have booted without a battery clock, or its
	// time was never confirmed.
	ClockUnsure ClockState = 0
	// ClockSure: the wall clock was confirmed (synchronised or compared with
	// the city) and has not jumped since.
	ClockSure ClockState = 1
)

// MaxClockLead is how far ahead of our own wall a foreign stamp may pull the
// clock. A stamp beyond it is from a broken clock and is not followed: one
// phone set to 2099 must not drag the city's clock along.
const MaxClockLead = 5 * time.Minute

// Clock gives hybrid readings that never go back, also across restarts when
// it is started with the largest reading on disk.
type Clock struct {
	wall func() time.Time

	mu   sync.Mutex // guards last
	last HLC
}

// NewClock starts at max(persisted, wall).
func NewClock(persisted HLC, wall func() time.Time) *Clock {
	return &Clock{wall: wall, last: persisted}
}

// Now is a reading above all earlier ones.
func (c *Clock) Now() HLC {
	w := HLCAt(c.wall().UnixMilli())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(w, c.last+1)
	return c.last
}

// Observe lets the clock follow a foreign reading, unless that lies more than
// MaxClockLead in the future of our wall.
func (c *Clock) Observe(h HLC) {
	if h.Millis()-c.wall().UnixMilli() > MaxClockLead.Milliseconds() {
		return
	}
	c.mu.Lock()
	c.last = max(c.last, h)
	c.mu.Unlock()
}

// Last is the largest reading given or followed.
func (c *Clock) Last() HLC {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
