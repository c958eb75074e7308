package trust

import (
	"context"
	"errors"
	"os"
)

// reason is why a connection was not let in, as metrics count it.
type reason uint8

const (
	reasonIn reason = iota // it was
	reasonVersion
	reasonProtocol
	reasonNoCertificate
	reasonExpired
	reasonUntrusted
	reasonKind
	reasonRevoked
	reasonHeld
	reasonTimeout
	reasonFlood
	reasonBroken
	reasons
)

var reasonNames = [reasons]string{"accepted", "tls_version", "protocol", "no_certificate", "expired", "untrusted", "kind", "revoked", "held",
	"timeout", "too_many", "broken"}

// String is the reason's word in metrics.
func (r reason) String() string { return reasonNames[r] }

func reasonOf(err error) reason {
	for r, is := range map[reason]error{reasonVersion: ErrVersion, reasonProtocol: ErrProtocol, reasonNoCertificate: ErrNoCertificate,
		reasonExpired: ErrExpired, reasonUntrusted: ErrUntrusted, reasonKind: ErrKind, reasonRevoked: ErrRevoked, reasonHeld: ErrHeld} {
		if errors.Is(err, is) {
			return r
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return reasonTimeout
	}
	return reasonBroken
}

// Turned is how many connections a gate let in ("accepted") or turned away, by
// reason, and how many have proven nothing yet.
func (g *Gate) Turned() (byReason map[string]uint64, halfOpen int) {
	byReason = make(map[string]uint64, int(reasons))
	for r := range reasons {
		byReason[r.String()] = g.stats[r].Load()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return byReason, g.half.Len()
}

// Reasons lists every word of Turned.
func Reasons() []string { return reasonNames[:] }
