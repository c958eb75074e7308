package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Limits of an action's texts, in characters. A note is read at a glance on a
// duty desk; longer writing belongs in a document.
const (
	maxNote   = 4000
	maxReason = 64
	maxMerge  = 50
)

// actionJSON is what a desk sends.
type actionJSON struct {
	ID        string           `json:"id"`
	Action    string           `json:"action"`
	Seen      string           `json:"seen"`
	Unit      record.UnitID    `json:"unit"`
	Category  *record.Category `json:"category"`
	Priority  *json.RawMessage `json:"priority"`
	Place     *placeIn         `json:"place"`
	Summary   *string          `json:"summary"`
	ToUnit    record.UnitID    `json:"to_unit"`
	ToOfficer string           `json:"to_officer"`
	Patrol    string           `json:"patrol"`
	Reason    string           `json:"reason"`
	Text      string           `json:"text"`
	Until     string           `json:"until"`
	Target    string           `json:"target"`
	Incidents []string         `json:"incidents"`
}

type placeIn struct {
	Lat       float64 `json:"lat"`
	Lon       float64 `json:"lon"`
	AccuracyM float64 `json:"accuracy_m"`
}

// doneJSON is the answer to an action; the same id again gets the same one.
type doneJSON struct {
	ID          record.ID     `json:"id"`
	Incident    record.ID     `json:"incident"`
	Action      string        `json:"action"`
	Entry       record.ID     `json:"entry"`
	Origin      record.Origin `json:"origin"`
	Incarnation string        `json:"incarnation"`
	Lane        string        `json:"lane"`
	Seq         record.Seq    `json:"seq"`
	Hash        record.Hash   `json:"hash"`
	At          Time          `json:"at"`
	Status      string        `json:"status"`
	Version     string        `json:"version"`
}

