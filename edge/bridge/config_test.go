package bridge

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestConfig_Faults_NameTheFieldAndNoSecret(t *testing.T) {
	const secret = "planted-Secret"
	for _, c := range []struct {
		Config
		want string
	}{
		{Config{Name: "", URL: "tcp://h"}, "name"},
		{Config{Name: "Hall", URL: "tcp://h"}, "name"},
		{Config{Name: "a/b", URL: "tcp://h"}, "name"},
		{Config{Name: strings.Repeat("a", 33), URL: "tcp://h"}, "name"},
		{Config{Name: "a", URL: ""}, "url"},
		{Config{Name: "a", URL: "10.0.0.5:1883"}, "url"},
		{Config{Name: "a", URL: "http://h"}, "url"},
		{Config{Name: "a", URL: "tcp://"}, "url"},
		{Config{Name: "a", URL: "tcp://h/path"}, "url"},
		{Config{Name: "a", URL: "tcp://u:" + secret + "/x@h:1883"}, "url"},
		{Config{Name: "a", URL: "tcp://u:" + secret + "%zz@h"}, "url"},
		{Config{Name: "a", URL: "tcp://u:" + secret + "@h", Username: "v"}, "username"},
		{Config{Name: "a", URL: "tcp://u:" + secret + "@h", Password: secret}, "password"},
		{Config{Name: "a", URL: "tcp://h", Username: "u", Password: secret, PasswordFile: "f"}, "password"},
		{Config{Name: "a", URL: "tcp://h", Password: secret}, "username"},
		{Config{Name: "a", URL: "tcp://h", ClientID: "a\x00b"}, "client_id"},
		{Config{Name: "a", URL: "tcp://h", Filters: []string{""}}, "filters[0]"},
		{Config{Name: "a", URL: "tcp://h", Filters: []string{"a/#", "#/a"}}, "filters[1]"},
		{Config{Name: "a", URL: "tcp://h", Filters: []string{"a+/b"}}, "filters[0]"},
		{Config{Name: "a", URL: "tcp://h", Filters: []string{"$share/g/a"}}, "filters[0]"},
		{Config{Name: "a", URL: "tcp://h", Filters: []string{"a", "a"}}, "filters[1]"},
		{Config{Name: "a", URL: "tcp://h", Filters: make([]string, 17)}, "filters"},
		{Config{Name: "a", URL: "tcp://h", CAFile: "ca.pem"}, "ca_file"},
	} {
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.Config, err)
		} else if strings.Contains(err.Error(), "Secret") {
			t.Errorf("a password stands in %q", err)
		}
	}
}

func TestConfig_Good_HasItsDefaults(t *testing.T) {
	for url, want := range map[string]string{
		"tcp://10.0.0.5": "tcp://10.0.0.5:1883", "ssl://broker.local": "ssl://broker.local:8883", "ws://h/mqtt": "ws://h:80/mqtt",
		"wss://h": "wss://h:443", "tcp://[::1]:99/": "tcp://[::1]:99/", "tcp://u:p@h:1": "tcp://h:1",
	} {
		c := Config{Name: "a", URL: url}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		if a, _ := c.address(); a.String() != want {
			t.Errorf("%s is %s", url, a)
		}
		if c.clientID("ward-26704") != "wardline-ward-26704-a" || c.filters()[0] != DefaultFilter {
			t.Errorf("%s %v", c.clientID("ward-26704"), c.filters())
		}
	}
}

func TestNew_MissingFiles_AreNamed(t *testing.T) {
	for _, c := range []Config{
		{Name: "a", URL: "tcp://h", Username: "u", PasswordFile: "/nonexistent/p"},
		{Name: "a", URL: "ssl://h", CAFile: "/nonexistent/ca"},
		{Name: "a", URL: "ssl://h", CAFile: "/dev/null"},
	} {
		if _, err := New(c, "ward-26704", newLedger(nil), time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "_file") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWait_Grows_WithJitterWithinItsBounds(t *testing.T) {
	var w wait
	for i := range 100 {
		full := min(time.Minute, time.Second<<min(i, 20))
		if d := w.next(time.Second, time.Minute); d < full/2 || d > full {
			t.Fatalf("try %d waits %v", i, d)
		}
	}
}
