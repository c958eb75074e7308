package api

import (
	"io"
	"net/http"
	"strconv"

	"wardline/sync/identity"
)

type entriesJSON struct {
	Items []EntryRow `json:"items"`
	Next  *uint64    `json:"next"`
}

// getEntries is the city's log in order, for auditors. A page's next is what
// to send as after; it is null on the last page.
func (s *Server) getEntries(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	city, ok := s.Backend.(CityLog)
	if !ok {
		return Problem(404, "not-here", "", "the city's log is read at the core")
	}
	v := r.URL.Query()
	var after uint64
	if t := v.Get("after"); t != "" {
		n, err := strconv.ParseUint(t, 10, 64)
		if err != nil {
			return Problem(400, "invalid-position", "after", "a city index, a number; leave it out to begin at the start")
		}
		after = n
	}
	limit, err := parseLimit(v)
	if err != nil {
		return err
	}
	rows, err := city.Entries(r.Context(), after, limit+1)
	if err != nil {
		return err
	}
	out := entriesJSON{Items: rows}
	if len(rows) > limit {
		out.Items = rows[:limit]
		out.Next = &rows[limit-1].Index
	}
	if out.Items == nil {
		out.Items = []EntryRow{}
	}
	return s.answer(w, 200, out)
}

func (s *Server) getDigest(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	city, ok := s.Backend.(CityLog)
	if !ok {
		return Problem(404, "not-here", "", "digests are of core nodes; ask one of them")
	}
	d, err := city.Digest(r.Context())
	if err != nil {
		return err
	}
	return s.answer(w, 200, d)
}

func (s *Server) getStations(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	v, err := s.Backend.Stations(r.Context())
	if err != nil {
		return err
	}
	if v == nil {
		v = []Station{}
	}
	return s.answer(w, 200, map[string]any{"items": v, "line": s.Backend.Line()})
}

func (s *Server) getUnits(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	v, err := s.Backend.Units(r.Context())
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"items": v})
}

func (s *Server) getMalformed(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	q, ok := s.Backend.(Quarantined)
	if !ok {
		return s.answer(w, 200, map[string]any{"items": []any{}})
	}
	n, err := parseLimit(r.URL.Query())
	if err != nil {
		return err
	}
	v, err := q.Malformed(r.Context(), n)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"items": v})
}

func (s *Server) postWards(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	m, ok := s.Backend.(Manager)
	if !ok {
		return Problem(404, "not-here", "", "wards are imported at the core")
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxImport+1))
	if err != nil {
		return Problem(400, "not-read", "", "the request broke off")
	}
	if len(raw) > maxImport {
		return Problem(413, "too-large", "", "at most %d bytes", maxImport)
	}
	sum, err := m.ImportWards(r.Context(), o, raw)
	if err != nil {
		return err
	}
	return s.answer(w, 200, sum)
}
