package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"wardline/sync/door"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
)

// whyOpened are the reasons for opening who reported; words of a list, so that no
// name comes into the log by this door.
var whyOpened = []string{"call_back", "verify", "rescue", "investigate"}

// withoutReporter is a report's sealed part as every desk reads it: what happened, and
// whether it came without a name. Who reported is left out and said to be there.
func withoutReporter(plain []byte) (json.RawMessage, bool, error) {
	var p door.Sealed
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil, false, err
	}
	r := p.Reporter
	known := r != nil && (r.Name != "" || r.Phone != "")
	if p.Reporter = nil; r != nil && r.Anonymous {
		p.Reporter = &report.Reporter{Anonymous: true}
	}
	out, err := json.Marshal(p)
	if bytes.Equal(out, []byte("{}")) {
		out = nil
	}
	return out, known, err
}

type openedJSON struct {
	ID       record.ID       `json:"id"`
	Incident record.ID       `json:"incident"`
	Report   record.ID       `json:"report"`
	Entry    record.ID       `json:"entry"`
	Reporter report.Reporter `json:"reporter"`
}

// postReporter opens who reported. The entry comes first: nobody reads a name of which
// no disk says who read it.
func (s *Server) postReporter(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	var in struct {
		ID     record.ID `json:"id"`
		Report record.ID `json:"report"`
		Reason string    `json:"reason"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	switch {
	case in.ID.Zero():
		return Problem(400, "missing", "id", "give the opening an id of its own, a UUID")
	case !slices.Contains(whyOpened, in.Reason):
		return Problem(400, "missing", "reason", "one of %v", whyOpened)
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	state := record.Fold(id, bodiesOf(stored))
	if len(stored) == 0 || !o.Sees(state) {
		return Problem(404, "not-found", "id", "no incident %s is known here", id)
	}
	entry, who, err := s.reporter(state, stored, in.Report)
	if err != nil {
		return err
	}
	if who == nil {
		return Problem(404, "not-found", "report", "of this report nobody is known here who made it")
	}
	// Another officer, or another report, under the same id is another opening.
	b := record.Body{ID: record.DerivedID("opened", id[:], in.ID[:], in.Report[:], []byte(o.User)), Incident: id, Kind: record.KindOpened, Deps: state.Heads[:min(len(state.Heads), record.MaxDeps)],
		Actor: record.Actor{Kind: record.ByOfficer, Name: o.User, Unit: o.Unit}, Payload: record.Payload{Target: entry, Reason: in.Reason}}
	if _, err := s.Backend.Act(r.Context(), b, nil); err != nil {
		return s.refused(r, id, err)
	}
	return s.answer(w, 200, openedJSON{in.ID, id, in.Report, b.ID, *who})
}

// reporter is who made a report, with the entry that says so; nil when nobody is
// known, the key is gone or the report was redacted.
func (s *Server) reporter(in *record.Incident, stored []Stored, id record.ID) (record.ID, *report.Reporter, error) {
	hidden := map[record.ID]bool{}
	for i := range stored {
		if b := &stored[i].Body; b.Kind == record.KindRedact {
			hidden[b.Payload.Target] = true
		}
	}
	for i := range stored {
		b := &stored[i].Body
		if b.Kind != record.KindReport || b.Payload.Report != id || b.Payload.Sealed == nil || hidden[b.ID] {
			continue
		}
		plain, err := s.open(in, &stored[i])
		if err != nil {
			continue // its key is gone; the desk says so
		}
		var p door.Sealed
		if err := json.Unmarshal(plain, &p); err != nil {
			return record.ID{}, nil, err
		}
		if p.Reporter != nil && (p.Reporter.Name != "" || p.Reporter.Phone != "") {
			return b.ID, p.Reporter, nil
		}
	}
	return record.ID{}, nil, nil
}