func (s *Server) postAction(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	var in actionJSON
	if err := readJSON(r, &in); err != nil {
		return err
	}
	body, plain, err := in.body(id, o)
	if err != nil {
		return err
	}
	action, err := record.ParseID(in.ID)
	if err != nil {
		return Problem(400, "invalid-id", "id", "%v", err)
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	before := record.Fold(id, bodiesOf(stored))
	if len(stored) == 0 || !o.Sees(before) {
		return Problem(404, "not-found", "id", "no incident %s is known here", id)
	}
	if err := s.known(&in, &body, before); err != nil {
		return err
	}
	if err := s.sameKind(r.Context(), &body, before); err != nil {
		return err
	}
	body.ID = record.DerivedID("action", id[:], action[:])
	var key *SealedKey
	if plain != nil {
		sealed, k, err := record.Seal(plain)
		if err != nil {
			return err
		}
		body.Payload.Sealed, key = &sealed, &SealedKey{sealed.Key, k}
	}
	done, err := s.Backend.Act(r.Context(), body, key)
	if err != nil {
		return s.refused(r, id, err)
	}
	// The answer is the state right after the entry, so that a repeat gets the same.
	stored, err = s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	var upTo []record.Body
	for _, e := range stored {
		if e.Position <= done.Position {
			upTo = append(upTo, e.Body)
		}
	}
	after := record.Fold(id, upTo)
	return s.answer(w, 200, doneJSON{ID: action, Incident: id, Action: in.Action, Entry: body.ID, Origin: done.Link.Origin,
		Incarnation: done.Link.Incarnation.String(), Lane: done.Link.Lane.String(), Seq: done.Link.Seq, Hash: done.Hash,
		At: Time(done.At), Status: after.Status, Version: after.Version()})
}

// refused puts the present state beside a refusal, so that the desk can show
// at once who holds the incident.
func (s *Server) refused(r *http.Request, id record.ID, err error) error {
	ref, ok := asRefusal(err)
	if !ok {
		return err
	}
	e := Problem(409, ref.Code, ref.Field, "%s", ref.Detail)
	e.Code = ref.Code
	if ref.Holder != nil {
		e.Holder = holderOf(ref.Holder)
	}
	if ref.Code == "missing" || ref.Code == "unknown_target" {
		e.Status, e.Title = 400, http.StatusText(400)
	}
	stored, rerr := s.Backend.Bodies(r.Context(), id)
	if rerr != nil {
		return e
	}
	if d, derr := s.detail(r, record.Fold(id, bodiesOf(stored)), stored); derr == nil {
		e.State = d
	}
	return e
}

func asRefusal(err error) (ref *record.Refusal, ok bool) {
	ok = errors.As(err, &ref)
	return ref, ok
}

// sealedText is what of an action identifies people.
type sealedText struct {
	Text    string `json:"text,omitempty"`
	Summary string `json:"summary,omitempty"`
}

func (a *actionJSON) body(incident record.ID, o identity.Officer) (record.Body, []byte, error) {
	var b record.Body
	kind, ok := record.ActionKind(a.Action)
	if !ok {
		return b, nil, Problem(400, "unknown-action", "action", "%q is not one of the actions in /openapi.yaml", a.Action)
	}
	if !o.MayAct(kind, a.Unit) {
		return b, nil, Problem(403, "not-allowed", "action", "the role %s of %s may not do this, or not for another unit", o.Role, o.Unit)
	}
	deps, err := record.DecodeSeen(a.Seen)
	if err != nil {
		return b, nil, Problem(400, "invalid-version", "seen", "%v", err)
	}
	b = record.Body{Incident: incident, Kind: kind, Deps: deps, Actor: record.Actor{Kind: record.ByOfficer, Name: o.User, Unit: o.Unit}}
	p := &b.Payload
	p.ToUnit, p.ToOfficer, p.Patrol, p.Reason = a.ToUnit, a.ToOfficer, a.Patrol, a.Reason
	if a.Unit != "" && a.Unit != o.Unit {
		p.Unit = a.Unit
	}
	for _, f := range []struct {
		name, v string
		max     int
	}{{"to_unit", string(a.ToUnit), maxReason}, {"to_officer", a.ToOfficer, maxReason}, {"patrol", a.Patrol, maxReason},
		{"reason", a.Reason, maxReason}, {"unit", string(a.Unit), maxReason}, {"text", a.Text, maxNote}} {
		if utf8.RuneCountInString(f.v) > f.max {
			return b, nil, Problem(400, "too-large", f.name, "at most %d characters", f.max)
		}
	}
	if err := a.fields(p); err != nil {
		return b, nil, err
	}
	text := sealedText{Text: a.Text}
	if a.Summary != nil {
		if utf8.RuneCountInString(*a.Summary) > maxNote {
			return b, nil, Problem(400, "too-large", "summary", "at most %d characters", maxNote)
		}
		text.Summary = *a.Summary
		p.Flags |= record.FlagSummary
	}
	if (kind == record.KindNote || kind == record.KindContact) && strings.TrimSpace(a.Text) == "" && a.Reason == "" {
		return b, nil, Problem(400, "missing", "text", "a note needs a text")
	}
	if text == (sealedText{}) {
		return b, nil, nil
	}
	plain, err := json.Marshal(text)
	return b, plain, err
}

// known says what is wrong with whom an action names. A unit or an officer that
// does not exist would have the incident for ever: nobody could accept or release it.
func (s *Server) known(a *actionJSON, b *record.Body, in *record.Incident) error {
	if u := a.ToUnit; u != "" && !s.unitExists(u, in) {
		return Problem(400, "unknown-unit", "to_unit", "no such unit; ward/ and five digits, command, or a department's code as in /api/v1/units")
	}
	if b.Kind != record.KindHandover || a.ToOfficer == "" {
		return nil
	}
	if to, ok := s.Directory.OfficerByUser(a.ToOfficer); !ok || to.Unit != b.UnitOf() || !to.May(identity.ActOnIncident) {
		return Problem(400, "unknown-officer", "to_officer", "no officer of %s who may act has this name", b.UnitOf())
	}
	return nil
}

// sameKind keeps practice and what is real apart: one of them that hides behind the other's
// file is missed.
func (s *Server) sameKind(ctx context.Context, b *record.Body, in *record.Incident) error {
	if b.Kind != record.KindMerge {
		return nil
	}
	for _, id := range b.Payload.Incidents {
		stored, err := s.Backend.Bodies(ctx, id)
		if err != nil {
			return err
		}
		if other := record.Fold(id, bodiesOf(stored)); len(stored) > 0 && (other.Exercise == nil) != (in.Exercise == nil) {
			e := Problem(409, "exercise", "incidents", "one of them is an exercise's and the other is real; say first that it is real too")
			e.Code = "exercise"
			return e
		}
	}
	return nil
}

// unitExists: a ward by the form of its name, any other by the list, by having
// officers, or by having been told by the rules.
func (s *Server) unitExists(u record.UnitID, in *record.Incident) bool {
	if strings.HasPrefix(string(u), "ward/") {
		_, ok := u.Ward()
		return ok
	}
	if _, told := in.Unit(u); told {
		return true
	}
	return slices.ContainsFunc(AllUnits(), func(x Unit) bool { return x.ID == u }) || s.Directory.HasUnit(u)
}

func (a *actionJSON) fields(p *record.Payload) error {
	if a.Category != nil {
		if !a.Category.Valid() {
			return Problem(400, "unknown-category", "category", "%q is none of %v", *a.Category, record.Categories)
		}
		p.Category = *a.Category
	}
	if a.Priority != nil {
		n, ok := map[string]record.Priority{"1": 1, "2": 2, "3": 3, "4": 4, `"P1"`: 1, `"P2"`: 2, `"P3"`: 3, `"P4"`: 4}[string(*a.Priority)]
		if !ok {
			return Problem(400, "out-of-range", "priority", "one of P1, P2, P3, P4")
		}
		p.Priority = n
	}
	if a.Place != nil {
		l := a.Place
		if !(l.Lat >= -90 && l.Lat <= 90) || !(l.Lon >= -180 && l.Lon <= 180) || !(l.AccuracyM >= 0 && l.AccuracyM <= 1e6) {
			return Problem(400, "out-of-range", "place", "lat from -90 to 90, lon from -180 to 180, accuracy_m from 0 to 1000000")
		}
		p.Place = &record.Place{LatE7: int32(math.Round(l.Lat * 1e7)), LonE7: int32(math.Round(l.Lon * 1e7)), AccuracyCM: uint32(l.AccuracyM * 100)}
	}
	if a.Until != "" {
		t, err := time.Parse(time.RFC3339, a.Until)
		if err != nil {
			return Problem(400, "invalid-time", "until", "write the time as RFC 3339")
		}
		p.Until = t.UnixMilli()
	}
	if a.Target != "" {
		t, err := record.ParseID(a.Target)
		if err != nil {
			return Problem(400, "invalid-id", "target", "%v", err)
		}
		p.Target = t
	}
	if len(a.Incidents) > maxMerge {
		return Problem(400, "too-many", "incidents", "at most %d", maxMerge)
	}
	for _, t := range a.Incidents {
		id, err := record.ParseID(t)
		if err != nil {
			return Problem(400, "invalid-id", "incidents", "%v", err)
		}
		p.Incidents = append(p.Incidents, id)
	}
	return nil
}
