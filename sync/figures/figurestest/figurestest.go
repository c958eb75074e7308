// Package figurestest holds what a process serves as metrics to the list that
// operators read.
package figurestest

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Same compares the names and meanings of what was scraped with the rows of a
// document, for names that begin with one of the prefixes.
func Same(t testing.TB, scraped, document string, prefixes ...string) {
	t.Helper()
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	served := rows(`(?m)^# HELP (wardline_\w+) (.*)$`, scraped, prefixes)
	listed := rows(`(?m)^\| (wardline_\w+) \| (.*) \|$`, string(doc), prefixes)
	if len(served) == 0 {
		t.Errorf("nothing is served that begins with %v", prefixes)
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if listed[name] != served[name] {
			t.Errorf("%s is served as %q and listed as %q in %s", name, served[name], listed[name], document)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := served[name]; !ok {
			t.Errorf("%s is listed in %s and not served", name, document)
		}
	}
}

func rows(pattern, text string, prefixes []string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(m[1], p) }) {
			out[m[1]] = m[2]
		}
	}
	return out
}
