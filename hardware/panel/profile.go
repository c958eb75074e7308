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
		return Profile{}, &ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q is unknown", p), Hint: fmt.Sprintf("use %q or %q", SurGard, Button)}
	}
	return pr, nil
}

// ProfileError names the field of a profile that is wrong and says what to do.
type ProfileError struct {
	Field, Detail, Hint string
}

func (e *ProfileError) Error() string {
	return "panel profile: " + e.Field + ": " + e.Detail + " (" + e.Hint + ")"
}

// Fault names the field, what is wrong with it and what to do.
func (e *ProfileError) Fault() (field, wrong, do string) { return e.Field, e.Detail, e.Hint }

// Validate checks the fields and the relations between them.
func (p Profile) Validate() error {
	bad := func(field, hint, format string, args ...any) error {
		return &ProfileError{Field: field, Detail: fmt.Sprintf(format, args...), Hint: hint}
	}
	if _, err := Default(p.Protocol); err != nil {
		return err
	}
	switch {
	case !slices.Contains(bauds, p.Baud):
		return bad("baud", fmt.Sprintf("use one of %v", bauds), "%d is no usual speed", p.Baud)
	case p.Size != 7 && p.Size != 8:
		return bad("size", "use 7 or 8", "%d data bits", p.Size)
	case p.StopBits != 1 && p.StopBits != 2:
		return bad("stop_bits", "use 1 or 2", "is %d", p.StopBits)
	case p.Parity != ParityNone && p.Parity != ParityEven && p.Parity != ParityOdd:
		return bad("parity", fmt.Sprintf("use %q, %q or %q", ParityNone, ParityEven, ParityOdd), "is %q", p.Parity)
	case p.Protocol == SurGard && p.HeaderWidth != 3 && p.HeaderWidth != 5:
		return bad("header_width", "use 3, RRL, or 5, RRLLL, as the receiver is set", "is %d", p.HeaderWidth)
	case p.Protocol != SurGard && p.HeaderWidth != 0:
		return bad("header_width", "leave it out", "is %d, but protocol %q has no header", p.HeaderWidth, p.Protocol)
	case p.Terminator != DC4 && p.Terminator != '\r' && p.Terminator != '\n':
		return bad("terminator", "use 0x14, DC4, 0x0d, CR, or 0x0a, LF", "is 0x%02x", p.Terminator)
	case p.AppendedClock && p.Protocol != SurGard:
		return bad("appended_clock", "leave it out", "is set, but protocol %q has none", p.Protocol)
	case p.Retries < 0 || p.Retries > 100:
		return bad("retries", "use 0 to 100", "is %d", p.Retries)
	case p.Timeout < 500*time.Millisecond || p.Timeout > time.Minute:
		return bad("timeout", "use 500ms to 1m", "is %v", p.Timeout)
	case p.ResendWindow < 0 || p.ResendWindow > MaxResendWindow:
		return bad("resend_window", fmt.Sprintf("use at most %v", MaxResendWindow), "is %v", p.ResendWindow)
	case p.ResendWindow < time.Duration(p.Retries)*p.Timeout:
		return bad("resend_window", "make it at least that", "%v is shorter than retries %d x timeout %v = %v: the last resends would be new reports",
			p.ResendWindow, p.Retries, p.Timeout, time.Duration(p.Retries)*p.Timeout)
	case p.Gap < 50*time.Millisecond:
		return bad("gap", "use at least 50ms: a slow sender pauses between characters", "is %v", p.Gap)
	case p.Gap >= p.Timeout:
		return bad("gap", "make it at most half of it", "%v is not shorter than timeout %v: a resend would be glued to the torn frame", p.Gap, p.Timeout)
	case p.Supervision < 0 || p.Supervision > 0 && p.Supervision < time.Second:
		return bad("supervision", "use 0, not supervised, or at least 1s", "is %v", p.Supervision)
	}
	return nil
}
