package report

import "time"

const (
	// maxAge bounds a plausible time of capture: a phone that was offline for a
	// weekend is honest, one that says last year has a broken clock.
	maxAge = 7 * 24 * time.Hour
	// maxLead is how far a phone's clock may run ahead: phones that set their
	// clock by the network stay within seconds.
	maxLead = 2 * time.Minute
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
