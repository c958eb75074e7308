package city

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"wardline/core/pki"
	"wardline/sync/record"
	"wardline/sync/trust"
	"wardline/sync/wire"
)

// attack is somebody outside before a running city.
type attack struct {
	*town
	roots *x509.CertPool
}

// TestAttack_FromOutside_IsRefusedBoundedAndSeen tries as an attacker would, against
// real processes, and looks for each attempt in the metrics. A forged receipt on the line
// is sync/uplink's (TestSender_ReceiptThatIsNotForWhatItSent_IsNeverKept): behind TLS nobody but a
// core node can send one; a city of another authority is core/pki's.
func TestAttack_FromOutside_IsRefusedBoundedAndSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	a := &attack{town: startTown(t), roots: x509.NewCertPool()}
	raw, err := os.ReadFile(a.file.CA)
	if err != nil || !a.roots.AppendCertsFromPEM(raw) {
		t.Fatal("the city's authority: ", err)
	}
	for _, c := range []struct {
		name string
		try  func(*attack)
	}{
		{"another ward's topic", (*attack).topics}, {"another ward's incident", (*attack).incidents}, {"replayed token", (*attack).token},
		{"downgrade and certificates", (*attack).certificates}, {"sessions", (*attack).sessions}, {"paths", (*attack).paths}, {"half-open connections", (*attack).flood},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := *a.town
			b.t = t
			c.try(&attack{&b, a.roots})
		})
	}
}

// metric sums a metric's values at a process; with labels, of the lines that hold all of them.
func (a *attack) metric(base, name string, labels ...string) (sum float64) {
	a.t.Helper()
	r, err := (&http.Client{Timeout: 30 * time.Second}).Get(base + "/metrics")
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }() // it was read
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		line := s.Text()
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		for _, l := range labels {
			ok = ok && strings.Contains(rest, l)
		}
		if v, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64); ok && err == nil {
			sum += v
		}
	}
	return sum
}

// seen runs f and waits until it shows in a metric.
func (a *attack) seen(base, name string, labels []string, f func()) {
	a.t.Helper()
	before := a.metric(base, name, labels...)
	f()
	a.wait(fmt.Sprintf("the attempt stands in %s %v", name, labels), func() bool { return a.metric(base, name, labels...) > before })
}

func (a *attack) device(n int, broker string) paho.Client {
	a.t.Helper()
	d := a.file.Devices[n]
	c := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetClientID(d.ID).SetUsername(d.ID).SetPassword(d.Password).SetAutoReconnect(false).
		SetTLSConfig(&tls.Config{RootCAs: a.roots}).SetConnectTimeout(60 * time.Second))
	if k := c.Connect(); !k.WaitTimeout(90*time.Second) || k.Error() != nil {
		a.t.Fatalf("%s: %v", d.ID, k.Error())
	}
	a.t.Cleanup(func() { c.Disconnect(50) })
	return c
}

// topics publishes and reads where the device has no right to.
func (a *attack) topics() {
	st := a.file.Stations[0]
	c := a.device(0, "tcp://"+st.MQTT)
	other := a.file.Devices[1]
	for _, topic := range []string{"wardline/v1/27031/" + a.file.Devices[0].ID + "/report", "wardline/v1/" + other.Ward + "/" + other.ID + "/report"} {
		id := newID()
		a.seen(st.URL, "wardline_edge_mqtt_malformed_total", nil, func() {
			c.Publish(topic, 1, false, reportOf(id)).WaitTimeout(20 * time.Second)
		})
		if s := a.do(a.login(a.file.Command.URL, "command_officer"), "GET", a.file.Command.URL+"/api/v1/incidents/"+id, nil, nil); s != 404 {
			a.t.Errorf("%s opened an incident: %d", topic, s)
		}
	}
	for _, filter := range []string{"#", "wardline/v1/+/+/report", "wardline/v1/" + other.Ward + "/" + other.ID + "/receipt", "wardline/v1/27031/alert", "$SYS/#"} {
		k := c.Subscribe(filter, 1, func(paho.Client, paho.Message) { a.t.Errorf("a message of %s", filter) })
		k.WaitTimeout(20 * time.Second)
		if got := k.(*paho.SubscribeToken).Result()[filter]; got != 0x80 {
			a.t.Errorf("%s was granted: %#x", filter, got)
		}
	}
}

