package panel

import (
	"fmt"
	"slices"
	"time"
)

// Protocol names an alarm protocol.
type Protocol string

// The protocols that package protocols can decode.
const (
	// SurGard is the automation output of SurGard receivers (MLR2, System III, 5).
	SurGard Protocol = "surgard"
	// Button is the simple button's ASCII lines (PANIC, PING).
	Button Protocol = "button"
)

// Parity of a line.
type Parity string

// The parities that a Linux serial line can be set to.
const (
	ParityNone Parity = "none"
	ParityEven Parity = "even"
	ParityOdd  Parity = "odd"
)

// Profile is how one line is set. Real senders deviate from their manuals, so
// everything that differs between sites is a field and nothing is guessed.
type Profile struct {
	Protocol Protocol
	// Baud in bits per second, Size in data bits (7 or 8), StopBits 1 or 2.
	Baud, Size, StopBits int
	Parity               Parity
	// HeaderWidth is the digits of a SurGard header: 3 (RRL) or 5 (RRLLL). 0 for
	// protocols without one.
	HeaderWidth int
	// Terminator is the byte that ends a frame.
	Terminator byte
	// AppendedClock: the receiver writes its clock behind each record.
	AppendedClock bool
	// Retries and Timeout are the sender's: how often it sends again, and how long
	// it waits for an answer before it does.
	Retries int
	Timeout time.Duration
	// ResendWindow is how long the same frame again is a repeat and no new report.
	ResendWindow time.Duration
	// Gap is the silence after which a frame that has begun is given up.
	Gap time.Duration
	// Supervision is how long the line may be silent; 0 means not supervised.
	Supervision time.Duration
}

const (
	// DefaultResendWindow covers 20 resends of 4 s, the most that a receiver in
	// the field is set to, with as much again for a busy line.
	DefaultResendWindow = 120 * time.Second
	// MaxResendWindow bounds what the caller must remember, and how long a second
	// press could be taken for a repeat.
	MaxResendWindow = time.Hour
	// DefaultGap is half of a receiver's 4 s: a torn frame is asked for again
	// before the resend would be glued to it.
	DefaultGap = 2 * time.Second
	// DC4 ends a SurGard record.
	DC4 = 0x14
)

// bauds are the speeds that alarm equipment is set to.
var bauds = []int{300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}

// Default is the profile as the equipment leaves the factory.
func Default(p Protocol) (Profile, error) {
	pr := Profile{
		Protocol: p, StopBits: 1, Retries: 20, Timeout: 4 * time.Second,
		ResendWindow: DefaultResendWindow, Gap: DefaultGap,
	}
	switch p {
	case SurGard:
		pr.Baud, pr.Size, pr.Parity = 19200, 7, ParityEven
		pr.HeaderWidth, pr.Terminator = 3, DC4
		// Three of the receiver's heartbeats of 30 s.
		pr.Supervision = 90 * time.Second
	case Button:
		pr.Baud, pr.Size, pr.Parity = 9600, 8, ParityNone
		pr.Terminator = '\n'
		// A button need not ping; where it does, the site sets the interval.
		pr.Supervision = 0
	default:
		return Profile{}, &ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q is unknown; use %q or %q", p, SurGard, Button)}
	}
	return pr, nil
}

// ProfileError names the field of a profile that is wrong and says what to do.
type ProfileError struct {
	Field, Detail string
}

func (e *ProfileError) Error() string { return "panel profile: " + e.Field + ": " + e.Detail }

// Validate checks the fields and the relations between them.
func (p Profile) Validate() error {
	bad := func(field, format string, args ...any) error {
		return &ProfileError{Field: field, Detail: fmt.Sprintf(format, args...)}
	}
	if _, err := Default(p.Protocol); err != nil {
		return err
	}
	switch {
	case !slices.Contains(bauds, p.Baud):
		return bad("baud", "%d is no usual speed; use one of %v", p.Baud, bauds)
	case p.Size != 7 && p.Size != 8:
		return bad("size", "%d data bits; use 7 or 8", p.Size)
	case p.StopBits != 1 && p.StopBits != 2:
		return bad("stop_bits", "%d; use 1 or 2", p.StopBits)
	case p.Parity != ParityNone && p.Parity != ParityEven && p.Parity != ParityOdd:
		return bad("parity", "%q; use %q, %q or %q", p.Parity, ParityNone, ParityEven, ParityOdd)
	case p.Protocol == SurGard && p.HeaderWidth != 3 && p.HeaderWidth != 5:
		return bad("header_width", "%d; use 3 (RRL) or 5 (RRLLL), as the receiver is set", p.HeaderWidth)
	case p.Protocol != SurGard && p.HeaderWidth != 0:
		return bad("header_width", "%d, but protocol %q has no header; leave it out", p.HeaderWidth, p.Protocol)
	case p.Terminator != DC4 && p.Terminator != '\r' && p.Terminator != '\n':
		return bad("terminator", "0x%02x; use 0x14 (DC4), 0x0d (CR) or 0x0a (LF)", p.Terminator)
	case p.AppendedClock && p.Protocol != SurGard:
		return bad("appended_clock", "set, but protocol %q has none; leave it out", p.Protocol)
	case p.Retries < 0 || p.Retries > 100:
		return bad("retries", "%d; use 0 to 100", p.Retries)
	case p.Timeout < 500*time.Millisecond || p.Timeout > time.Minute:
		return bad("timeout", "%v; use 500ms to 1m", p.Timeout)
	case p.ResendWindow < 0 || p.ResendWindow > MaxResendWindow:
		return bad("resend_window", "%v; use at most %v", p.ResendWindow, MaxResendWindow)
	case p.ResendWindow < time.Duration(p.Retries)*p.Timeout:
		return bad("resend_window", "%v is shorter than retries %d x timeout %v = %v: the last resends would be new reports; make it at least that",
			p.ResendWindow, p.Retries, p.Timeout, time.Duration(p.Retries)*p.Timeout)
	case p.Gap < 50*time.Millisecond:
		return bad("gap", "%v; use at least 50ms, a slow sender pauses between characters", p.Gap)
	case p.Gap >= p.Timeout:
		return bad("gap", "%v is not shorter than timeout %v: a resend would be glued to the torn frame; make it at most half of it", p.Gap, p.Timeout)
	case p.Supervision < 0 || p.Supervision > 0 && p.Supervision < time.Second:
		return bad("supervision", "%v; use 0 (not supervised) or at least 1s", p.Supervision)
	}
	return nil
}
