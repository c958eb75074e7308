package edge

import (
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"wardline/sync/identity"
	"wardline/sync/rates"
)

// TestStation_FloodOfOneDevice_DoesNotDelayAnothersPanic lets one phone send as
// fast as it can while a button is pressed again and again.
func TestStation_FloodOfOneDevice_DoesNotDelayAnothersPanic(t *testing.T) {
	c := testConfig(t.TempDir())
	c.MQTT = "127.0.0.1:0"
	c.Limits = rates.Config{Device: 10, DeviceBurst: 50}
	c.Devices = nil
	for _, id := range []string{"app-flood", "button-7"} {
		c.Devices = append(c.Devices, identity.DeviceAccount{ID: id, Password: identity.NewSecret(), Ward: c.Ward, Kind: "app"})
	}
	s := startStation(t, c)
	connect := func(d identity.DeviceAccount) paho.Client {
		m := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.MQTTAddrs()[0].String()).SetClientID(d.ID).SetUsername(d.ID).
			SetPassword(d.Password).SetAutoReconnect(true).SetMaxReconnectInterval(time.Second).SetConnectTimeout(30 * time.Second))
		if k := m.Connect(); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
			t.Fatal(d.ID, k.Error())
		}
		t.Cleanup(func() { m.Disconnect(0) })
		return m
	}
	topic := func(d identity.DeviceAccount) string {
		return "wardline/v1/" + string(d.Ward) + "/" + d.ID + "/report"
	}
	flood, button := connect(c.Devices[0]), connect(c.Devices[1])
	for range 2000 {
		_, raw := newReport("feedback")
		flood.Publish(topic(c.Devices[0]), 1, false, raw) // most of them are never answered
	}
	for range 20 {
		_, raw := newReport("panic")
		if k := button.Publish(topic(c.Devices[1]), 1, false, raw); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
			t.Fatalf("a panic behind somebody else's flood: %v", k.Error())
		}
	}
	for end := time.Now().Add(60 * time.Second); s.limits.Refused() == 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the flood was not limited")
		}
	}
	if n := len(s.reports(t)); n < 20 || n > 20+2000 {
		t.Errorf("%d reports", n)
	}
}
