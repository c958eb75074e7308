// Package screens serves the browser screens: the ward desk, the command centre
// and the citizen's page. They are built by `make screens` into dist/built and are
// part of the binary; built without Node, the binary serves a page that says
// what to run.
//
// It serves files and knows nothing else: all that a screen shows comes from the
// interface (sync/api), under the same rights as any other client.
package screens

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed all:dist
var dist embed.FS

// Policy is the Content-Security-Policy of every screen: scripts, styles, fonts
// and connections from this origin alone, nothing inline. blob: is for pictures
// and films that a person has just taken and that are still on the device.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; " +
	"img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Names are the screens, each at /NAME/.
var Names = []string{"desk", "command", "citizen", "admin"}

// file is one built file in the forms that it can be sent in.
type file struct {
	kind  string // the media type
	etag  string
	plain []byte
	br    []byte // nil: not smaller than plain
	gz    []byte
}

// Files are the built screens.
type Files struct {
	byPath map[string]*file // as in the address, without the leading slash
	absent []byte           // what stands in for the screens; nil when they are there
}

// types of what is built; mime.TypeByExtension asks the system's tables, which differ.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".woff2": "font/woff2", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json",
	".webmanifest": "application/manifest+json", ".ico": "image/x-icon", ".txt": "text/plain; charset=utf-8",
}

// Load gives the embedded screens. They are read once; what is embedded can be read.
var Load = sync.OnceValue(func() *Files {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err)
	}
	f, err := load(root)
	if err != nil {
		panic(err)
	}
	return f
})

// load reads a folder that holds placeholder.html and, when they were built, built/….
func load(root fs.FS) (*Files, error) {
	f := &Files{byPath: map[string]*file{}}
	built, err := fs.Sub(root, "built")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(built, "desk/index.html"); err != nil {
		f.absent, err = fs.ReadFile(root, "placeholder.html")
		return f, err
	}
	err = fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		plain, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(plain)
		x := &file{kind: typeOf(name), etag: `"` + hex.EncodeToString(sum[:8]) + `"`, plain: plain}
		if b, err := fs.ReadFile(built, name+".br"); err == nil {
			x.br = b
		}
		if b, err := fs.ReadFile(built, name+".gz"); err == nil {
			x.gz = b
		}
		f.byPath[name] = x
		return nil
	})
	return f, err
}

func typeOf(name string) string {
	if t, ok := types[path.Ext(name)]; ok {
		return t
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Built says whether the screens are in this binary.
func (f *Files) Built() bool { return f.absent == nil }

// Serve answers GET /NAME/… and /assets/…. It reports whether there is such a
// file; when not, nothing was written.
func (f *Files) Serve(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Content-Security-Policy", Policy)
	if f.absent != nil {
		h.Set("Content-Type", types[".html"])
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(f.absent) // the client has gone; there is nobody to tell
		return true
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	x, ok := f.byPath[name]
	if !ok {
		return false
	}
	// An asset's name holds its content's hash: it never changes. Everything else is asked for anew.
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Type", x.kind)
	h.Set("ETag", x.etag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == x.etag {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	body := x.plain
	switch accept := r.Header.Get("Accept-Encoding"); {
	case x.br != nil && accepts(accept, "br"):
		h.Set("Content-Encoding", "br")
		body = x.br
	case x.gz != nil && accepts(accept, "gzip"):
		h.Set("Content-Encoding", "gzip")
		body = x.gz
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone; there is nobody to tell
	}
	return true
}

// accepts says whether a list of encodings (RFC 9110, section 12.5.3) names one
// without refusing it by q=0.
func accepts(list, encoding string) bool {
	for part := range strings.SplitSeq(list, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
