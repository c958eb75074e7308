package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"wardline/sync/identity"
	"wardline/sync/routing"
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

// getMalformed shows raw input, in which anybody may have written anything: at
// the core to those who see everything, at a station to its own people.
func (s *Server) getMalformed(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	n, err := parseLimit(r.URL.Query())
	if err != nil {
		return err
	}
	q, ok := s.Backend.(Quarantined)
	if _, city := s.Backend.(CityLog); !ok || city && !o.SeesAll() {
		return s.answer(w, 200, map[string]any{"items": []any{}})
	}
	v, err := q.Malformed(r.Context(), n)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"items": v})
}

func (s *Server) postWards(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	return s.imported(w, r, maxImport, "wards", func(m Manager, raw []byte) (any, error) {
		return m.ImportWards(r.Context(), o, raw, r.URL.Query().Get("keep") == "true")
	})
}

// postWardsPreview reads boundaries as an import would and changes nothing.
func (s *Server) postWardsPreview(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.administered()
	if err != nil {
		return err
	}
	return s.imported(w, r, maxImport, "wards", func(_ Manager, raw []byte) (any, error) {
		return a.PreviewWards(r.Context(), raw, r.URL.Query().Get("keep") == "true")
	})
}

// postRulesCheck says what is wrong with rules and changes nothing.
func (s *Server) postRulesCheck(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.administered()
	if err != nil {
		return err
	}
	return s.imported(w, r, routing.MaxRulesJSON, "rules", func(_ Manager, raw []byte) (any, error) { return a.CheckRules(r.Context(), raw) })
}

func (s *Server) postRules(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	return s.imported(w, r, routing.MaxRulesJSON, "rules", func(m Manager, raw []byte) (any, error) { return m.ImportRules(r.Context(), o, raw) })
}

// imported reads a file of at most limit bytes and hands it to the core.
func (s *Server) imported(w http.ResponseWriter, r *http.Request, limit int64, what string, take func(Manager, []byte) (any, error)) error {
	m, ok := s.Backend.(Manager)
	if !ok {
		return Problem(404, "not-here", "", "%s are imported at the core", what)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return Problem(400, "not-read", "", "the request broke off")
	}
	if int64(len(raw)) > limit {
		return Problem(413, "too-large", "", "at most %d bytes", limit)
	}
	out, err := take(m, raw)
	if err != nil {
		return err
	}
	return s.answer(w, 200, out)
}

// getRules are the routing rules in effect, as POST /api/v1/rules takes them.
func (s *Server) getRules(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	raw, err := s.Backend.Rules(r.Context())
	if err != nil {
		return err
	}
	return s.answer(w, 200, json.RawMessage(raw))
}
