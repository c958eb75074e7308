package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"wardline/sync/trust"
)

// door is a gate of a core node with one protocol, answered with one byte.
type door struct {
	t    *testing.T
	a    *Authority
	gate *trust.Gate
	h    *trust.Holder
}

const protoTest = "test/1"

func startDoor(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, a: mustOpen(t, filepath.Join(t.TempDir(), "city.key"), 0)}
	d.h = d.holder(d.a, trust.NodeName("core-1"), 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.gate = trust.NewGate(l, d.h, slog.New(slog.DiscardHandler))
	in := d.gate.Machines(protoTest, trust.Node)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- d.gate.Run(ctx) }()
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				done <- nil
				return
			}
			_, err = c.Write([]byte{1})
			if cerr := c.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

func (d *door) holder(a *Authority, n trust.Name, epoch uint32) *trust.Holder {
	d.t.Helper()
	h := trust.NewHolder(time.Now)
	roots, err := d.a.Roots(1, 1)
	if err != nil {
		d.t.Fatal(err)
	}
	h.SetRoots(roots)
	key, chain := d.certificate(a, n, epoch)
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		d.t.Fatal(err)
	}
	h.SetCertificate(&tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf})
	return h
}

func (d *door) certificate(a *Authority, n trust.Name, epoch uint32) (*ecdsa.PrivateKey, [][]byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	chain, err := a.Issue(1, Request{Name: n, Epoch: epoch, Key: key.Public()})
	if err != nil {
		d.t.Fatal(err)
	}
	return key, chain
}

// enters says whether a connection is answered.
func (d *door) enters(c *tls.Config) bool {
	raw, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", d.gate.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = raw.Close() }() // whatever it came to
	if err := raw.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	t := tls.Client(raw, c)
	var b [1]byte
	_, err = io.ReadFull(t, b[:])
	return err == nil && b[0] == 1
}

// counts waits until a reason is counted so often: the door counts after it has closed.
func (d *door) counts(reason string, want uint64) bool {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		if n, _ := d.gate.Turned(); n[reason] >= want {
			return n[reason] == want
		}
	}
	return false
}

// selfSigned is a certificate with a right name of an authority that nobody knows.
func selfSigned(t *testing.T, n trust.Name) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Wardline authority 1"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, URIs: []*url.URL{n.URI()},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func TestDoor_Attackers_AreTurnedAwayAndCounted(t *testing.T) {
	d := startDoor(t)
	good := d.holder(d.a, trust.NodeName("core-2"), 0)
	if !d.enters(good.Client(protoTest, trust.Node)) {
		t.Fatal("a node of the city was turned away")
	}
	showing := func(c *tls.Certificate) *tls.Config {
		conf := good.Client(protoTest, trust.Node)
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
		return conf
	}
	old := &Authority{file: d.a.file, life: time.Minute, now: func() time.Time { return time.Now().Add(-2 * time.Hour) }, made: map[uint32]*generation{}}
	downgrade := good.Client(protoTest, trust.Node)
	downgrade.MinVersion, downgrade.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for _, c := range []struct {
		what, reason string
		conf         *tls.Config
	}{
		{"TLS 1.2", "tls_version", downgrade},
		{"another protocol", "protocol", good.Client("h2", trust.Node)},
		{"no certificate", "no_certificate", showing(new(tls.Certificate))},
		{"a self-signed certificate", "untrusted", showing(selfSigned(t, trust.NodeName("core-2")))},
		{"another city's certificate", "untrusted", showing(d.holder(mustOpen(t, filepath.Join(t.TempDir(), "k"), 0), trust.NodeName("core-2"), 0).Certificate())},
		{"an ended certificate", "expired", showing(d.holder(old, trust.NodeName("core-2"), 0).Certificate())},
		{"a station's certificate", "kind", showing(d.holder(d.a, trust.StationName("26704"), 1).Certificate())},
	} {
		n, _ := d.gate.Turned()
		before := n[c.reason]
		if d.enters(c.conf) {
			t.Errorf("%s was let in", c.what)
		}
		if !d.counts(c.reason, before+1) {
			n, _ := d.gate.Turned()
			t.Errorf("%s is not counted as %s: %v", c.what, c.reason, n)
		}
	}
	revoked := d.holder(d.a, trust.NodeName("core-3"), 0)
	d.h.SetCheck(func(p trust.Peer) error {
		if p.Name == trust.NodeName("core-3") {
			return trust.ErrRevoked
		}
		return nil
	})
	if d.enters(revoked.Client(protoTest, trust.Node)) || !d.counts("revoked", 1) {
		t.Error("a revoked node was let in")
	}
	if !d.enters(good.Client(protoTest, trust.Node)) {
		t.Error("after all that a node of the city was turned away")
	}
}

func TestDoor_ClientOfAnotherCity_IsNotSpokenTo(t *testing.T) {
	d := startDoor(t)
	stranger := trust.NewHolder(time.Now)
	other := mustOpen(t, filepath.Join(t.TempDir(), "k"), 0)
	roots, err := other.Roots(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	stranger.SetRoots(roots)
	stranger.SetCertificate(d.holder(d.a, trust.NodeName("core-2"), 0).Certificate())
	if d.enters(stranger.Client(protoTest, trust.Node)) {
		t.Fatal("a server of another authority was believed")
	}
}

func TestDoor_TenThousandHalfOpenConnections_AreBoundedAndKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 10,000 connections")
	}
	d := startDoor(t)
	good := d.holder(d.a, trust.NodeName("core-2"), 0)
	attacker := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 20 * time.Second}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close() // the attack is over
		}
	}()
	for i := range 10_000 {
		c, err := attacker.Dial("tcp", d.gate.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if open = append(open, c); len(open) > 500 { // this process has descriptors for so many
			_ = open[0].Close() // turned away by now
			open = open[1:]
		}
		if i%2500 != 0 {
			continue
		}
		if _, half := d.gate.Turned(); half > 64 {
			t.Fatalf("%d connections of one address have proven nothing", half)
		}
		if !d.enters(good.Client(protoTest, trust.Node)) {
			t.Fatalf("after %d connections of an attacker a node was kept out", i)
		}
	}
	if n, _ := d.gate.Turned(); n["too_many"] == 0 {
		t.Error("the flood is not counted")
	}
}
