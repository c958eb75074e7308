package city

import (
	"net/http"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"wardline/sync/identity"
)

// TestCity_Device_AddedAtTheCore_SpeaksToItsStation_AndIsDroppedWhenThatHears adds a
// kiosk, revokes it while the ward is cut off, and heals the line.
func TestCity_Device_AddedAtTheCore_SpeaksToItsStation_AndIsDroppedWhenThatHears(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	admin := w.login(w.file.Command.URL, string(identity.Administrator))
	core, st := w.file.Command.URL, w.file.Stations[0]
	var made struct{ Password string }
	if n := w.do(admin, "PUT", core+"/api/v1/devices/kiosk-9", []byte(`{"ward":"26704","kind":"kiosk"}`), &made); n != 200 {
		t.Fatal(n)
	}
	var elsewhere struct{ Password string }
	if n := w.do(admin, "PUT", core+"/api/v1/devices/kiosk-10", []byte(`{"ward":"27031","kind":"kiosk"}`), &elsewhere); n != 200 {
		t.Fatal(n)
	}
	lost := make(chan error, 1)
	connect := func(id, password string) (paho.Client, bool) {
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + st.MQTT).SetClientID(id).SetUsername(id).SetPassword(password).
			SetAutoReconnect(false).SetConnectTimeout(20 * time.Second).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
		k := c.Connect()
		return c, k.WaitTimeout(30*time.Second) && k.Error() == nil
	}
	var kiosk paho.Client
	w.wait("the station knows the kiosk", func() (ok bool) { kiosk, ok = connect("kiosk-9", made.Password); return ok })
	id := newID()
	if k := kiosk.Publish("wardline/v1/26704/kiosk-9/report", 1, false, reportOf(id)); !k.WaitTimeout(30*time.Second) || k.Error() != nil {
		t.Fatal(k.Error())
	}
	w.once([]string{id})
	if _, ok := connect("kiosk-10", elsewhere.Password); ok {
		t.Error("a device of another ward came in")
	}

	w.control("cut", map[string][]string{"mode": {"blackhole"}})
	if n := w.do(admin, "DELETE", core+"/api/v1/devices/kiosk-9", nil, nil); n != 204 {
		t.Fatal(n)
	}
	app := w.file.Devices[0]
	if n := w.do(admin, "DELETE", core+"/api/v1/devices/"+app.ID, nil, nil); n != 204 {
		t.Fatal(n)
	}
	as := func(base, id, password string) int {
		r, err := http.NewRequest("GET", base+"/api/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(id, password)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		_ = a.Body.Close() // its status is all
		return a.StatusCode
	}
	w.wait("the city turns both away at once", func() bool {
		return as(core, "kiosk-9", made.Password) == 401 && as(core, app.ID, app.Password) == 401
	})
	if !kiosk.IsConnectionOpen() || as(st.URL, app.ID, app.Password) != 200 {
		t.Error("the station, which is cut off, cannot know yet")
	}
	w.control("cut", map[string][]string{"mode": {""}})
	select {
	case <-lost:
	case <-time.After(60 * time.Second):
		t.Fatal("the station heard, and the kiosk is still connected")
	}
	if _, ok := connect("kiosk-9", made.Password); ok {
		t.Error("a revoked kiosk came in again")
	}
	w.wait("a device of the configuration is turned away too", func() bool { return as(st.URL, app.ID, app.Password) == 401 })
	w.kill(st.ID)
	w.wait("the station is back", func() bool { return as(st.URL, w.file.Devices[1].ID, w.file.Devices[1].Password) == 200 })
	if as(st.URL, app.ID, app.Password) != 401 {
		t.Error("after a restart the revoked device is let in")
	}
	var list struct {
		Items []struct {
			ID      string
			Revoked bool
		}
	}
	if n := w.do(admin, "GET", core+"/api/v1/devices", nil, &list); n != 200 || len(list.Items) != 3 {
		t.Errorf("%d %+v", n, list)
	}
}
