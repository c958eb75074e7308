package pki

import (
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

// issued is a certificate as a machine holds it, given by an authority whose clock shows now.
func issued(t *testing.T, file string, name trust.Name, now time.Time) *tls.Certificate {
	t.Helper()
	a, err := Open(file, 0, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.Issue(1, Request{Name: name, Epoch: 1, Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}
}

func trusting(t *testing.T, file string, now time.Time, own *tls.Certificate) *trust.Holder {
	t.Helper()
	h := trust.NewHolder(func() time.Time { return now })
	roots, err := mustOpen(t, file, 0).Roots(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	h.SetRoots(roots)
	h.SetCertificate(own)
	return h
}

// TestCertificate_IssuedWithTheClockAhead_IsGoodAtOnce: that it was issued shows that its
// time has come; one that has ended is refused all the same.
func TestCertificate_IssuedWithTheClockAhead_IsGoodAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.key")
	now := time.Now()
	for _, ahead := range []time.Duration{time.Minute, 9 * time.Hour, 400 * 24 * time.Hour} {
		if err := proves(trusting(t, file, now, nil), issued(t, file, trust.NodeName("core-4"), now.Add(ahead))); err != nil {
			t.Errorf("issued with a clock %s ahead: %v", ahead, err)
		}
	}
	if err := proves(trusting(t, file, now, nil), issued(t, file, trust.NodeName("core-4"), now.Add(-Life-time.Hour))); !errors.Is(err, trust.ErrExpired) {
		t.Errorf("one that has ended: %v", err)
	}
}

// TestMachine_WithoutASureClock_FindsTheCity: before its first contact, and after a start in
// 1970, name and chain count; what had ended before its own certificate began is refused.
func TestMachine_WithoutASureClock_FindsTheCity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.key")
	now := time.Now()
	node := issued(t, file, trust.NodeName("core-4"), now)
	for what, clock := range map[string]time.Time{"none": {}, "1970": time.Unix(60, 0), "2000": time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, own := range []*tls.Certificate{nil, issued(t, file, trust.StationName("26704"), now.Add(-20*24*time.Hour))} {
			if err := proves(trusting(t, file, clock, own), node); err != nil {
				t.Errorf("clock %s, enrolled %v: %v", what, own != nil, err)
			}
		}
		mine := issued(t, file, trust.StationName("26704"), now)
		if err := proves(trusting(t, file, clock, mine), issued(t, file, trust.NodeName("core-3"), now.Add(-Life-2*time.Hour))); !errors.Is(err, trust.ErrExpired) {
			t.Errorf("clock %s: a certificate that had ended before this machine's own began: %v", what, err)
		}
		other := filepath.Join(t.TempDir(), "other.key")
		if err := proves(trusting(t, file, clock, mine), issued(t, other, trust.NodeName("core-4"), now)); !errors.Is(err, trust.ErrUntrusted) {
			t.Errorf("clock %s: another city's: %v", what, err)
		}
	}
}
