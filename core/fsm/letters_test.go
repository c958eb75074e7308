package fsm

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRows_EachKind_HasALetterOfItsOwn: two kinds of rows under one letter read each
// other's rows as damage, and every node of the city ends.
func TestRows_EachKind_HasALetterOfItsOwn(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	letter := regexp.MustCompile(`(?m)^\s*(?:const )?(row[A-Z]\w*)\s*= '(.)'`)
	of := map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range letter.FindAllStringSubmatch(string(raw), -1) {
			if old := of[m[2]]; old != "" {
				t.Errorf("%s and %s are both %q", old, m[1], m[2])
			}
			of[m[2]] = m[1]
		}
	}
	if len(of) < 20 {
		t.Errorf("only %d letters were found", len(of))
	}
}
