package screens

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// like is a built workspace in small.
func like() fstest.MapFS {
	return fstest.MapFS{
		"placeholder.html":            {Data: []byte("run make build")},
		"built/desk/index.html":       {Data: []byte("<script src=/assets/desk-1.js>")},
		"built/assets/desk-1.js":      {Data: []byte("plain script")},
		"built/assets/desk-1.js.br":   {Data: []byte("brotli")},
		"built/assets/desk-1.js.gz":   {Data: []byte("gzip")},
		"built/assets/noto-1.woff2":   {Data: []byte("font")},
		"built/citizen/manifest.json": {Data: []byte("{}")},
	}
}

func ask(t *testing.T, f *Files, method, path string, header ...string) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	return w, f.Serve(w, r)
}

func TestFiles_Asset_IsImmutableAndSentAsSmallAsAccepted(t *testing.T) {
	f, err := load(like())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ accept, encoding, body string }{
		{"gzip, deflate, br, zstd", "br", "brotli"}, {"gzip", "gzip", "gzip"}, {"", "", "plain script"}, {"br;q=0, gzip", "gzip", "gzip"}, {"identity", "", "plain script"},
	} {
		w, ok := ask(t, f, "GET", "/assets/desk-1.js", "Accept-Encoding", c.accept)
		if !ok || w.Body.String() != c.body || w.Header().Get("Content-Encoding") != c.encoding {
			t.Errorf("%q: %q as %q", c.accept, w.Body, w.Header().Get("Content-Encoding"))
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%v", w.Header())
		}
	}
	if w, _ := ask(t, f, "HEAD", "/assets/desk-1.js"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
	if _, ok := ask(t, f, "GET", "/assets/../placeholder.html"); ok {
		t.Error("served what is not built")
	}
	if _, ok := ask(t, f, "GET", "/assets/desk-1.js.br"); ok {
		t.Error("a compressed form has no address of its own")
	}
}

func TestFiles_Page_IsAskedForAnewAndForbidsInlineScript(t *testing.T) {
	f, err := load(like())
	if err != nil {
		t.Fatal(err)
	}
	w, ok := ask(t, f, "GET", "/desk/")
	if !ok || w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%v %v", ok, w.Header())
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	again, _ := ask(t, f, "GET", "/desk/", "If-None-Match", w.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("unchanged: %d", again.Code)
	}
}

func TestFiles_NotBuilt_SaysWhatToRun(t *testing.T) {
	only := like()
	delete(only, "built/desk/index.html")
	f, err := load(only)
	if err != nil {
		t.Fatal(err)
	}
	w, ok := ask(t, f, "GET", "/desk/")
	if !ok || f.Built() || w.Code != 503 || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%v %d %s", ok, w.Code, w.Body)
	}
	raw, err := os.ReadFile("dist/placeholder.html")
	if err != nil || !strings.Contains(string(raw), "make build") {
		t.Errorf("the committed placeholder does not say what to run: %v", err)
	}
}

// budgets are the most that a screen's own script may weigh, gzip, in bytes: what a
// phone on a slow line, and a desk's old PC, can be asked to load and read.
var budgets = map[string]int{"desk": 120 << 10, "command": 120 << 10, "citizen": 60 << 10}

func TestBuilt_Scripts_StayWithinTheirBudget(t *testing.T) {
	f := Load()
	if !f.Built() {
		t.Skip("not built; run make screens")
	}
	script := regexp.MustCompile(`assets/[\w.-]+\.js`)
	relative := regexp.MustCompile(`"(?:\./|/assets/)([\w.-]+\.js)"`)
	for name, most := range budgets {
		seen, sum := map[string]bool{}, 0
		var load func(string)
		load = func(file string) {
			x := f.byPath[file]
			if x == nil || seen[file] {
				return
			}
			seen[file] = true
			if x.gz != nil {
				sum += len(x.gz)
			} else {
				sum += len(x.plain)
			}
			for _, m := range relative.FindAllSubmatch(x.plain, -1) {
				load("assets/" + string(m[1]))
			}
		}
		for _, m := range script.FindAllString(string(f.byPath[name+"/index.html"].plain), -1) {
			load(m)
		}
		t.Logf("%s: %d bytes of script", name, sum)
		if len(seen) == 0 || sum > most {
			t.Errorf("%s: %d bytes of script in %d files, at most %d", name, sum, len(seen), most)
		}
	}
}

// What is embedded now, where it was built.
func TestBuilt_Pages_HaveNothingInlineAndNameOnlyOwnFiles(t *testing.T) {
	f := Load()
	if !f.Built() {
		t.Skip("not built; run make screens")
	}
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\son[a-z]+=|\sstyle=|https?://`)
	for name, x := range f.byPath {
		if path.Ext(name) != ".html" {
			continue
		}
		if at := inline.Find(x.plain); at != nil {
			t.Errorf("%s: %q would be refused by the policy, or leads elsewhere", name, at)
		}
	}
	for _, name := range Names {
		if f.byPath[name+"/index.html"] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name, x := range f.byPath {
		if ext := path.Ext(name); (ext == ".js" || ext == ".css") && len(x.plain) > 1000 && (x.br == nil || x.gz == nil) {
			t.Errorf("%s is not precompressed", name)
		}
	}
	if _, err := fs.Stat(dist, "dist/placeholder.html"); err != nil {
		t.Error(err)
	}
}
