package core

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"wardline/configs"
	"wardline/core/cluster"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

// mustSample is the sample with every setting taken in and its placeholders filled.
func mustSample(t *testing.T, all bool) string {
	t.Helper()
	raw, err := configs.Sample("core")
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
	for _, all := range []bool{false, true} {
		var c Config
		if err := configs.Decode("core.yaml", []byte(mustSample(t, all)), &c); err != nil {
			t.Fatal(err)
		}
		if all && c.ReserveMB<<20 != cluster.Default().ReserveBytes {
			t.Errorf("reserve_mb %d is not the default, %d", c.ReserveMB, cluster.Default().ReserveBytes>>20)
		}
		if all && c.WrappingDays != sealing.DefaultTurnDays {
			t.Errorf("wrapping_days %d is not the default", c.WrappingDays)
		}
		if want := int(identity.DefaultIdle.Minutes()); all && c.SessionIdleMin != want {
			t.Errorf("session_idle_min %d is not the default, %d", c.SessionIdleMin, want)
		}
		d, err := c.directory()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := d.DeviceByID("app-1"); !ok {
			t.Error("the sample's device is not known")
		}
	}
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
	if n > 40 {
		t.Errorf("%d keys; more than 40 nobody oversees", n)
	}
}

func TestConfig_Faults_NameFieldAndLine(t *testing.T) {
	text := mustSample(t, false)
	for change, want := range map[string]string{
		"role: core=>role: edge":                                 "core.yaml:9: role: ",
		"id: core-1\n=>id: core-9\n":                             ": peers: does not name this node",
		"raft: core-1.example:7000=>raft: core-1.example:0":      ": raft: \"core-1.example:0\" has port 0",
		"raft: core-2.example:7000=>raft: 0.0.0.0:7000":          ": peers[1].raft: \"0.0.0.0:7000\" names no machine",
		"- id: core-3=>- id: core-2":                             ": peers[2].id: is \"core-2\", which peers[1] has",
		"raft: core-3.example:7000=>raft: core-2.example:7000":   ": peers[2].raft: is core-2.example:7000",
		"http: 127.0.0.1:8800=>http: 8800":                       "core.yaml:18: http: ",
		"sync: 0.0.0.0:7001=>":                                   "core.yaml:1: sync: is missing",
		"role: command_officer=>role: chief":                     ": officers[0].role: \"chief\" is no role",
		"user: administrator=>user: command":                     ": officers[1].user: is \"command\"",
		"ward: \"26704\"=>ward: \"2670\"":                        ": devices[0].ward: ",
		"id: app-1=>id: app 1":                                   ": devices[0].id: ",
		"kind: app\n=>kind: app\n    password: planted-Secret\n": ": devices[0].password: stands beside password_file",
		"city_key: /etc/wardline/city.key=>city_kay: x":          ": city_kay: is no key of this section (write city_key",
		"officer-command=>officer-nobody":                        ": officers[0].password_file: open ",
	} {
		from, to, _ := strings.Cut(change, "=>")
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in the sample", from)
		}
		err := configs.Decode("core.yaml", []byte(strings.Replace(text, from, to, 1)), &Config{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  gives %v\n  wanted %s", change, err, want)
		} else if strings.Contains(err.Error(), "Secret") {
			t.Errorf("a password stands in %v", err)
		}
	}
}

func TestConfig_AccountsOfAFile_MayLogIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	secret := identity.NewSecret()
	if err := os.WriteFile(file, []byte(secret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Officers: []identity.OfficerAccount{{User: "an", PasswordFile: file, Role: identity.Auditor, Unit: record.Command}}}
	d, err := c.directory()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.LogIn(t.Context(), "an", secret, false); err != nil {
		t.Error("the password of the file is not taken")
	}
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.directory(); err == nil || !strings.Contains(err.Error(), "officers[0].password_file") || strings.Contains(err.Error(), "short)") {
		t.Errorf("%v", err)
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