// incidents reads and changes what another ward was told of.
func (a *attack) incidents() {
	core := a.file.Core[0].URL
	admin := a.login(core, "administrator")
	var made struct{ Password string }
	if s := a.do(admin, "POST", core+"/api/v1/users", []byte(`{"user":"other.ward","role":"ward_officer","unit":"ward/27031","must_change":false,"reason":"test"}`), &made); s != 201 {
		a.t.Fatal(s)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	spy := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	if s := a.do(spy, "POST", core+"/api/v1/session", []byte(`{"user":"other.ward","password":"`+made.Password+`"}`), nil); s != 200 {
		a.t.Fatal(s)
	}
	id := newID()
	if s := a.do(http.DefaultClient, "POST", a.file.Stations[0].URL+"/api/v1/reports", fmt.Appendf(nil, `{"id":%q,"category":"security","text":"chuyện riêng"}`, id), nil); s != 201 {
		a.t.Fatal(s)
	}
	a.once([]string{id})
	incident := core + "/api/v1/incidents/" + id
	a.seen(core, "wardline_http_refused_total", []string{`"not-found"`}, func() {
		if s := a.do(spy, "GET", incident, nil, nil); s != 404 {
			a.t.Errorf("another ward reads it: %d", s)
		}
	})
	for path, body := range map[string]string{"/actions": `{"id":"` + newID() + `","action":"claim","seen":""}`, "/reporter": `{"id":"` + newID() + `","report":"` + id + `","reason":"callback"}`} {
		if s := a.do(spy, "POST", incident+path, []byte(body), nil); s != 404 && s != 403 && s != 400 {
			a.t.Errorf("another ward writes %s: %d", path, s)
		}
	}
	a.seen(core, "wardline_http_refused_total", []string{`"not-allowed"`}, func() {
		for _, path := range []string{incident + "/evidence", core + "/api/v1/entries", core + "/api/v1/users", core + "/api/v1/machines"} {
			if s := a.do(spy, "GET", path, nil, nil); s != 403 {
				a.t.Errorf("%s: %d", path, s)
			}
		}
	})
	var list struct{ Items []struct{ ID string } }
	if s := a.do(spy, "GET", core+"/api/v1/incidents", nil, &list); s != 200 {
		a.t.Error(s)
	}
	for _, x := range list.Items {
		if x.ID == id {
			a.t.Error("another ward's list shows it")
		}
	}
}

// token enrols a thief's machine with the token that the station has used.
func (a *attack) token() {
	dir := a.t.TempDir()
	raw, err := os.ReadFile(filepath.Join(a.dir, "conf", "ward-"+a.file.Stations[0].Ward+".token"))
	if err != nil || writeSecret(filepath.Join(dir, "token"), string(raw)) != nil {
		a.t.Fatal(err)
	}
	h := trust.NewHolder(time.Now)
	m, err := trust.OpenMember(trust.MemberConfig{Name: trust.StationName(record.WardCode(a.file.Stations[0].Ward)), Dir: filepath.Join(dir, "thief"), TokenFile: filepath.Join(dir, "token"),
		Cores: []string{a.file.Core[0].Sync}, Holder: h, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(a.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	a.seen(a.file.Core[0].URL, "wardline_core_enrolments_total", []string{`"token"`}, func() {})
	cancel()
	if err := <-done; err != nil {
		a.t.Error(err)
	}
	if h.Certificate() != nil {
		a.t.Error("a used token enrolled a second machine")
	}
}

// certificates comes to every door with what none of them may take.
func (a *attack) certificates() {
	now := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	station := trust.StationName(record.WardCode(a.file.Stations[0].Ward))
	self := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), URIs: []*url.URL{station.URI()},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	selfSigned, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		a.t.Fatal(err)
	}
	old, err := pki.Open(filepath.Join(a.dir, "conf", "city.key"), time.Hour, func() time.Time { return now.Add(-24 * time.Hour) })
	if err != nil {
		a.t.Fatal(err)
	}
	expired, err := old.Issue(1, pki.Request{Name: station, Epoch: 1, Key: key.Public()})
	if err != nil {
		a.t.Fatal(err)
	}
	come := func(addr string, conf *tls.Config) error {
		conf.InsecureSkipVerify = true // the attacker does not care who answers
		d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: conf}
		c, err := d.DialContext(a.t.Context(), "tcp", addr)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }() // its end is known
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err = c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) { // with TLS 1.3 the server's answer to the client's proof comes behind the handshake
			return nil
		}
		return err
	}
	for _, n := range a.file.Core {
		for door, addr := range map[string]string{"sync": n.Sync, "raft": n.Raft} {
			protos := []string{wire.Proto}
			if door == "raft" {
				protos = []string{"wardline-raft/1", wire.Proto}
			}
			for reason, conf := range map[string]*tls.Config{
				"tls_version":    {MaxVersion: tls.VersionTLS12, NextProtos: protos},
				"no_certificate": {NextProtos: protos},
				"untrusted":      {NextProtos: protos, Certificates: []tls.Certificate{{Certificate: [][]byte{selfSigned}, PrivateKey: key}}},
				"expired":        {NextProtos: protos, Certificates: []tls.Certificate{{Certificate: expired, PrivateKey: key}}},
			} {
				a.seen(n.URL, "wardline_core_tls_connections_total", []string{`"` + door + `"`, `"` + reason + `"`}, func() {
					if err := come(addr, conf); err == nil {
						a.t.Errorf("%s of %s lets in with: %s", door, n.ID, reason)
					}
				})
			}
		}
		a.seen(n.URL, "wardline_core_tls_connections_total", []string{`"https"`, `"tls_version"`}, func() {
			if come(strings.TrimPrefix(n.TLS, "https://"), &tls.Config{MaxVersion: tls.VersionTLS12}) == nil {
				a.t.Errorf("%s speaks TLS 1.2", n.TLS)
			}
		})
	}
	st := a.file.Stations[0]
	for addr, metric := range map[string]string{strings.TrimPrefix(st.HTTPS, "https://"): "wardline_edge_tls_connections_total", st.MQTTS: "wardline_edge_mqtt_tls_refused_total",
		strings.TrimPrefix(st.MQTTSW, "wss://"): "wardline_edge_mqtt_tls_refused_total"} {
		a.seen(st.URL, metric, map[bool][]string{true: {`"tls_version"`}}[metric == "wardline_edge_tls_connections_total"], func() {
			if come(addr, &tls.Config{MaxVersion: tls.VersionTLS12}) == nil {
				a.t.Errorf("%s speaks TLS 1.2", addr)
			}
		})
	}
}

