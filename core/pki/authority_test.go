package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"wardline/sync/trust"
)

func mustOpen(t *testing.T, file string, life time.Duration) *Authority {
	t.Helper()
	a, err := Open(file, life, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthority_TwoNodesWithOneFile_AreOneAuthority(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.key")
	one, two := mustOpen(t, file, 0), mustOpen(t, file, 0)
	for g := uint32(1); g < 4; g++ {
		a, err := one.Roots(g, g)
		if err != nil {
			t.Fatal(err)
		}
		b, err := two.Roots(g, g)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a[0].Raw, b[0].Raw) {
			t.Fatalf("generation %d differs between two nodes", g)
		}
	}
	other := mustOpen(t, filepath.Join(t.TempDir(), "city.key"), 0)
	f, _ := one.Fingerprint(1)
	if g, _ := other.Fingerprint(1); f == g {
		t.Fatal("another secret gives the same authority")
	}
	if g, _ := one.Fingerprint(2); f == g {
		t.Fatal("two generations have one key")
	}
}

// proves says what the holder finds in a certificate.
func proves(h *trust.Holder, c *tls.Certificate) error {
	var chain []*x509.Certificate
	for _, raw := range c.Certificate {
		x, err := x509.ParseCertificate(raw)
		if err != nil {
			return err
		}
		chain = append(chain, x)
	}
	_, err := h.Verify(tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: chain}, x509.ExtKeyUsageServerAuth, trust.Node)
	return err
}

func TestAuthority_Rotation_OverlapsAndLeadsBack(t *testing.T) {
	a := mustOpen(t, filepath.Join(t.TempDir(), "city.key"), 0)
	trusting := func(oldest, current uint32) *trust.Holder {
		h := trust.NewHolder(time.Now)
		roots, err := a.Roots(oldest, current)
		if err != nil {
			t.Fatal(err)
		}
		h.SetRoots(roots)
		return h
	}
	own := func(g uint32) *tls.Certificate {
		c, err := a.Own(g, trust.NodeName("core-1"), []string{"127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		oldest, current, shown uint32
		want                   error
	}{
		{1, 1, 1, nil},
		{1, 1, 2, nil}, // has not heard of the rotation yet: the bridge leads back
		{1, 1, 4, nil},
		{1, 2, 1, nil}, // the overlap
		{1, 2, 2, nil},
		{2, 3, 1, trust.ErrUntrusted}, // it is over
	} {
		if err := proves(trusting(c.oldest, c.current), own(c.shown)); !errors.Is(err, c.want) {
			t.Errorf("trusting %d to %d, shown %d: %v, want %v", c.oldest, c.current, c.shown, err, c.want)
		}
	}
	ended := mustOpen(t, filepath.Join(t.TempDir(), "city.key"), time.Hour)
	h := trust.NewHolder(func() time.Time { return time.Now().Add(2 * time.Hour) })
	roots, _ := ended.Roots(1, 1)
	h.SetRoots(roots)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := ended.Issue(1, Request{Name: trust.NodeName("core-1"), Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	if err := proves(h, &tls.Certificate{Certificate: chain}); !errors.Is(err, trust.ErrExpired) {
		t.Errorf("an ended certificate: %v", err)
	}
}

// TestAuthority_NodeWithAWrongClock_IsBelievedAllTheSame: found by a drill whose
// core node was started with its clock hours ahead, and stayed out for as long.
func TestAuthority_NodeWithAWrongClock_IsBelievedAllTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.key")
	right := mustOpen(t, path, 0)
	clocks := map[string]time.Time{"right": time.Now(), "ahead": time.Now().Add(9 * time.Hour), "behind": time.Now().Add(-9 * time.Hour),
		"without a battery": time.Unix(60, 0), "a year ahead": time.Now().AddDate(1, 0, 0)}
	for one, now := range clocks {
		wrong, err := Open(path, 0, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		shown, err := wrong.Own(1, trust.NodeName("core-1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for other, now := range clocks {
			h := trust.NewHolder(func() time.Time { return now })
			roots, err := right.Roots(1, 1)
			if err != nil {
				t.Fatal(err)
			}
			h.SetRoots(roots)
			mine, err := right.Own(1, trust.NodeName("core-2"), nil)
			if err != nil {
				t.Fatal(err)
			}
			h.SetCertificate(mine)
			if err := proves(h, shown); err != nil {
				t.Errorf("a node whose clock is %s looks at one whose clock is %s: %v", other, one, err)
			}
		}
	}
}

func TestAuthority_Recognise_ItsOwnChainsAlone(t *testing.T) {
	a := mustOpen(t, filepath.Join(t.TempDir(), "k"), 0)
	other := mustOpen(t, filepath.Join(t.TempDir(), "k"), 0)
	for _, of := range []*Authority{a, other} {
		c, err := of.Own(3, trust.NodeName("core-1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var chain []*x509.Certificate
		for _, raw := range c.Certificate {
			x, err := x509.ParseCertificate(raw)
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, x)
		}
		if g, ok := a.Recognise(chain); ok != (of == a) || ok && g != 3 {
			t.Errorf("generation %d, %v", g, ok)
		}
		if _, ok := a.Recognise(chain[:1]); ok {
			t.Error("a certificate alone was recognised")
		}
	}
}
