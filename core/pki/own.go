package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"wardline/sync/trust"
)

// Own is a core node's certificate with a key that is made now and never
// written anywhere: a node that has the authority's secret makes itself another at each start.
func (a *Authority) Own(n uint32, name trust.Name, names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: key of %s: %w", name, err)
	}
	chain, err := a.Issue(n, Request{Name: name, Key: key.Public(), Names: names})
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("pki: certificate of %s: %w", name, err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}
