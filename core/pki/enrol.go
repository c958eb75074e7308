package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// Claim is what a machine shows to be enrolled: one of the two sums of secrets,
// and for which key it wants a certificate.
type Claim struct {
	Name          trust.Name
	Token, Resume record.Hash
	Next, Key     record.Hash
}

// Grant is what the city decided.
type Grant struct {
	Epoch uint32
	Names []string
	// Oldest and Current are the generations that are trusted.
	Oldest, Current uint32
}

// Registry is the city's state, which decides each claim once for all nodes.
type Registry interface {
	// Enrol commits a claim. The same claim again gets the same grant. Errors wrap
	// trust.ErrToken, ErrHeld or ErrRevoked; any other means: not now.
	Enrol(ctx context.Context, c Claim) (Grant, error)
}

// maxEnrolments is how many are under way at a node: each is a commit and a
// signature; more wait in the listener's queue.
const maxEnrolments = 16

// Desk answers enrolments.
type Desk struct {
	Authority *Authority
	Registry  Registry
	// Secrets are what a core node is given that showed a token.
	Secrets func() (trust.Secrets, error)
	Log     *slog.Logger

	stats [5]atomic.Uint64 // as Outcomes
}

// Outcomes are the words of Enrolled, in order.
var Outcomes = []string{"granted", "token", "held", "revoked", "failed"}

// Enrolled is how many enrolments came to the i-th of Outcomes.
func (d *Desk) Enrolled(i int) uint64 { return d.stats[i].Load() }

// Serve answers on l, of which there may be several, until ctx ends, and returns after the last answer.
func (d *Desk) Serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })() // it may have ended by itself
	room := make(chan struct{}, maxEnrolments)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close() // nobody serves it any more
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("pki: enrolments: %w", err)
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			_ = c.Close() // as above
			return nil
		}
		wg.Go(func() {
			defer func() { <-room }()
			if err := d.one(ctx, c); err != nil {
				d.Log.Debug("an enrolment broke off", "remote", c.RemoteAddr(), "err", err)
			}
		})
	}
}

// one answers one machine.
func (d *Desk) one(ctx context.Context, c net.Conn) (err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, trust.EnrolTime)
	defer cancel()
	if err := c.SetDeadline(time.Now().Add(trust.EnrolTime)); err != nil {
		return err
	}
	r, err := trust.ReadRequest(c)
	if err != nil {
		return err
	}
	g, err := d.grant(ctx, r)
	outcome := 0
	if err != nil {
		g = trust.Refuse(err)
		outcome = 4
		for i, is := range []error{trust.ErrToken, trust.ErrHeld, trust.ErrRevoked} {
			if errors.Is(err, is) {
				outcome = i + 1
			}
		}
		d.Log.Warn("an enrolment was refused", "name", r.Name, "remote", c.RemoteAddr(), "err", err)
	} else {
		d.Log.Info("a machine was given a certificate", "name", r.Name, "remote", c.RemoteAddr(), "by", map[bool]string{true: "token", false: "resume"}[r.Token != ""])
	}
	d.stats[outcome].Add(1)
	return trust.WriteGranted(c, g)
}

func (d *Desk) grant(ctx context.Context, r trust.Request) (trust.Granted, error) {
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err == nil {
		err = csr.CheckSignature() // the machine has the key
	}
	if err != nil {
		return trust.Granted{}, fmt.Errorf("pki: the request of %s: %w", r.Name, err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return trust.Granted{}, fmt.Errorf("pki: the request of %s: a P-256 key is needed", r.Name)
	}
	c := Claim{Name: r.Name, Next: r.Next, Key: sha256.Sum256(csr.RawSubjectPublicKeyInfo)}
	switch {
	case (r.Token == "") == (r.Resume == ""), r.Next == (record.Hash{}):
		return trust.Granted{}, fmt.Errorf("pki: the request of %s: %w", r.Name, trust.ErrToken)
	case r.Token != "":
		c.Token = trust.Sum(r.Token)
	default:
		c.Resume = trust.Sum(r.Resume)
	}
	g, err := d.Registry.Enrol(ctx, c)
	if err != nil {
		return trust.Granted{}, err
	}
	chain, err := d.Authority.Issue(g.Current, Request{Name: r.Name, Epoch: g.Epoch, Key: key, Names: g.Names})
	if err != nil {
		return trust.Granted{}, err
	}
	roots, err := d.Authority.Roots(g.Oldest, g.Current)
	if err != nil {
		return trust.Granted{}, err
	}
	out := trust.Granted{Chain: chain}
	for _, c := range roots {
		out.Roots = append(out.Roots, c.Raw)
	}
	if r.Name.Kind == trust.Node && r.Token != "" { // by the registry's word it was good
		s, err := d.Secrets()
		if err != nil {
			return trust.Granted{}, err
		}
		out.Secrets = &s
	}
	return out, nil
}
