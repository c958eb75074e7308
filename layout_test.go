package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowed says, for each top-level folder, which of our folders it may import.
var allowed = map[string][]string{
	"hardware": {"hardware"},
	"configs":  {"configs"},
	"sync":     {"sync"},
	"edge":     {"edge", "configs", "hardware", "sync"},
	"core":     {"core", "configs", "sync"},
	"deploy":   {"deploy", "edge", "core", "configs", "hardware", "sync"},
}

// stdOnly are packages that import the standard library alone.
var stdOnly = map[string]bool{"sync/record": true, "sync/routing": false}

// badNames are package names that say nothing.
var badNames = map[string]bool{
	"sync": true, "http": true, "proto": true, "util": true, "utils": true,
	"common": true, "types": true, "helpers": true,
}

type goFile struct {
	path, dir, pkg string
	imports        []string
	test           bool
}

// readTree parses every Go file below the root, so that a cached build cannot
// hide a violation.
func readTree(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." {
			name := d.Name()
			if name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir // a module of its own
			}
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		gf := goFile{path: path, dir: filepath.ToSlash(filepath.Dir(path)), pkg: f.Name.Name, test: strings.HasSuffix(path, "_test.go")}
		for _, im := range f.Imports {
			p, _ := strconv.Unquote(im.Path.Value)
			gf.imports = append(gf.imports, p)
		}
		files = append(files, gf)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func top(dir string) string { return strings.SplitN(dir, "/", 2)[0] }

func TestLayout_OnlyTheOwnersTopLevelFolders(t *testing.T) {
	for _, f := range readTree(t) {
		if f.dir == "." {
			continue
		}
		if _, ok := allowed[top(f.dir)]; !ok {
			t.Errorf("%s: top-level folder %q is not one of the owner's", f.path, top(f.dir))
		}
		if f.dir == "sync" {
			t.Errorf("%s: sync holds no Go file of its own", f.path)
		}
		if badNames[strings.TrimSuffix(f.pkg, "_test")] {
			t.Errorf("%s: package name %q says nothing", f.path, f.pkg)
		}
	}
}

func TestLayout_ImportsFollowTheDataPath(t *testing.T) {
	for _, f := range readTree(t) {
		if f.dir == "." {
			continue
		}
		from := top(f.dir)
		for _, im := range f.imports {
			if !strings.HasPrefix(im, "wardline/") {
				if stdOnly[f.dir] && !f.test && strings.Contains(strings.SplitN(im, "/", 2)[0], ".") {
					t.Errorf("%s imports %s: %s uses the standard library only", f.path, im, f.dir)
				}
				continue
			}
			to := strings.TrimPrefix(im, "wardline/")
			ok := false
			for _, a := range allowed[from] {
				ok = ok || a == top(to)
			}
			if !ok {
				t.Errorf("%s imports %s: %s may not import %s", f.path, im, from, top(to))
			}
			// Packages inside edge and inside core do not import their siblings;
			// the root of each joins them.
			if (from == "edge" || from == "core") && top(to) == from && f.dir != from {
				fs, ts := strings.Split(f.dir, "/"), strings.Split(to, "/")
				if len(ts) < 2 || fs[1] != ts[1] {
					t.Errorf("%s imports its sibling %s", f.path, im)
				}
			}
		}
	}
}
