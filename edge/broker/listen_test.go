package broker

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
)

// testTLS makes a certificate for 127.0.0.1 and the pool that trusts it.
func testTLS(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestBroker_TLS_OverTCPAndWebSocket(t *testing.T) {
	c := testConfig()
	conf, pool := testTLS(t)
	for i := range c.Listeners {
		c.Listeners[i].TLS = conf
	}
	h := &desk{auto: accept}
	b := startBroker(t, c, h)
	for i, scheme := range []string{"ssl", "wss"} {
		cl := paho.NewClient(pahoOptions(scheme+"://"+b.Addrs()[i].String(), "app-1").SetTLSConfig(&tls.Config{RootCAs: pool}))
		pahoWait(t, "connect", cl.Connect())
		pahoWait(t, "publish", cl.Publish(ReportTopic(testWard, "app-1"), 1, false, scheme))
		cl.Disconnect(0)
		if all := h.wait(t, i+1); string(all[i].Payload) != scheme {
			t.Errorf("report is %q", all[i].Payload)
		}
	}
	// Plain bytes end only themselves.
	plain := dialRaw(t, b)
	plain.send(as("app-1").bytes())
	plain.expectEnd()
}

func TestBroker_WebSocket_PacketsAcrossMessagesAndNoText(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{auto: accept})
	url := "ws://" + b.Addrs()[1].String() + "/any/path"
	d := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	ws, resp, err := d.Dial(url, http.Header{"Origin": {"https://elsewhere.example"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if got := resp.Header.Get("Sec-Websocket-Protocol"); got != "mqtt" {
		t.Errorf("subprotocol is %q", got)
	}
	raw := &rawClient{version: 4}
	all := append(as("app-1").bytes(), raw.publishBytes(ReportTopic(testWard, "app-1"), 1, 7, []byte("x"), false)...)
	for _, p := range [][]byte{all[:1], all[1:20], {}, all[20:]} {
		if err := ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
			t.Fatal(err)
		}
	}
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for len(got) < 8 {
		_, p, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p...)
	}
	if want := "\x20\x02\x00\x00\x40\x02\x00\x07"; string(got) != want {
		t.Errorf("got %x, want %x", got, want)
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("text is taken")
	}
}

func TestBroker_WebSocketPort_AnswersPlainHTTP(t *testing.T) {
	b := startBroker(t, testConfig(), &desk{})
	nc, err := net.Dial("tcp", b.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("response is %v, %v", resp, err)
	}
}
