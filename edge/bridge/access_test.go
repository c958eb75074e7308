package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wardline/edge/bridge/mosquittotest"
)

func mustWrite(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// passwords makes a Mosquitto password file.
func passwords(t *testing.T, user, password string) string {
	t.Helper()
	tool, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skipf("mosquitto_passwd is not installed: %v; deploy/setup.sh installs it", err)
	}
	path := filepath.Join(t.TempDir(), "passwords")
	if out, err := exec.Command(tool, "-b", "-c", path, user, password).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestBridge_Password_IsReadAnewAndNeverLogged(t *testing.T) {
	const secret = "planted-Secret-1"
	m := mosquittotest.Start(t, "password_file "+passwords(t, "station", secret))
	file := filepath.Join(t.TempDir(), "password")
	mustWrite(t, file, []byte("wrong-Secret-2\n"))
	r := start(t, Config{URL: m.URL(), Username: "station", PasswordFile: file}, newLedger(nil))
	waitFor(t, "the refusal is named", func() bool { return strings.Contains(r.Status().Err, "check username and password") })
	mustWrite(t, file, []byte(secret+"\n"))
	waitFor(t, "the new password is used", r.connected)
	r.stop()
	if n := strings.Count(r.logs.String(), "cannot connect"); n != 1 {
		t.Errorf("the same refusal was logged %d times", n)
	}
	inURL := start(t, Config{URL: "tcp://station:" + secret + "@" + m.Addr()}, newLedger(nil))
	waitFor(t, "it connects with what the URL says", inURL.connected)
	m.Stop()
	waitFor(t, "it is lost", func() bool { return !inURL.connected() })
	inURL.stop()
	all := r.logs.String() + inURL.logs.String() + inURL.Status().Broker + inURL.Status().Err
	if strings.Contains(all, "ecret-") {
		t.Errorf("a password was logged:\n%s", all)
	}
}

// pair makes an authority and a server certificate for 127.0.0.1.
func pair(t *testing.T) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, cert, key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	mustWrite(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
	mustWrite(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}))
	mustWrite(t, key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	return ca, cert, key
}

func TestBridge_EveryWayToABroker_CarriesReports(t *testing.T) {
	ca, cert, key := pair(t)
	files := "\ncertfile " + cert + "\nkeyfile " + key
	m := mosquittotest.Start(t, "listener PORT1 127.0.0.1"+files+"\nlistener PORT2 127.0.0.1\nprotocol websockets"+files)
	for _, c := range []Config{{URL: m.URL()}, {URL: m.WS() + "/mqtt"}, {URL: "ssl://" + m.Extra(1), CAFile: ca}, {URL: "wss://" + m.Extra(2), CAFile: ca}} {
		l := newLedger(nil)
		r := start(t, c, l)
		waitFor(t, c.URL+" connects", r.connected)
		m.Publish(m.Client("app-1"), topic, 1, false, []byte("report"))
		waitFor(t, c.URL+" carries a report", l.has(1))
		r.stop()
	}
	for _, u := range []string{"ssl://" + m.Extra(1), "wss://" + m.Extra(2)} {
		r := start(t, Config{URL: u}, newLedger(nil))
		waitFor(t, "a stranger's certificate is refused", func() bool { return strings.Contains(r.Status().Err, "certificate") })
	}
}
