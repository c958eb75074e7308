package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"wardline/sync/identity"
	"wardline/sync/streets"
)

// maxTiles bounds the tiles that are read at one time, each at most 2 MiB: what a
// station's small memory can spare while desks move their maps.
const maxTiles = 16

// getTiles says whether there are streets to draw, and what is needed to ask for them.
func (s *Server) getTiles(w http.ResponseWriter, _ *http.Request, _ identity.Officer) error {
	return s.answer(w, 200, s.Streets.Info())
}

// getTile is one tile. Its address holds the file's version, so it never changes and a
// browser keeps it. Tiles are served one by one, not as ranges of the file: so a browser
// needs no directory and no code to read one, a file of any size is asked for in bounded
// parts alone, and what is wrong with it is said by the node.
func (s *Server) getTile(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	version := r.PathValue("version")
	z, err := strconv.ParseUint(r.PathValue("z"), 10, 8)
	if err != nil {
		return Problem(400, "invalid-value", "z", "a zoom, 0 to 22")
	}
	x, err := strconv.ParseUint(r.PathValue("x"), 10, 32)
	if err != nil {
		return Problem(400, "invalid-value", "x", "a tile's column, a number")
	}
	y, err := strconv.ParseUint(r.PathValue("y"), 10, 32)
	if err != nil {
		return Problem(400, "invalid-value", "y", "a tile's row, a number")
	}
	select {
	case s.tiles <- struct{}{}:
		defer func() { <-s.tiles }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	b, gz, err := s.Streets.Tile(version, uint8(z), uint32(x), uint32(y))
	none := errors.Is(err, streets.ErrNoTile)
	switch {
	case errors.Is(err, streets.ErrOther):
		return Problem(404, "other-file", "version", "the tile file is another one by now; ask GET /api/v1/tiles again")
	case err != nil && !none:
		s.Log.Warn("a tile of the streets cannot be read", "err", err)
		return Problem(422, "broken-tile", "", "this tile cannot be read; copy the tile file again")
	}
	h := w.Header()
	etag := `"` + strings.Join([]string{version, r.PathValue("z"), r.PathValue("x"), r.PathValue("y")}, "-") + `"`
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	switch {
	case r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
		return nil
	case none:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case gz && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		h.Set("Content-Encoding", "gzip")
	case gz:
		if b, err = streets.Plain(b); err != nil {
			return Problem(422, "broken-tile", "", "this tile cannot be unpacked; copy the tile file again")
		}
	}
	h.Set("Content-Type", "application/vnd.mapbox-vector-tile")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the client has gone; there is nobody to tell
	return nil
}
