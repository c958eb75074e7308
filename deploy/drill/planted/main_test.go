package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wardline/sync/planted"
)

var tag = regexp.MustCompile(`(?m)^//go:build planted_(\w+)$`)

// TestBugs_EachThatIsPlanted_IsTried also holds the list of tags in none.go,
// without which a build would have two names, or none.
func TestBugs_EachThatIsPlanted_IsTried(t *testing.T) {
	if planted.Name != "" {
		t.Skipf("this build has the bug %s", planted.Name)
	}
	dir := filepath.Join("..", "..", "..", "sync", "planted")
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var there, tried []string
	none := ""
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) == "none.go" {
			none = string(raw)
		}
		if m := tag.FindSubmatch(raw); m != nil {
			there = append(there, string(m[1]))
		}
	}
	for _, b := range bugs {
		tried = append(tried, b.name)
		if !strings.Contains(none, "planted_"+b.name+" ") && !strings.Contains(none, "planted_"+b.name+")") {
			t.Errorf("none.go does not name planted_%s", b.name)
		}
	}
	slices.Sort(there)
	slices.Sort(tried)
	if !slices.Equal(there, tried) {
		t.Errorf("planted: %v, tried: %v", there, tried)
	}
}

func TestVerdict_OfBothForms_IsTheCheckThatFailed(t *testing.T) {
	for out, want := range map[string]string{
		"    whole_test.go:84: seed 21 after 1m50s: not within 1m: listed: 17 are lacking\n        {Seed:21}\n":     "not within 1m: listed: 17 are lacking",
		"        x_test.go:1:     2.000s everything heals\n        x_test.go:1:  91.164s FAILED: a receipt for x\n": "a receipt for x",
		"panic: boom\n\ngoroutine 1\n": "failed: panic: boom",
		"        x_test.go:1:  91.164s FAILED: see above\n        check_test.go:158: report 1 was acknowledged by app and is not in the city\n": "report 1 was acknowledged by app and is not in the city",
	} {
		if got := verdict([]byte(out)); got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}

func TestAt_OfEachForm_IsTheSeedThatFailed(t *testing.T) {
	for out, want := range map[string]string{
		"    whole_test.go:84: seed 2 after 1m50s: not within 1m: listed: 17 are lacking\n":     "seed 2: ",
		"--- FAIL: TestSimulation (1.00s)\n    --- FAIL: TestSimulation/seed=12 (0.20s)\n":      "seed 12: ",
		"--- FAIL: TestReadsAndClaims_X (9s)\n    --- FAIL: TestReadsAndClaims_X/seed=1 (9s)\n": "seed 1: ",
		"panic: boom\n": "",
	} {
		if got := at([]byte(out)); got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}

func TestChecked_ABuildThatFails_IsNoFind(t *testing.T) {
	for out, want := range map[string]bool{
		"--- FAIL: TestSimulation (1.00s)\n    seed 7 after 3 steps: lost\nFAIL\nFAIL\twardline/deploy/drill\t1.1s\n": true,
		"# wardline/core\n./linear_test.go:5:2: undefined: x\nFAIL\twardline/core [build failed]\nFAIL\n":             false,
		"FAIL\twardline/core [setup failed]\n": false,
		"panic: runtime error\n":               false,
	} {
		if checked([]byte(out)) != want {
			t.Errorf("%q: want %v", out, want)
		}
	}
}
