package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Eraser destroys the keys of what identifies people; only the core can.
type Eraser interface {
	// Erase commits the erasure of a closed incident and carries it out at this node.
	// An error is an *Error, or a *record.Refusal.
	Erase(ctx context.Context, by identity.Officer, e Erasure) (uint64, error)
	// Erasures gives up to limit erasures before a city index, the newest first; 0: all.
	Erasures(ctx context.Context, before uint64, limit int) ([]ErasureState, error)
}

// Erasure is what an administrator asks for.
type Erasure struct {
	ID       record.ID
	Incident record.ID
	Reason   string
	// Soon: the wrapping keys turn at once, not at their time.
	Soon bool
}

// ErasureState is how far an erasure is. It is complete when every core node and every
// station that was told of the incident has destroyed the wrapping keys of before.
type ErasureState struct {
	Entry    record.ID `json:"entry"`
	Index    uint64    `json:"index"`
	Incident record.ID `json:"incident"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	At       Time      `json:"at"`
	Soon     bool      `json:"soon"`
	Complete *Time     `json:"complete,omitempty"`
	// Holders are the core nodes and the stations that had keys of it.
	Holders []ErasedAt `json:"holders"`
}

// ErasedAt is when a node or a station had destroyed its keys; nil: not yet.
type ErasedAt struct {
	Name string `json:"name"`
	At   *Time  `json:"at,omitempty"`
}

// whyErased are the reasons for an erasure; words of a list, so that no name comes
// into the log by this door.
var whyErased = []string{"request", "order", "mistake"}

func (s *Server) eraser() (Eraser, error) {
	b, ok := s.Backend.(Eraser)
	if !ok {
		return nil, Problem(404, "not-here", "", "what identifies people is erased by the city; ask one of its nodes")
	}
	return b, nil
}

func (s *Server) postErasure(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.eraser()
	if err != nil {
		return err
	}
	incident, err := pathID(r)
	if err != nil {
		return err
	}
	var in struct {
		ID     record.ID `json:"id"`
		Reason string    `json:"reason"`
		Soon   bool      `json:"soon"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	switch {
	case in.ID.Zero():
		return Problem(400, "missing", "id", "give the erasure an id of its own, a UUID")
	case !slices.Contains(whyErased, in.Reason):
		return Problem(400, "missing", "reason", "one of %v", whyErased)
	}
	index, err := b.Erase(r.Context(), o, Erasure{in.ID, incident, in.Reason, in.Soon})
	if ref, ok := asRefusal(err); ok { // whoever may erase need not see the incident
		if ref.Code == "unknown_target" {
			return Problem(404, "not-found", "id", "no incident %s is known here", incident)
		}
		e := Problem(409, ref.Code, ref.Field, "%s", ref.Detail)
		e.Code = ref.Code
		return e
	}
	if err != nil {
		return err
	}
	list, err := b.Erasures(r.Context(), index+1, 1)
	if err != nil {
		return err
	}
	if len(list) == 0 || list[0].Index != index {
		return Problem(409, "other-incident", "id", "this id stands for another entry")
	}
	return s.answer(w, 200, list[0])
}

// maxErasures bounds one answer.
const maxErasures = 200

func (s *Server) getErasures(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	b, err := s.eraser()
	if err != nil {
		return err
	}
	q := r.URL.Query()
	limit, before := 50, uint64(0)
	if v := q.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 {
			return Problem(400, "invalid-value", "limit", "a number from 1 to %d", maxErasures)
		}
	}
	if v := q.Get("before"); v != "" {
		if before, err = strconv.ParseUint(v, 10, 64); err != nil || before == 0 {
			return Problem(400, "invalid-value", "before", "a city index, as `next` gave it")
		}
	}
	limit = min(limit, maxErasures)
	list, err := b.Erasures(r.Context(), before, limit)
	if err != nil {
		return err
	}
	out := struct {
		Items []ErasureState `json:"items"`
		Next  *uint64        `json:"next"`
	}{Items: append([]ErasureState{}, list...)}
	if len(list) == limit {
		out.Next = &list[limit-1].Index
	}
	return s.answer(w, 200, out)
}

// open gives the sealed part of an entry of an incident; record.ErrSealed also where it
// is erased and this node has not got rid of its key yet.
func (s *Server) open(in *record.Incident, e *Stored) ([]byte, error) {
	if in.Erased.Covers(&e.Body) {
		return nil, record.ErrSealed
	}
	return s.Backend.Open(e.Position, e.Body.Payload.Sealed)
}
