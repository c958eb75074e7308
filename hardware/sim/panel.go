package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wardline/hardware/panel"
)

// DefaultHeartbeat is how often a SurGard receiver sends its link test when
// nothing else is to be sent.
const DefaultHeartbeat = 30 * time.Second

const (
	ack = 0x06
	nak = 0x15
	// idleMark is what stands behind the header's digits in a link test.
	idleMark = "           @    "
)

// Panel plays a SurGard receiver (MLR2 and its like) that hands on Contact ID.
type Panel struct{ player }

type surgard struct {
	line       int // digits of the line in a header: 1 or 3
	terminator byte
}

// NewPanel makes a receiver that is set as the profile says: header width,
// terminator, how long it waits and how often it sends again. heartbeat 0
// sends no link tests.
func NewPanel(p panel.Profile, heartbeat time.Duration) (*Panel, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	switch {
	case p.Protocol != panel.SurGard:
		return nil, &panel.ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q given to the simulation of %q", p.Protocol, panel.SurGard)}
	case p.AppendedClock:
		return nil, &panel.ProfileError{Field: "appended_clock", Detail: "the simulated receiver writes no clock; leave it out"}
	case heartbeat < 0:
		return nil, fmt.Errorf("simulated panel: heartbeat %v is negative; use 0 for none", heartbeat)
	}
	s := &surgard{line: p.HeaderWidth - 2, terminator: p.Terminator}
	return &Panel{player{speech: s, timeout: p.Timeout, resends: p.Retries, heartbeat: heartbeat}}, nil
}

// Run plays the receiver on the port: each event until it is acknowledged, link
// tests in between. It returns nil when events is closed and the last one
// was taken, or when ctx ends. told is called from Run's goroutine for every
// sending and must not block.
func (p *Panel) Run(ctx context.Context, port Port, events <-chan panel.Event, told func(Sent)) error {
	return p.run(ctx, port, events, told)
}

var qualifiers = map[panel.Qualifier]byte{panel.New: 'E', panel.Restore: 'R', panel.Previous: 'P'}

// errEvent: the event is none that a receiver could send.
var errEvent = errors.New("simulated panel: not a Contact ID event")

// frame writes "5RRL 18AAAAQXYZGGCCC".
func (s *surgard) frame(e panel.Event) ([]byte, error) {
	q, ok := qualifiers[e.Qualifier]
	if !ok || len(e.Receiver) > 2 || len(e.Line) > s.line || e.System != panel.SystemContactID || len(e.Code) != 3 || len(e.Group) != 2 || len(e.Zone) != 3 || len(e.Account) > 4 || e.Account == "" {
		return nil, fmt.Errorf("%w: %+v", errEvent, e)
	}
	b := fmt.Appendf(nil, "5%s%s 18%4s%c%s%s%s", pad(e.Receiver, 2), pad(e.Line, s.line), e.Account, q, e.Code, e.Group, e.Zone)
	return append(b, s.terminator), nil
}

// pad puts zeros before a number.
func pad(s string, width int) string { return strings.Repeat("0", width-len(s)) + s }

// beat is the receiver's first line's link test, with a 5-digit header line 000's.
func (s *surgard) beat() []byte {
	line := "1"
	if s.line == 3 {
		line = "000"
	}
	return append([]byte("101"+line+idleMark), s.terminator)
}

// answer is one byte; anything else is noise.
func (s *surgard) answer(b, _ []byte) (Answer, int, bool) {
	if len(b) == 0 {
		return Unanswered, 0, false
	}
	switch b[0] {
	case ack:
		return Acked, 1, true
	case nak:
		return Refused, 1, true
	}
	return Unanswered, 1, false
}
