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
// written anywhere: a node that has the authority's secret makes itself another at
// each start. It frames the authority's whole time: an end would hold off nobody who has that
// secret, and a node that starts with a clock hours ahead, or in 1970, must find the
// others all the same; that clocks differ is said by the city's ticks.
func (a *Authority) Own(n uint32, name trust.Name, names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: key of %s: %w", name, err)
	}
	chain, err := a.issue(n, Request{Name: name, Key: key.Public(), Names: names}, authorityFrom, authorityUntil)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("pki: certificate of %s: %w", name, err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// maxGeneration bounds what is taken for a generation's number: one rotation a
// month for a century.
const maxGeneration = 1200

// Recognise is the generation under which a core node's chain, as Issue makes it,
// was issued; false for a chain of anybody else.
func (a *Authority) Recognise(chain []*x509.Certificate) (uint32, bool) {
	if len(chain) < 2 {
		return 0, false
	}
	n := chain[1].SerialNumber
	if !n.IsUint64() || n.Uint64() == 0 || n.Uint64() > maxGeneration {
		return 0, false
	}
	g, err := a.generation(uint32(n.Uint64()))
	if err != nil || !g.cert.Equal(chain[1]) || chain[0].CheckSignatureFrom(g.cert) != nil {
		return 0, false
	}
	return g.number, true
}

// Issued is the generation under which a machine's own certificate was issued.
func (a *Authority) Issued(c *tls.Certificate) (uint32, bool) {
	if c == nil {
		return 0, false
	}
	var chain []*x509.Certificate
	for _, raw := range c.Certificate {
		x, err := x509.ParseCertificate(raw)
		if err != nil {
			return 0, false
		}
		chain = append(chain, x)
	}
	return a.Recognise(chain)
}
