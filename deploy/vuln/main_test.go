package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustKnown(t *testing.T, text string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "known.txt")
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestVuln_PlantedVulnerability_IsFound_ExceptedWithAReason_AndUnreachableIsSaid runs the
// real tool over a copy of a database that names a function of the standard library.
func TestVuln_PlantedVulnerability_IsFound_ExceptedWithAReason_AndUnreachableIsSaid(t *testing.T) {
	if testing.Short() {
		t.Skip("runs govulncheck")
	}
	var out bytes.Buffer
	r := run{out: &out, db: "file://testdata/db"}
	none := mustKnown(t, "# nothing\n")
	err := r.all(none, "", []string{"testdata/calls"})
	if strings.Contains(out.String(), "NOT LOOKED AT: "+tool) {
		t.Skip(out.String())
	}
	if !errors.Is(err, errFound) || !strings.Contains(out.String(), "GO-2026-0001") || !strings.Contains(out.String(), "planted.example/calls.main") {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	if err := r.all(mustKnown(t, "GO-2026-0001 2999-01-01 planted for this test\nGO-2026-0002 2999-01-01 is not there any more\n"), "", []string{"testdata/calls"}); err != nil ||
		!strings.Contains(out.String(), "planted for this test") || !strings.Contains(out.String(), "GO-2026-0002 stands among the known ones and was not found") {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	r.db = "file://" + filepath.Join(t.TempDir(), "no-copy")
	if err := r.all(none, "", []string{"testdata/calls"}); err != nil || !strings.Contains(out.String(), "NOT LOOKED AT: the database") {
		t.Errorf("%v\n%s", err, &out)
	}
	r.must = true
	if err := r.all(none, "", []string{"testdata/calls"}); !errors.Is(err, errUnseen) {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestKnown_EveryException_HasADayAndAReason(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"GO-1 2026-12-31 cannot be reached here": "",
		"# a remark\n\n":                         "",
		"GO-1 2026-12-31":                        ":1: write an id",
		"GO-1 soon cannot be reached here":       "is no day",
		"GO-1 2026-11-30 cannot be reached here": "ended on 2026-11-30",
	} {
		_, err := readKnown(mustKnown(t, text), now)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := readKnown("known.txt", now); err != nil {
		t.Error(err)
	}
}
