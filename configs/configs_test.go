package configs

import (
	"errors"
	"strings"
	"testing"
)

type sample struct {
	Name string `yaml:"name"`
	Port int    `yaml:"port"`
}

func (s *sample) Validate() error {
	if s.Port == 0 {
		return errors.New("port is 0")
	}
	return nil
}

func TestDecode_Faults_NameFileAndLine(t *testing.T) {
	for raw, want := range map[string]string{
		"name: a\nport: 1\nprot: 2\n": "prot",
		"name: a\nport: x\n":          "port",
		"name: a\n":                   "port is 0",
		"name: [\n":                   "x.yaml",
	} {
		err := Decode("x.yaml", []byte(raw), &sample{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.yaml") {
			t.Errorf("%q: %v", raw, err)
		}
	}
	var s sample
	if err := Decode("x.yaml", []byte("name: a\nport: 2\n"), &s); err != nil || s.Port != 2 {
		t.Fatal(err)
	}
}
