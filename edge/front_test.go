package edge

import (
	"net"
	"net/url"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/pires/go-proxyproto"

	"wardline/sync/identity"
	"wardline/sync/rates"
)

// TestStation_DevicesBehindAFront_HaveLimitsOfTheirOwnAddresses: two phones that a TCP proxy passes
// on send as many reports as one address may, and neither is refused.
func TestStation_DevicesBehindAFront_HaveLimitsOfTheirOwnAddresses(t *testing.T) {
	const most = 5
	c := testConfig(t.TempDir())
	c.MQTT = "127.0.0.1:0"
	c.TrustedProxies = []string{"127.0.0.1"}
	c.Limits = rates.Config{Address: 1, AddressBurst: most}
	now := time.Now()
	c.Wall = func() time.Time { return now } // nothing is given back meanwhile
	c.Devices = nil
	for _, id := range []string{"app-1", "app-2"} {
		c.Devices = append(c.Devices, identity.DeviceAccount{ID: id, Password: identity.NewSecret(), Ward: c.Ward, Kind: "app"})
	}
	s := startStation(t, c)
	for i, d := range c.Devices {
		m := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.MQTTAddrs()[0].String()).SetClientID(d.ID).SetUsername(d.ID).
			SetPassword(d.Password).SetConnectTimeout(30 * time.Second).SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
			nc, err := net.Dial("tcp", u.Host)
			if err == nil {
				from := &net.TCPAddr{IP: net.IPv4(203, 0, 113, byte(7+i)), Port: 4711}
				_, err = proxyproto.HeaderProxyFromAddrs(2, from, nc.RemoteAddr()).WriteTo(nc)
			}
			return nc, err
		}))
		if k := m.Connect(); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
			t.Fatal(d.ID, k.Error())
		}
		t.Cleanup(func() { m.Disconnect(0) })
		for range most {
			_, raw := newReport("feedback")
			if k := m.Publish("wardline/v1/"+string(d.Ward)+"/"+d.ID+"/report", 1, false, raw); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
				t.Fatal(d.ID, k.Error())
			}
		}
	}
	if n := s.limits.Refused(); n != 0 {
		t.Errorf("%d reports were refused: both phones count as one address", n)
	}
}

// TestStation_DevicesConnect_WhoAsksIsTold: the memory that the collector may let stand grows with them.
func TestStation_DevicesConnect_WhoAsksIsTold(t *testing.T) {
	const devices = connectedStep + 1
	c := testConfig(t.TempDir())
	c.MQTT = "127.0.0.1:0"
	c.Devices = nil
	for range devices {
		c.Devices = append(c.Devices, identity.DeviceAccount{ID: "app-" + identity.NewSecret()[:8], Password: identity.NewSecret(), Ward: c.Ward, Kind: "app"})
	}
	told := make(chan int, 100)
	c.Connected = func(n int) { told <- n }
	s := startStation(t, c)
	var all []paho.Client
	for _, d := range c.Devices {
		m := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.MQTTAddrs()[0].String()).SetClientID(d.ID).SetUsername(d.ID).SetPassword(d.Password).SetAutoReconnect(false))
		if k := m.Connect(); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
			t.Fatal(d.ID, k.Error())
		}
		all = append(all, m)
	}
	for _, want := range []int{devices, 0} {
		select {
		case n := <-told:
			if n != want {
				t.Fatalf("told %d, not %d", n, want)
			}
		case <-time.After(60 * time.Second):
			t.Fatal("nobody is told")
		}
		for _, m := range all {
			m.Disconnect(0)
		}
		all = nil
	}
}
