package city

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
	"wardline/sync/wire"
)

// ordered asks for a change of machines in the administrator's name.
func (f *fleet) ordered(c api.MachineChange) api.MachineDone {
	f.t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		f.t.Fatal(err)
	}
	a := f.call(f.as(f.coreURL(0), identity.Administrator), "POST", f.coreURL(0)+"/api/v1/machines", raw)
	var done api.MachineDone
	if a.status != 200 || json.Unmarshal(a.body, &done) != nil {
		f.t.Fatalf("%+v: %d %s", c, a.status, a.body)
	}
	return done
}

// lineState is what the station says of its line, and enrolment what the core says of the station.
func (f *fleet) lineState() (state string, alarms []string) {
	var st struct {
		Line struct {
			State  string
			Alarms []string
		}
	}
	a := f.call(f.as(f.stationURL(), identity.WardOfficer), "GET", f.stationURL()+"/api/v1/stations", nil)
	if a.status != 200 || json.Unmarshal(a.body, &st) != nil {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	return st.Line.State, st.Line.Alarms
}

func (f *fleet) enrolment() string {
	var st struct {
		Items []api.Station
	}
	a := f.call(f.as(f.coreURL(0), identity.Auditor), "GET", f.coreURL(0)+"/api/v1/stations", nil)
	if a.status != 200 || json.Unmarshal(a.body, &st) != nil || len(st.Items) != 1 {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	return st.Items[0].Enrolment
}

// member is a machine that claims to be the station, with its files in dir.
func (f *fleet) member(dir, tokenFile string) (*trust.Member, *trust.Holder) {
	f.t.Helper()
	h := trust.NewHolder(time.Now)
	m, err := trust.OpenMember(trust.MemberConfig{Name: trust.StationName(Ward), Dir: dir, TokenFile: tokenFile, Cores: f.station.Core, Holder: h,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	})
	return m, h
}

// hello opens a line with a certificate, as an origin, and gives how it ended;
// nil when the city answered.
func (f *fleet) hello(h *trust.Holder, o record.Origin) error {
	conn, err := wire.Dial(f.cores[0].Sync, wire.Machines(h))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // its end is known
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	up, err := wire.NewLineClient(conn).Up(ctx, grpc.WaitForReady(false))
	if err != nil {
		return err
	}
	hello, _, err := wire.SayHello(o, 1, nil, time.Now().UnixMilli())
	if err != nil {
		f.t.Fatal(err)
	}
	if err := up.Send(&wire.UpFrame{Kind: &wire.UpFrame_Hello{Hello: hello}}); err != nil && err != io.EOF {
		return err
	}
	_, err = up.Recv()
	return err
}

// TestCity_Trust is the way of one station's identity: a token that is good
// once, another ward's name, revocation, two claimants, a rotated authority.
func TestCity_Trust(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startFleet(t)
	me := record.StationOrigin(Ward)
	keys := filepath.Join(f.station.Dir, "keys")
	stolen := filepath.Join(t.TempDir(), "stolen")
	if err := os.CopyFS(stolen, os.DirFS(keys)); err != nil {
		t.Fatal(err)
	}
	_, copied := f.member(stolen, "")

	if info, err := os.Stat(filepath.Join(keys, "machine.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the station's own key: %v %v", info.Mode(), err)
	}
	if err := f.hello(trust.NewHolder(time.Now), me); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
	if err := f.hello(copied, record.StationOrigin("27031")); status.Code(err) != codes.PermissionDenied {
		t.Errorf("in another ward's name: %v", err)
	}

	// The token that the station used, in somebody else's hands.
	seen := filepath.Join(t.TempDir(), "token")
	if raw, err := os.ReadFile(f.station.TLS.TokenFile); err != nil || writeSecret(seen, string(raw)) != nil {
		t.Fatal(err)
	}
	replayed, none := f.member(filepath.Join(t.TempDir(), "thief"), seen)
	f.wait("a replayed token is refused", func() bool {
		_, problem := replayed.Status()
		return problem != nil && none.Certificate() == nil
	})
	if state, _ := f.lineState(); state != "connected" {
		t.Errorf("the replay cut the station: %s", state)
	}

	f.ordered(api.MachineChange{Op: trust.OpRevoke, Name: "station/26704"})
	f.wait("the revoked station's line ends", func() bool { state, _ := f.lineState(); return state != "connected" })
	if err := f.hello(copied, me); err == nil {
		t.Error("a revoked station's certificate still opens a line")
	}
	if e := f.enrolment(); e != "revoked" {
		t.Errorf("the city says %s", e)
	}
	f.enrol()
	f.wait("a new token brings the station back, while it runs", func() bool { state, _ := f.lineState(); return state == "connected" })
	if err := f.hello(copied, me); err == nil {
		t.Error("the certificate of before the revocation opens a line")
	}

	// Two machines with one disk: the copy renews, then the station does.
	again := filepath.Join(t.TempDir(), "again")
	if err := os.CopyFS(again, os.DirFS(keys)); err != nil {
		t.Fatal(err)
	}
	twin, shows := f.member(again, "")
	first := shows.Certificate()
	twin.Renew()
	f.wait("the copy renews", func() bool { return shows.Certificate() != first })
	f.ordered(api.MachineChange{Op: trust.OpRotate})
	f.wait("the station, which renews under the new authority, is the second claimant", func() bool { return f.enrolment() == "held" })
	f.wait("its line ends", func() bool { state, _ := f.lineState(); return state != "connected" })
	if err := f.hello(shows, me); err == nil {
		t.Error("the copy is not held off")
	}
	f.wait("the desk says so", func() bool { _, alarms := f.lineState(); return hasAlarm(alarms, "two machines claim") })
	f.enrol()
	f.wait("the station that is enrolled anew comes back", func() bool { state, _ := f.lineState(); return state == "connected" })
	f.ordered(api.MachineChange{Op: trust.OpRetire})
	if err := f.hello(trust.NewHolder(time.Now), me); err == nil {
		t.Error("nobody's certificate opens a line")
	}
	f.wait("it stays when the old authority is retired", func() bool { state, _ := f.lineState(); return state == "connected" })
	f.stop["core-1"]()
	f.startCore(0)
	f.ready(f.coreURL(0))
	f.wait("a core node comes back under the new authority", func() bool { return f.hello(f.own(keys), me) == nil })
	f.stop["core-3"]()
	if err := os.RemoveAll(f.cores[2].Dir); err != nil {
		t.Fatal(err)
	}
	f.startCore(2)
	f.ready(f.coreURL(2)) // it knew of the first generation alone, which is retired
}

// own is the station's certificate as it lies on its disk now.
func (f *fleet) own(keys string) *trust.Holder {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), "own")
	if err := os.CopyFS(dir, os.DirFS(keys)); err != nil {
		f.t.Fatal(err)
	}
	h := trust.NewHolder(time.Now)
	if _, err := trust.OpenMember(trust.MemberConfig{Name: trust.StationName(Ward), Dir: dir, Holder: h, Now: time.Now}); err != nil {
		f.t.Fatal(err)
	}
	return h
}

