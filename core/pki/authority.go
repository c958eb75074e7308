// Package pki is the city's certificate authority: it makes the certificates of
// core nodes and of stations, and takes enrolments.
//
// It promises: the authority's private keys stand nowhere. Each generation's key
// is derived (HKDF, RFC 5869) from the secret of a file that every core node has, best a
// systemd credential, so that neither the Raft log nor a snapshot nor a folder of a node
// holds one, sealed or not, and any node can issue while any other is down. During
// a rotation two generations are trusted.
//
// What it does not do: it keeps no state. Who is enrolled, held off or revoked, and
// which generations stand, is in the city's state (core/fsm), and comes in by an
// interface.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"sync"
	"time"

	"wardline/sync/sealing"
	"wardline/sync/trust"
)

// Life is how long a certificate of a machine is good. A station renews when
// half of it is left, and comes back after a longer outage by its resume secret.
const Life = 30 * 24 * time.Hour

// early is how far behind the issuing node's clock others may be.
const early = time.Hour

// An authority ends by rotation, not by a date: these frame every certificate of
// a machine, and are the same at each node, as all of an authority is.
var (
	authorityFrom  = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	authorityUntil = time.Date(2075, 1, 1, 0, 0, 0, 0, time.UTC)
)

// maxBridges is how many earlier generations a chain leads back to: a machine
// that was away for so many rotations still knows the city when it comes back.
const maxBridges = 4

// Authority issues certificates, at any core node the same.
type Authority struct {
	file string
	now  func() time.Time
	life time.Duration

	mu   sync.Mutex // guards made
	made map[uint32]*generation
}

type generation struct {
	number uint32
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	bridge []byte // the certificate of this generation by the one before; nil for the first
}

// Open reads the authority's secret from a key file; a life of 0 is Life. now is the
// time from which certificates run: the city's, not one node's clock.
func Open(file string, life time.Duration, now func() time.Time) (*Authority, error) {
	if life == 0 {
		life = Life
	}
	a := &Authority{file: file, now: now, life: life, made: map[uint32]*generation{}}
	_, err := a.generation(1)
	return a, err
}

// deterministic signs without randomness (RFC 6979): every node makes the same
// certificate of an authority.
type deterministic struct{ *ecdsa.PrivateKey }

func (d deterministic) Public() crypto.PublicKey { return d.PrivateKey.Public() }

func (a *Authority) generation(n uint32) (*generation, error) {
	if n == 0 {
		return nil, errors.New("pki: generations are counted from 1")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.generationLocked(n)
}

func (a *Authority) generationLocked(n uint32) (*generation, error) {
	if g := a.made[n]; g != nil {
		return g, nil
	}
	g := &generation{number: n}
	var err error
	if g.key, err = a.derive(n); err != nil {
		return nil, err
	}
	t := template(n)
	raw, err := x509.CreateCertificate(nil, t, t, g.key.Public(), deterministic{g.key})
	if err != nil {
		return nil, fmt.Errorf("pki: generation %d: %w", n, err)
	}
	if g.cert, err = x509.ParseCertificate(raw); err != nil {
		return nil, fmt.Errorf("pki: generation %d: %w", n, err)
	}
	if n > 1 {
		before, err := a.derive(n - 1)
		if err != nil {
			return nil, err
		}
		t.SerialNumber = new(big.Int).SetUint64(1<<32 | uint64(n))
		if g.bridge, err = x509.CreateCertificate(nil, t, template(n-1), g.key.Public(), deterministic{before}); err != nil {
			return nil, fmt.Errorf("pki: generation %d: %w", n, err)
		}
	}
	a.made[n] = g
	return g, nil
}

func template(n uint32) *x509.Certificate {
	return &x509.Certificate{SerialNumber: new(big.Int).SetUint64(uint64(n)), Subject: pkix.Name{CommonName: fmt.Sprintf("Wardline authority %d", n)},
		NotBefore: authorityFrom, NotAfter: authorityUntil, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
}

// derive makes a generation's key: P-256, because browsers and most devices
// take no certificate of another curve, from 48 derived bytes reduced to the group's
// order (FIPS 186-5, A.2.1: extra random bits).
func (a *Authority) derive(n uint32) (*ecdsa.PrivateKey, error) {
	one, err := sealing.Derive(a.file, fmt.Sprintf("authority %d", n))
	if err != nil {
		return nil, err
	}
	two, err := sealing.Derive(a.file, fmt.Sprintf("authority %d, second half", n))
	if err != nil {
		return nil, err
	}
	order := elliptic.P256().Params().N
	k := new(big.Int).SetBytes(append(one[:], two[:16]...))
	k.Mod(k, new(big.Int).Sub(order, big.NewInt(1)))
	k.Add(k, big.NewInt(1))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), k.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("pki: key of generation %d: %w", n, err)
	}
	return key, nil
}

// Roots are the certificates of the generations oldest to current.
func (a *Authority) Roots(oldest, current uint32) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for n := oldest; n <= current; n++ {
		g, err := a.generation(n)
		if err != nil {
			return nil, err
		}
		out = append(out, g.cert)
	}
	return out, nil
}

// Fingerprint is what a token pins: the SHA-256 sum of a generation's public key.
func (a *Authority) Fingerprint(n uint32) ([32]byte, error) {
	g, err := a.generation(n)
	if err != nil {
		return [32]byte{}, err
	}
	return trust.KeySum(g.cert), nil
}

// Request is what a certificate is to say.
type Request struct {
	Name  trust.Name
	Epoch uint32 // of the enrolment
	Key   crypto.PublicKey
	// Names are the host names and addresses under which devices and browsers reach the machine.
	Names []string
}

// Issue makes a machine's certificate under a generation, with the chain that
// leads to it and to the generations before.
func (a *Authority) Issue(n uint32, r Request) (chain [][]byte, err error) {
	now := a.now()
	return a.issue(n, r, now.Add(-early), now.Add(a.life))
}

func (a *Authority) issue(n uint32, r Request, from, until time.Time) (chain [][]byte, err error) {
	g, err := a.generation(n)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: trust.NewSerial(r.Epoch), Subject: pkix.Name{CommonName: r.Name.String()},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{r.Name.URI()}}
	for _, name := range r.Names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	leaf, err := x509.CreateCertificate(rand.Reader, t, g.cert, r.Key, g.key)
	if err != nil {
		return nil, fmt.Errorf("pki: certificate of %s: %w", r.Name, err)
	}
	chain = [][]byte{leaf, g.cert.Raw}
	for b := n; b > 1 && n-b < maxBridges; b-- {
		g, err := a.generation(b)
		if err != nil {
			return nil, err
		}
		chain = append(chain, g.bridge)
	}
	return chain, nil
}
