package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"wardline/sync/identity"
	"wardline/sync/record"
)

const (
	// ByMessage is the reason of a contact that is a short message between desk and
	// reporter: the reporter reads it where the report's state stands.
	ByMessage = "message"

	// maxMessage bounds a message, in characters: it is read on a phone, in danger.
	maxMessage = 1000
	// maxFromReporter bounds what one reporter writes to one incident; a person in danger
	// writes less, and a desk must not be buried.
	maxFromReporter = 100
)

// messageJSON is one message as its reporter sees it; an officer has no name here.
type messageJSON struct {
	ID   record.ID `json:"id"`
	From string    `json:"from"` // reporter or desk
	At   Time      `json:"at"`
	Text string    `json:"text,omitempty"`
}

// isMessage says whether an entry is a message; a reporter's reopening is one too.
func isMessage(b *record.Body) bool {
	return b.Payload.Reason == ByMessage && (b.Kind == record.KindContact || b.Kind == record.KindReopen)
}

// messages are those of an incident, in this node's order; what was hidden is left out.
func (s *Server) messages(in *record.Incident, stored []Stored) []messageJSON {
	hidden := map[record.ID]bool{}
	for _, x := range in.Items {
		hidden[x.By.Entry] = x.Redacted
	}
	var out []messageJSON
	for _, e := range stored {
		b := &e.Body
		if !isMessage(b) || hidden[b.ID] || b.Payload.Sealed == nil {
			continue
		}
		plain, err := s.open(in, &e)
		if err != nil { // its key is gone: there is nothing to read any more
			continue
		}
		var t sealedText
		if json.Unmarshal(plain, &t) != nil {
			continue
		}
		m := messageJSON{ID: b.ID, From: "desk", At: Time(b.HLC.Millis()), Text: t.Text}
		if b.Actor.Kind == record.ByDevice {
			m.From = "reporter"
		}
		out = append(out, m)
	}
	return out
}

// postMessage takes a reporter's word to the desk: a message, or the wish that what
// was closed be opened again. The same id again gets the same answer.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	dev, ok := s.device(r)
	if !ok {
		return Problem(401, "unknown-device", "", "send the device's id and password as HTTP Basic")
	}
	var req struct {
		ID     string `json:"id"`
		Text   string `json:"text"`
		Reopen bool   `json:"reopen"`
	}
	if err := readJSON(r, &req); err != nil {
		return err
	}
	message, err := record.ParseID(req.ID)
	if err != nil {
		return Problem(400, "invalid-id", "id", "%v", err)
	}
	if strings.TrimSpace(req.Text) == "" {
		return Problem(400, "missing", "text", "write what the desk should know")
	}
	if utf8.RuneCountInString(req.Text) > maxMessage {
		return Problem(400, "too-large", "text", "at most %d characters", maxMessage)
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodiesOf(stored))
	if in.Stub || in.Silent || !sentBy(stored, dev) {
		return Problem(404, "not-found", "id", "no report %s from you", id)
	}
	kind := record.KindContact
	if req.Reopen {
		kind = record.KindReopen
	}
	entry := record.DerivedID("message", id[:], message[:])
	known := slices.ContainsFunc(stored, func(e Stored) bool { return e.Body.ID == entry })
	if !known && written(stored, dev) >= maxFromReporter {
		return Problem(429, "too-many", "", "the desk has %d messages of yours; call 113 when it is urgent", maxFromReporter)
	}
	if known {
		return s.answer(w, 200, map[string]string{"id": message.String(), "status": in.Status})
	}
	plain, err := json.Marshal(sealedText{Text: req.Text})
	if err != nil {
		return err
	}
	sealed, key, err := record.Seal(plain)
	if err != nil {
		return err
	}
	deps, err := record.DecodeSeen(in.Version())
	if err != nil {
		return err
	}
	unit := in.Lead
	if unit == "" {
		unit = record.Command
	}
	b := record.Body{ID: entry, Incident: id, Kind: kind, Deps: deps, Actor: record.Actor{Kind: record.ByDevice, Name: dev.ID}}
	b.Payload.Unit, b.Payload.Reason, b.Payload.Sealed = unit, ByMessage, &sealed
	if _, err := s.Backend.Act(r.Context(), b, &SealedKey{ID: sealed.Key, Key: key}); err != nil {
		return s.refusedReporter(err)
	}
	stored, err = s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]string{"id": message.String(), "status": record.Fold(id, bodiesOf(stored)).Status})
}

// refusedReporter is a refusal without the state, which is not the reporter's to see.
func (s *Server) refusedReporter(err error) error {
	if ref, ok := asRefusal(err); ok {
		return Problem(409, ref.Code, ref.Field, "%s", ref.Detail)
	}
	return err
}

func sentBy(stored []Stored, dev identity.Device) bool {
	return slices.ContainsFunc(stored, func(e Stored) bool {
		return e.Body.Kind == record.KindReport && e.Body.Actor.Name == dev.ID
	})
}

func written(stored []Stored, dev identity.Device) (n int) {
	for _, e := range stored {
		if e.Body.Actor.Kind == record.ByDevice && e.Body.Actor.Name == dev.ID && e.Body.Kind != record.KindReport {
			n++
		}
	}
	return n
}
