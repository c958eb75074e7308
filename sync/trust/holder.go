package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Why a peer is turned away. Each is counted under its own name (Reason).
var (
	// ErrVersion: the other end cannot or will not speak TLS 1.3.
	ErrVersion = errors.New("trust: TLS 1.3 is required")
	// ErrProtocol: it asks for nothing that is spoken here (ALPN, RFC 7301).
	ErrProtocol = errors.New("trust: the protocol is not spoken here")
	// ErrNoCertificate: it shows no certificate.
	ErrNoCertificate = errors.New("trust: a certificate of the city's authority is required")
	// ErrExpired: its certificate has ended.
	ErrExpired = errors.New("trust: the certificate has ended")
	// ErrUntrusted: its certificate is not of the city's authority.
	ErrUntrusted = errors.New("trust: the certificate is not of the city's authority")
	// ErrKind: it is a machine of the city, but not one that may speak here.
	ErrKind = errors.New("trust: this machine may not speak here")
	// ErrRevoked: it was revoked, or its enrolment was replaced by a later one.
	ErrRevoked = errors.New("trust: the machine's enrolment was revoked; enrol it anew")
	// ErrHeld: two claim to be it.
	ErrHeld = errors.New("trust: two machines claim this name; both are held off until one is enrolled anew")
	// ErrNone: this machine has no certificate yet.
	ErrNone = errors.New("trust: not enrolled yet")
)

// Holder is a machine's own certificate and whom it trusts, as of now. It is
// safe for use by many; what is set holds from the next handshake on.
type Holder struct {
	now     func() time.Time
	state   atomic.Pointer[held]
	refused atomic.Bool
}

type held struct {
	cert  *tls.Certificate
	roots []*x509.Certificate
	pool  *x509.CertPool
	check func(Peer) error
}

// NewHolder has no certificate and trusts nobody. now is the clock by which
// certificates end: a time that is sure. Where none is, it gives the zero time: then
// this machine's own certificate says how late it is at least.
func NewHolder(now func() time.Time) *Holder {
	h := &Holder{now: now}
	h.state.Store(&held{pool: x509.NewCertPool()})
	return h
}

func (h *Holder) change(f func(*held)) {
	for {
		old := h.state.Load()
		next := *old
		f(&next)
		if h.state.CompareAndSwap(old, &next) {
			return
		}
	}
}

// SetCertificate changes the certificate that is shown.
func (h *Holder) SetCertificate(c *tls.Certificate) {
	h.change(func(s *held) { s.cert = c })
	h.refused.Store(false)
}

// Refused says whether a machine of the city turned away a connection of this one since
// its present certificate was set.
func (h *Holder) Refused() bool { return h.refused.Load() }

// SetRoots changes the authorities that are trusted.
func (h *Holder) SetRoots(roots []*x509.Certificate) {
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	h.change(func(s *held) { s.roots, s.pool = slices.Clone(roots), pool })
}

// SetCheck changes what is asked about a peer whose certificate is good: ErrRevoked, ErrHeld or nil.
func (h *Holder) SetCheck(f func(Peer) error) { h.change(func(s *held) { s.check = f }) }

// Certificate is the one that is shown; nil before enrolment.
func (h *Holder) Certificate() *tls.Certificate { return h.state.Load().cert }

// Roots are the authorities that are trusted.
func (h *Holder) Roots() []*x509.Certificate { return slices.Clone(h.state.Load().roots) }

// Check says again whether a peer that was let in may stay.
func (h *Holder) Check(p Peer) error {
	if f := h.state.Load().check; f != nil {
		return f(p)
	}
	return nil
}

// clock is the time by which a peer's certificate is judged. It is never before
// this machine's own certificate began, and never before the peer's own did: that a machine
// of the city's authority was given a certificate shows that this time has come, whatever
// a clock says. So one that a node issued while its clock was ahead is good at once, and a
// box without a battery clock finds the city in 1970.
func (h *Holder) clock(s *held, leaf *x509.Certificate) time.Time {
	now := h.now()
	for _, c := range []*x509.Certificate{s.leaf(), leaf} {
		if c != nil && now.Before(c.NotBefore) {
			now = c.NotBefore
		}
	}
	return now
}

func (s *held) leaf() *x509.Certificate {
	if s.cert == nil {
		return nil
	}
	return s.cert.Leaf
}

// Verify proves the other end of a connection.
func (h *Holder) Verify(cs tls.ConnectionState, usage x509.ExtKeyUsage, kinds ...Kind) (Peer, error) {
	s := h.state.Load()
	if cs.Version < tls.VersionTLS13 {
		return Peer{}, ErrVersion
	}
	if len(cs.PeerCertificates) == 0 {
		return Peer{}, ErrNoCertificate
	}
	leaf := cs.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: s.pool, Intermediates: between, CurrentTime: h.clock(s, leaf), KeyUsages: []x509.ExtKeyUsage{usage}})
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok && bad.Reason == x509.Expired {
		return Peer{}, fmt.Errorf("%w: %w", ErrExpired, err)
	}
	if err != nil {
		return Peer{}, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	p, err := PeerOf(leaf)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if !slices.Contains(kinds, p.Name.Kind) {
		return p, fmt.Errorf("%w: %s", ErrKind, p.Name)
	}
	if s.check != nil {
		if err := s.check(p); err != nil {
			return p, fmt.Errorf("%w: %s", err, p.Name)
		}
	}
	return p, nil
}

// Client is the TLS of a connection that goes out, to one of the kinds.
// Go's own check by host name is off because machines are known by the name in their
// certificate, wherever they stand; Verify takes its place.
func (h *Holder) Client(proto string, kinds ...Kind) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{proto}, InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := h.Certificate(); c != nil {
				return c, nil
			}
			return nil, ErrNone
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := h.Verify(cs, x509.ExtKeyUsageServerAuth, kinds...)
			return err
		}}
}

// Public is the TLS of a listener for people and devices, of whom TLS proves nothing.
func (h *Holder) Public(protos ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: protos,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := h.Certificate(); c != nil {
				return c, nil
			}
			return nil, ErrNone
		}}
}

// server is the TLS of one protocol of a door.
func (h *Holder) server(r *route) *tls.Config {
	c := h.Public(r.proto)
	if len(r.kinds) == 0 {
		return c
	}
	// A connection that is taken up again would not be asked for its certificate.
	c.SessionTicketsDisabled = true
	c.ClientAuth = tls.RequestClientCert // so that its lack is an error of ours, by Verify
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := h.Verify(cs, x509.ExtKeyUsageClientAuth, r.kinds...)
		return err
	}
	return c
}