// sessions fixes a session before the log-in, and uses one after the log-out.
func (a *attack) sessions() {
	officer := a.file.Officers[0]
	for _, o := range a.file.Officers {
		if o.Role == "command_officer" {
			officer = o
		}
	}
	base := a.file.Core[0].URL
	ask := func(base, method, path, cookie, body string) (int, string) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header.Set("Cookie", "wardline_session="+cookie)
		x, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		defer func() { _ = x.Body.Close() }() // nothing in it is asked for
		for _, c := range x.Cookies() {
			if c.Name == "wardline_session" {
				return x.StatusCode, c.Value
			}
		}
		return x.StatusCode, ""
	}
	login, err := json.Marshal(map[string]string{"user": officer.User, "password": officer.Password})
	if err != nil {
		a.t.Fatal(err)
	}
	const fixed = "AAAA.BBBB"
	s, real := ask(base, "POST", "/api/v1/session", fixed, string(login))
	if s != 200 || real == "" || real == fixed {
		a.t.Fatalf("%d %q", s, real)
	}
	a.seen(base, "wardline_http_refused_total", []string{`"not-logged-in"`}, func() {
		if s, _ := ask(base, "GET", "/api/v1/incidents", fixed, ""); s != 401 {
			a.t.Errorf("the session that the attacker fixed: %d", s)
		}
	})
	for i := range len(real) { // any bit of it
		if changed := real[:i] + string(real[i]^1) + real[i+1:]; i%7 == 0 && changed[i] != ';' && changed[i] > ' ' {
			if s, _ := ask(base, "GET", "/api/v1/me", changed, ""); s != 401 {
				a.t.Errorf("a changed token: %d", s)
			}
		}
	}
	if s, _ := ask(a.file.Stations[0].URL, "GET", "/api/v1/me", real, ""); s != 401 {
		a.t.Errorf("the city's session at a station: %d", s)
	}
	if s, _ := ask(base, "DELETE", "/api/v1/session", real, ""); s != 204 {
		a.t.Fatal(s)
	}
	for _, n := range a.file.Core {
		a.wait("the stolen session is worth nothing at "+n.ID, func() bool {
			s, _ := ask(n.URL, "GET", "/api/v1/incidents", real, "")
			return s == 401
		})
	}
	a.seen(base, "wardline_http_refused_total", []string{`"too-many-tries"`}, func() {
		for range 8 {
			ask(base, "POST", "/api/v1/session", "", `{"user":"`+officer.User+`","password":"a guess at it"}`)
		}
	})
	a.seen(base, "wardline_http_refused_total", []string{`"cross-origin"`}, func() {
		r, err := http.NewRequest("POST", base+"/api/v1/session", strings.NewReader(string(login)))
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header.Set("Origin", "https://elsewhere.example")
		x, err := http.DefaultClient.Do(r)
		if err != nil || x.StatusCode != 403 || x.Body.Close() != nil {
			a.t.Error(err, x.StatusCode)
		}
	})
}
