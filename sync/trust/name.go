package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"wardline/sync/record"
)

// Kind is what a machine is for; a closed list.
type Kind string

// The kinds of machines.
const (
	// Station is a ward's station; its id is the ward's code.
	Station Kind = "station"
	// Node is a node of the city core.
	Node Kind = "node"
)

// Name is who a machine is: station/26704, node/core-1.
type Name struct {
	Kind Kind
	ID   string
}

// scheme of the URI in a certificate (RFC 5280, section 4.2.1.6): wardline://station/26704.
const scheme = "wardline"

// maxNodeID bounds a node's name, in bytes.
const maxNodeID = 64

// StationName is the name of a ward's station.
func StationName(w record.WardCode) Name { return Name{Station, string(w)} }

// NodeName is the name of a core node.
func NodeName(id string) Name { return Name{Node, id} }

// String is the name as people write it, kind/id.
func (n Name) String() string { return string(n.Kind) + "/" + n.ID }

// MarshalText is kind/id.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads kind/id.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = ParseName(string(b))
	return err
}

// URI is the name as it stands in a certificate.
func (n Name) URI() *url.URL { return &url.URL{Scheme: scheme, Host: string(n.Kind), Path: "/" + n.ID} }

// Origin is whose entries a station writes; false for what is no station.
func (n Name) Origin() (record.Origin, bool) {
	if n.Kind != Station {
		return "", false
	}
	return record.StationOrigin(record.WardCode(n.ID)), true
}

// ErrName says that a name is none.
var ErrName = errors.New("trust: no name of a machine; write station/ and a ward's five digits, or core/ and the node's name")

// ParseName reads kind/id.
func ParseName(s string) (Name, error) {
	kind, id, _ := strings.Cut(s, "/")
	n := Name{Kind(kind), id}
	switch {
	case n.Kind == Station && record.WardCode(id).Valid():
		return n, nil
	case n.Kind == Node && validNodeID(id):
		return n, nil
	}
	return Name{}, fmt.Errorf("%w: %.80q", ErrName, s)
}

func validNodeID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return id != "" && len(id) <= maxNodeID
}

// Peer is what a verified certificate says.
type Peer struct {
	Name Name
	// Epoch counts the enrolments of the name: a certificate of an earlier one is void.
	Epoch uint32
	// Key is the SHA-256 sum of the public key.
	Key [32]byte
}

// PeerOf reads a certificate that was verified. It names exactly one machine.
func PeerOf(c *x509.Certificate) (Peer, error) {
	var p Peer
	if len(c.URIs) != 1 {
		return p, fmt.Errorf("%w: the certificate has %d names", ErrName, len(c.URIs))
	}
	u := c.URIs[0]
	if u.Scheme != scheme || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return p, fmt.Errorf("%w: %.80q", ErrName, u.String())
	}
	n, err := ParseName(u.Host + u.Path)
	p.Name, p.Epoch, p.Key = n, epochOf(c.SerialNumber), KeySum(c)
	return p, err
}

// KeySum is the SHA-256 sum of a certificate's public key (its
// SubjectPublicKeyInfo, RFC 5280, section 4.1.2.7): what a token pins.
func KeySum(c *x509.Certificate) [32]byte { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }
