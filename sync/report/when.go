package report

import "time"

const (
	// maxAge bounds a plausible time of capture: a phone that was offline for a
	// weekend is honest, one that says last year has a broken clock.
	maxAge = 7 * 24 * time.Hour
	// maxLead is how far a phone's clock may run ahead: phones that set their
	// clock by the network stay within seconds.
	maxLead = 2 * time.Minute
	// unusual is from where on a time is taken as said and its sender asked to
	// look: a phone without a network is so late, and so is a clock in the wrong zone.
	unusual = time.Hour
)

// When is when it happened, by the receiver's clock; received and the result are
// milliseconds since the Unix epoch, UTC. If the report says when it was sent,
// CapturedAt is corrected by what the source's clock was off then (received −
// SentAt), so that a clock that was never set does no harm. A time that cannot
// be right becomes the time of receipt, with a warning; so does one that was
// not said, without.
func (r *Report) When(received int64) (at int64, w *Warning) {
	if r.CapturedAt == 0 {
		return received, nil
	}
	at = r.CapturedAt
	if r.SentAt != 0 {
		at += received - r.SentAt
	}
	const then = "; deadlines run from the time of receipt. Check the device's clock"
	switch {
	case at > received+maxLead.Milliseconds():
		return received, &Warning{Field: "captured_at", Detail: "lies in the future" + then}
	case at < received-maxAge.Milliseconds():
		return received, &Warning{Field: "captured_at", Detail: "lies more than 7 days back" + then}
	}
	return min(at, received), nil
}

// Unusual is what of the times is taken as it was said, or corrected, and may
// still come from a wrong clock; at is what When gave without a warning. It moves no
// deadline.
func (r *Report) Unusual(received, at int64) *Warning {
	if off := time.Duration(received-r.SentAt) * time.Millisecond; r.SentAt != 0 && off.Abs() > unusual {
		return &Warning{Field: "sent_at", Detail: "is " + off.Abs().Round(time.Minute).String() + " off the time of receipt; captured_at was corrected by that. Check the device's clock"}
	}
	if late := time.Duration(received-at) * time.Millisecond; r.CapturedAt != 0 && late > unusual {
		return &Warning{Field: "captured_at", Detail: "lies " + late.Round(time.Minute).String() + " back, and deadlines run from there. If it was just now, check the device's clock, or say sent_at"}
	}
	return nil
}
