package edge

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"wardline/configs"
	"wardline/edge/bridge"
	"wardline/edge/ledger"
	"wardline/hardware/panel"
	"wardline/sync/identity"
	"wardline/sync/sealing"
)

// mustSample is the sample with every setting taken in and its placeholders filled.
func mustSample(t *testing.T, all bool) string {
	t.Helper()
	raw, err := configs.Sample("edge")
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	text := strings.ReplaceAll(string(raw), "CHANGE-ME", "core-1.example")
	if all {
		text = regexp.MustCompile(`(?m)^#([a-z]|  )`).ReplaceAllString(text, "$1")
	}
	book := filepath.Join(secrets, "contacts.yaml")
	if err := os.WriteFile(book, []byte("contacts:\n  - {id: tt-1, name: Tổ tuần tra 1, kind: patrol, unit: ward/26704, radio: Kênh 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "/etc/wardline/contacts.yaml", book)
	return regexp.MustCompile(`/etc/wardline/secrets/([\w-]+)`).ReplaceAllStringFunc(text, func(p string) string {
		file := filepath.Join(secrets, filepath.Base(p))
		if err := os.WriteFile(file, []byte(identity.NewSecret()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	})
}

func TestConfig_Sample_IsTaken_AndShowsTheDefaults(t *testing.T) {
	var plain, c Config
	if err := configs.Decode("edge.yaml", []byte(mustSample(t, false)), &plain); err != nil {
		t.Fatal(err)
	}
	if err := configs.Decode("edge.yaml", []byte(mustSample(t, true)), &c); err != nil {
		t.Fatal(err)
	}
	if want := ledger.Default("", "").Reserve >> 20; c.ReserveMB != want {
		t.Errorf("reserve_mb %d is not the default, %d", c.ReserveMB, want)
	}
	if c.WrappingDays != sealing.DefaultTurnDays {
		t.Errorf("wrapping_days %d is not the default", c.WrappingDays)
	}
	if want := int(identity.DefaultIdle.Minutes()); c.SessionIdleMin != want {
		t.Errorf("session_idle_min %d is not the default, %d", c.SessionIdleMin, want)
	}
	p, pr := c.Panels[0], must(panel.Default(panel.SurGard))
	if p.Baud != pr.Baud || p.Size != pr.Size || p.Parity != pr.Parity || p.HeaderWidth != pr.HeaderWidth || time.Duration(p.SupervisionS)*time.Second != pr.Supervision {
		t.Errorf("%+v is not the default, %+v", p, pr)
	}
	if f := c.Bridges[0].Filters; len(f) != 1 || f[0] != bridge.DefaultFilter {
		t.Errorf("filters %v are not the default", f)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestConfig_EveryKey_StandsInTheSample_AndThereAreFew(t *testing.T) {
	text := mustSample(t, true)
	n := 0
	var count func(reflect.Type)
	count = func(s reflect.Type) {
		for i := range s.NumField() {
			key, _, _ := strings.Cut(s.Field(i).Tag.Get("yaml"), ",")
			if key == "-" {
				continue
			}
			if n++; !strings.Contains(text, key+":") {
				t.Errorf("%s is not in the sample", key)
			}
			if f := s.Field(i).Type; f.Kind() == reflect.Slice && f.Elem().Kind() == reflect.Struct {
				count(f.Elem())
			}
		}
	}
	count(reflect.TypeFor[Config]())
	if n > 47 { // two of them name the disk's key, one the proxies
		t.Errorf("%d keys; more than 47 nobody oversees", n)
	}
}

func TestConfig_Faults_NameFieldAndLine(t *testing.T) {
	text := mustSample(t, true)
	for change, want := range map[string]string{
		"role: edge=>role: core":                                                        "edge.yaml:9: role: ",
		"ward: \"26704\"\n\n=>ward: here\n\n":                                           "edge.yaml:12: ward: \"here\" is no ward's code",
		"- core-1.example:7001=>- core-1.example":                                       ": core[0]: \"core-1.example\" is no address",
		"http: 0.0.0.0:8801=>http: 0.0.0.0":                                             ": http: ",
		"mqtt: 0.0.0.0:1883=>mqtt: 0.0.0.0:mqtt":                                        ": mqtt: ",
		"mqtt_ws: 0.0.0.0:8083=>mqtt_ws: 0.0.0.0:99999":                                 ": mqtt_ws: ",
		"baud: 19200=>baud: 19201":                                                      ": panels[0].baud: 19201 is no usual speed (use one of",
		"baud: 19200=>baud: fast":                                                       ": panels[0].baud: is text (write a whole number)",
		"supervision_s: 90=>supervision_s: -1":                                          ": panels[0].supervision_s: is -1s",
		"protocol: surgard=>protocol: morse":                                            ": panels[0].protocol: \"morse\" is unknown",
		"device: panel-1=>device: kiosk-1":                                              ": panels[0].device: is \"kiosk-1\", which devices[0] has",
		"panels:=>panels:\n  - device: panel-1\n    port: /dev/a\n    protocol: button": ": panels[1].device: is \"panel-1\", which panels[0] has",
		"id: kiosk-1=>id: hall":                                                         ": bridges[0].name: is \"hall\" and a device of this station is \"hall\"",
		"url: ssl:=>url: http:":                                                         ": bridges[0].url: has no scheme",
		"url: ssl://10=>url: ssl://u:planted-Secret@10":                                 ": bridges[0].password: is given 2 times",
		"- wardline/v1/+/+/report=>- '#/a'":                                             ": bridges[0].filters[0]: ",
		"session_idle_min: 30=>session_idle_min: 900":                                   ": session_idle_min: is 900 (write 0",
		"reserve_mb: 128=>reserve_mb: -1":                                               ": reserve_mb: is -1",
	} {
		from, to, _ := strings.Cut(change, "=>")
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in the sample", from)
		}
		err := configs.Decode("edge.yaml", []byte(strings.Replace(text, from, to, 1)), &Config{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  gives %v\n  wanted %s", change, err, want)
		} else if strings.Contains(err.Error(), "Secret") {
			t.Errorf("a password stands in %v", err)
		}
	}
}

func TestConfig_WrappingDays_OutOfBounds_AreNamed(t *testing.T) {
	for days, good := range map[int]bool{-1: false, 0: true, 1: true, 31: true, 32: false} {
		c := Config{WrappingDays: days}
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "wrapping_days") == good {
			t.Errorf("%d: %v", days, err)
		}
	}
}
