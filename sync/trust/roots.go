package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// RootsFile is the file, in a machine's folder, with the authorities that are trusted now: both
// during a rotation, the new one alone once the old one is retired. It is what operators give to
// devices and browsers.
const RootsFile = "ca.pem"

// WriteRoots keeps authorities as PEM, the oldest first, by rename, readable by everybody: there
// is no secret in it. A file that says the same already is left as it is.
func WriteRoots(path string, roots []*x509.Certificate) error {
	if len(roots) == 0 {
		return nil
	}
	var text []byte
	for _, c := range roots {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ca-*")
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("trust: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// ReadRoots reads what WriteRoots wrote.
func ReadRoots(path string) (out []*x509.Certificate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out, nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("trust: %s: %w", path, err)
		}
		out = append(out, c)
	}
}