// tlsDoors speaks to a city to try over TLS alone.
func tlsDoors(w *town) {
	t := w.t
	raw, err := os.ReadFile(w.file.CA)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(raw) {
		t.Fatal("the city's authority is no PEM")
	}
	get := func(url string, conf *tls.Config) error {
		c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
		a, err := c.Get(url + "/healthz")
		if err != nil {
			return err
		}
		return a.Body.Close()
	}
	st := w.file.Stations[0]
	urls := []string{w.file.Command.HTTPS, st.HTTPS}
	for _, n := range w.file.Core {
		urls = append(urls, n.TLS)
	}
	for _, url := range urls {
		if err := get(url, &tls.Config{RootCAs: trusted}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if get(url, &tls.Config{RootCAs: x509.NewCertPool()}) == nil {
			t.Errorf("%s: believed without the authority", url)
		}
		if get(url, &tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}) == nil {
			t.Errorf("%s: spoke TLS 1.2", url)
		}
	}
	d := w.file.Devices[0]
	for _, broker := range []string{"ssl://" + st.MQTTS, st.MQTTSW} {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetClientID(d.ID).SetUsername(d.ID).SetPassword(d.Password).
			SetTLSConfig(&tls.Config{RootCAs: trusted}).SetAutoReconnect(false).SetConnectTimeout(20 * time.Second))
		if k := c.Connect(); !k.WaitTimeout(30*time.Second) || k.Error() != nil {
			t.Fatalf("%s: %v", broker, k.Error())
		}
		id := newID()
		if k := c.Publish("wardline/v1/"+d.Ward+"/"+d.ID+"/report", 1, false, reportOf(id)); !k.WaitTimeout(30*time.Second) || k.Error() != nil {
			t.Fatalf("%s: %v", broker, k.Error())
		}
		c.Disconnect(100)
		w.once([]string{id})
	}
	if _, err := tls.Dial("tcp", st.MQTTS, &tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("MQTT over TLS 1.2")
	}
}
