package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"wardline/sync/record"
)

// identityFile is where a station keeps who it is, below its folder of keys.
const identityFile = "machine.json"

// kept is a machine's own file: written whole, synced and renamed, readable by
// its owner alone.
type kept struct {
	Name Name `json:"name"`
	// Key is the private key of the certificate (PKCS #8); it never leaves this file.
	Key   []byte   `json:"key,omitempty"`
	Chain [][]byte `json:"chain,omitempty"`
	Roots [][]byte `json:"roots,omitempty"`
	// Resume is the secret that is shown at the next contact.
	Resume string `json:"resume,omitempty"`
	// Token is the sum of the last token that was used or found bad.
	Token record.Hash `json:"token,omitzero"`
	// Next is what a contact that may be under way has sent: written before it is
	// sent, so that after a crash, or a lost answer, the same is asked again.
	Next *next `json:"next,omitempty"`
}

type next struct {
	Key    []byte      `json:"key"`
	Resume string      `json:"resume"`
	Token  record.Hash `json:"token,omitzero"` // for which token it was made; zero: the resume secret
}

func newNext(token record.Hash) (*next, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("trust: making a key: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("trust: making a key: %w", err)
	}
	return &next{Key: raw, Resume: NewSecret(), Token: token}, nil
}

// csr is the certificate request of the key (RFC 2986).
func (n *next) csr(name Name) ([]byte, error) {
	key, err := privateKey(n.Key)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name.String()}}, key)
}

func privateKey(raw []byte) (*ecdsa.PrivateKey, error) {
	any, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("trust: a private key: %w", err)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("trust: a private key of another kind than ECDSA")
	}
	return key, nil
}

// certificate is what the file shows to others; nil before the first enrolment.
func (k *kept) certificate() (*tls.Certificate, error) {
	if len(k.Chain) == 0 {
		return nil, nil
	}
	key, err := privateKey(k.Key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(k.Chain[0])
	if err != nil {
		return nil, fmt.Errorf("trust: this machine's certificate: %w", err)
	}
	if pub, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(key.Public()) {
		return nil, errors.New("trust: the certificate is of another key than this machine's")
	}
	return &tls.Certificate{Certificate: k.Chain, PrivateKey: key, Leaf: leaf}, nil
}

func parseRoots(list [][]byte) (out []*x509.Certificate, err error) {
	for _, raw := range list {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("trust: an authority's certificate: %w", err)
		}
		out = append(out, c)
	}
	return out, nil
}

// readKept reads the file; an absent one is a machine that never enrolled.
func readKept(dir string, name Name) (*kept, error) {
	path := filepath.Join(dir, identityFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &kept{Name: name}, nil
	}
	k := &kept{}
	if err == nil {
		err = json.Unmarshal(raw, k)
	}
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w; move it away and enrol this machine anew", path, err)
	}
	if k.Name != name {
		return nil, fmt.Errorf("trust: %s is of %s, and this is %s; a station's folder belongs to one ward", path, k.Name, name)
	}
	return k, nil
}

// write replaces the file durably.
func (k *kept) write(dir string) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	f, err := os.CreateTemp(dir, ".machine-*") // mode 0600
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, identityFile))
	}
	if err != nil {
		return fmt.Errorf("trust: %w", errors.Join(err, os.Remove(f.Name())))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Enrolled says whether a machine whose keys are in dir has a certificate.
func Enrolled(dir string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, identityFile))
	var k kept
	return err == nil && json.Unmarshal(raw, &k) == nil && len(k.Chain) > 0
}
