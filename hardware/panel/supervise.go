package panel

import "time"

// SupervisorState is what must survive a restart for "silent since" to stay
// true. The caller stores it when Changed says so and at least once a minute.
type SupervisorState struct {
	// LastByte is when the last byte came. Before the first byte ever it is the time
	// at which supervision began, and Never is true.
	LastByte time.Time
	Never    bool
	// Silent says that the silence was reported.
	Silent bool
}

// Change is what the caller tells the desk.
type Change struct {
	// Silent is true when the line has fallen silent, false when it is back.
	Silent bool
	// Since is when the last byte before the silence came.
	Since time.Time
	// Never: no byte was ever received on this line.
	Never bool
}

// Supervisor measures how long a line has been silent, from the last byte and
// not from the last heartbeat: a line full of garbage is not a dead line. One
// goroutine uses it.
type Supervisor struct {
	interval time.Duration
	now      func() time.Time
	state    SupervisorState
	// from is the moment from which silence is counted in this process.
	from time.Time
}

// NewSupervisor goes on from a stored state; the zero state is a line that is
// new. An interval of 0 never reports silence, and still keeps the last byte's time.
func NewSupervisor(interval time.Duration, stored SupervisorState, now func() time.Time) *Supervisor {
	s := &Supervisor{interval: interval, now: now, state: stored}
	t := now()
	if stored.LastByte.IsZero() {
		s.state.LastByte, s.state.Never = t, true
	}
	s.from = s.state.LastByte
	if s.from.After(t) {
		// The box started with a clock behind the one that wrote the state. What is
		// in the future must not hide a silence: count from here.
		s.from = t
	}
	return s
}

// Heard says that bytes came. When the line was silent, it is back.
func (s *Supervisor) Heard() (Change, bool) {
	c := Change{Since: s.state.LastByte, Never: s.state.Never}
	was := s.state.Silent
	t := s.now()
	s.state, s.from = SupervisorState{LastByte: t}, t
	return c, was
}

// Check looks at the clock; ok is true once, when the line has fallen silent.
func (s *Supervisor) Check() (c Change, ok bool) {
	if s.interval <= 0 || s.state.Silent || s.now().Sub(s.from) < s.interval {
		return Change{}, false
	}
	s.state.Silent = true
	return Change{Silent: true, Since: s.state.LastByte, Never: s.state.Never}, true
}

// Next is how long until Check can have news; 0 when only Heard can.
func (s *Supervisor) Next() time.Duration {
	if s.interval <= 0 || s.state.Silent {
		return 0
	}
	return max(time.Millisecond, s.interval-s.now().Sub(s.from))
}

// State is what the caller stores.
func (s *Supervisor) State() SupervisorState { return s.state }
