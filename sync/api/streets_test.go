package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/streets"
)

// TestTiles_BrokenTile_IsSaidAndTheRestIsServed: one tile of a file that was damaged
// where it lies; a browser without gzip gets the others plain.
func TestTiles_BrokenTile_IsSaidAndTheRestIsServed(t *testing.T) {
	b, err := os.ReadFile("../streets/testdata/ward.pmtiles")
	if err != nil {
		t.Fatal(err)
	}
	copy(b[len(b)-200:], bytes.Repeat([]byte{0xff}, 200)) // of the last tiles
	path := filepath.Join(t.TempDir(), "streets.pmtiles")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	tiles := streets.New(path, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = tiles.Close() })
	info := tiles.Info()
	dir := identity.NewDirectory()
	o := identity.Officer{User: "x", Role: identity.WardOfficer, Unit: "ward/26704"}
	if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
		t.Fatal(err)
	}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
	s := api.New(api.Config{Directory: dir, Sessions: sessions, Log: slog.New(slog.DiscardHandler), Streets: tiles})
	ask := func(at, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/api/v1/tiles/"+info.Version+at, nil)
		r.Header.Set("Accept-Encoding", accept)
		r.AddCookie(&http.Cookie{Name: "wardline_session", Value: sessions.Start(o)})
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	packed, bare := ask("/10/816/481", "gzip, br"), ask("/10/816/481", "")
	z, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Cache-Control") != "private, max-age=31536000, immutable" {
		t.Fatalf("%v %v", err, packed.Header())
	}
	if whole, err := io.ReadAll(z); err != nil || bare.Header().Get("Content-Encoding") != "" || !bytes.Equal(whole, bare.Body.Bytes()) {
		t.Errorf("%v: packed and plain differ", err)
	}
	found := false
	for x := 13060; x <= 13070; x++ {
		for y := 7695; y <= 7715; y++ {
			if w := ask(fmt.Sprintf("/14/%d/%d", x, y), ""); w.Code == 422 {
				found = true
			} else if w.Code != 200 && w.Code != 204 {
				t.Errorf("14/%d/%d: %d %s", x, y, w.Code, w.Body)
			}
		}
	}
	if !found {
		t.Error("nothing was said of the broken tile")
	}
}
