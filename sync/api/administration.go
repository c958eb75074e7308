package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Administered tells an administrator, and an auditor, how the city came to work as it
// does; only the core can.
type Administered interface {
	// Changes are the entries by which officers changed how the city works, newest first,
	// those before a city index; 0: from the last on.
	Changes(ctx context.Context, before uint64, limit int) ([]Change, error)
	// RulesVersions are the rules that were imported, the highest version first.
	RulesVersions(ctx context.Context) ([]RulesVersion, error)
	// CheckRules says what is wrong with rules, or gives them as they would be kept.
	CheckRules(ctx context.Context, raw []byte) (any, error)
	// PreviewWards reads boundaries and says what their import would change.
	PreviewWards(ctx context.Context, raw []byte, keep bool) (any, error)
}

// Change is one entry by which an officer changed how the city works. It names no
// secret and nobody who reported.
type Change struct {
	Index uint64        `json:"index"`
	ID    record.ID     `json:"id"`
	Kind  record.Kind   `json:"kind"`
	By    string        `json:"by"`
	Unit  record.UnitID `json:"unit"`
	At    Time          `json:"at"`
	// Subject is what was changed: an account, a device, a machine, a version.
	Subject string `json:"subject"`
	// Step is what was done: of a device add or revoke, of a machine token, revoke, rotate or
	// retire, of the rest empty.
	Step string `json:"step,omitempty"`
	// Reason is why, in the words of who did it, where such words are asked for.
	Reason string `json:"reason,omitempty"`
	// Detail is how it stands from then on, one word each: role, unit, ward, kind, parts.
	Detail map[string]string `json:"detail,omitempty"`
}

// RulesVersion is one version of the routing rules, who brought it, and whether it is
// in effect now.
type RulesVersion struct {
	Version  uint32          `json:"version"`
	By       string          `json:"by,omitempty"`
	At       *Time           `json:"at,omitempty"` // nil: built in
	Index    uint64          `json:"index,omitempty"`
	InEffect bool            `json:"in_effect"`
	Rules    json.RawMessage `json:"rules"`
}

func (s *Server) administered() (Administered, error) {
	a, ok := s.Backend.(Administered)
	if !ok {
		return nil, Problem(404, "not-here", "", "the city is administered at the core")
	}
	return a, nil
}

func (s *Server) getChanges(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.administered()
	if err != nil {
		return err
	}
	v := r.URL.Query()
	var before uint64
	if t := v.Get("before"); t != "" {
		if before, err = strconv.ParseUint(t, 10, 64); err != nil {
			return Problem(400, "invalid-position", "before", "a city index, a number; leave it out to begin with the last change")
		}
	}
	limit, err := parseLimit(v)
	if err != nil {
		return err
	}
	list, err := a.Changes(r.Context(), before, limit+1)
	if err != nil {
		return err
	}
	out := struct {
		Items []Change `json:"items"`
		Next  *uint64  `json:"next"`
	}{Items: append([]Change{}, list[:min(len(list), limit)]...)}
	if len(list) > limit {
		out.Next = &list[limit-1].Index
	}
	return s.answer(w, 200, out)
}

func (s *Server) getRulesVersions(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.administered()
	if err != nil {
		return err
	}
	list, err := a.RulesVersions(r.Context())
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"items": append([]RulesVersion{}, list...)})
}
