package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wardline/sync/identity"
)

const goodEdge = "ward: \"26704\"\ndir: /d\nhttp: 127.0.0.1:0\ncore: [core-1:7001]\n"

func TestConfig_Role_ComesFromTheFileOrTheFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf.yaml")
	for _, c := range []struct{ content, args, want string }{
		{"role: edge\n" + goodEdge, "", ""},
		{goodEdge, "--role edge", ""},
		{"role: edge\n" + goodEdge, "--role edge", ""},
		{"role: edge\n" + goodEdge, "--role core", "conf.yaml:1: role: is \"edge\", but --role is core"},
		{goodEdge, "", "does not say its role"},
		{goodEdge, "--role kiosk", "one of core, edge"},
		{goodEdge + "role: gate\n", "", "conf.yaml:5: role: \"gate\" is no role (write core or edge)"},
		{goodEdge, "--role core", "conf.yaml:1: ward: is no key of this section"},
		{"role: edge\nwurd: \"26704\"\n", "", "conf.yaml:2: wurd: is no key of this section (write ward, or take it out)"},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Config(t.Context(), append([]string{"check", "--config", file}, strings.Fields(c.args)...))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %s: %v, wanted %q", c.content, c.args, err, c.want)
		}
	}
}

// A password in a file that is no YAML came into the journal with the lines around the error.
func TestEdge_BrokenFile_SaysTheLineAndNoSecret(t *testing.T) {
	secret := identity.NewSecret()
	file := filepath.Join(t.TempDir(), "conf.yaml")
	if err := os.WriteFile(file, []byte(goodEdge+"devices:\n  - id: app-1\n    password: "+secret+"\n   ward: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Edge(t.Context(), []string{"--config", file})
	if err == nil || !strings.Contains(err.Error(), "conf.yaml:8: ") || strings.Contains(err.Error(), secret[:8]) {
		t.Fatalf("%v", err)
	}
}

// printed is what f writes to standard output.
func printed(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = file
	f()
	os.Stdout = old
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestCommands_Help_SaysHowAndWhatEachFlagIsFor(t *testing.T) {
	for name, run := range map[string]func(context.Context, []string) error{"city": City, "core": Core, "edge": Edge, "sim": Sim, "wards": Wards, "rules": Rules, "config": Config} {
		said := printed(t, func() {
			if err := run(t.Context(), []string{"--help"}); !errors.Is(err, flag.ErrHelp) {
				t.Errorf("%s --help: %v", name, err)
			}
		})
		if !strings.HasPrefix(said, "wardline "+name) {
			t.Errorf("%s --help does not say how it is called: %q", name, said)
		}
		for _, line := range strings.Split(said, "\n") {
			if strings.HasPrefix(line, "  --") && len(strings.Fields(line)) < 4 {
				t.Errorf("%s: no word about %s", name, line)
			}
		}
		if !strings.Contains(said, "  --") {
			t.Errorf("%s: no flag is listed", name)
		}
	}
}

func TestConfig_Sample_IsPrinted_AndSaysWhatIsToBeFilledIn(t *testing.T) {
	for _, role := range []string{"core", "edge"} {
		sample := printed(t, func() {
			if err := Config(t.Context(), []string{"sample", "--role", role}); err != nil {
				t.Error(err)
			}
		})
		file := filepath.Join(t.TempDir(), role+".yaml")
		if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Config(t.Context(), []string{"check", "--config", file}); err == nil || !strings.Contains(err.Error(), "stands as in the sample, CHANGE-ME (fill it in)") {
			t.Errorf("%v", err)
		}
	}
}

func TestCommands_WordsLeftOverAndWrongFlags_AreSaid(t *testing.T) {
	for args, want := range map[string]string{
		"--data x spare":  "\"spare\" is left over",
		"--data x --dvcs": "wardline city --help",
	} {
		if err := City(t.Context(), strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("city %s: %v", args, err)
		}
	}
}
