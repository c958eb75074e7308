package api

import (
	"io"
	"net/http"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
)

func (s *Server) postReport(w http.ResponseWriter, r *http.Request) error {
	from, ok := s.device(r)
	if !ok {
		o, _ := s.session(r)
		ward, ok := o.Unit.Ward()
		if !ok {
			ward = "" // of no ward: the place alone says whose it is
		}
		from = identity.Device{ID: "desk-" + o.User, Ward: ward, Kind: "desk"}
	}
	if !s.Limits.Allow(from.ID, r.RemoteAddr) {
		e := Problem(429, "too-many", "", "too many reports from this device or address; send the same again in a moment, it will not count twice")
		e.RetryAfter = 1
		return e
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return Problem(400, "not-read", "", "the request broke off; send it again with the same id")
	}
	a, err := s.Backend.Report(r.Context(), from, raw)
	if err != nil {
		return err
	}
	if a.Warnings == nil {
		a.Warnings = []report.Warning{}
	}
	a.Inc = a.Incarnation.String()
	status := http.StatusCreated
	if a.Repeat {
		status = http.StatusOK
	}
	return s.answer(w, status, a)
}

// receiptJSON is a step that a report has reached: ward, city, seen. At is left
// out where this node cannot know it: the city keeps an order and no times.
type receiptJSON struct {
	Step   string        `json:"step"`
	At     *Time         `json:"at,omitempty"`
	Origin record.Origin `json:"origin"`
	Index  uint64        `json:"index,omitempty"`
}

type reportJSON struct {
	ID       record.ID     `json:"id"`
	Incident record.ID     `json:"incident"`
	Receipts []receiptJSON `json:"receipts"`
	Status   string        `json:"status,omitempty"`
	Messages []messageJSON `json:"messages,omitempty"`
	// Exercise: it is practice.
	Exercise bool `json:"exercise,omitempty"`
}

// getReport answers what a report's sender may know. Of a silent alarm the
// device learns nothing beyond that it arrived: it stands where the attacker is.
func (s *Server) getReport(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	dev, device := s.device(r)
	o, officer := s.session(r)
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodiesOf(stored))
	mine := device && sentBy(stored, dev)
	if in.Stub || (!mine && !(officer && identity.Endpoints[r.Pattern].Admits(o) && o.Sees(in))) {
		return Problem(404, "not-found", "id", "no report %s from you", id)
	}
	out := reportJSON{ID: id, Incident: id, Receipts: []receiptJSON{}}
	out.Receipts = receipts(stored, !in.Silent || officer)
	out.Exercise = in.Exercise != nil
	if !in.Silent || officer {
		out.Status, out.Messages = in.Status, s.messages(in, stored)
	}
	return s.answer(w, 200, out)
}

// getProgress answers whoever holds a report's id how far it has come, and nothing
// else: the id is the code that a reporter reads out or scans on another phone. Only
// ids with enough chance in them count (RFC 9562, versions 4 and 7); a silent alarm has none.
func (s *Server) getProgress(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if !s.follow.Allow() {
		e := Problem(429, "too-many", "", "too many people ask at once; ask again in a few seconds")
		e.RetryAfter = 5
		return e
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodiesOf(stored))
	if v := id[6] >> 4; in.Stub || in.Silent || v != 4 && v != 7 {
		return Problem(404, "not-found", "id", "no report %s, or it has not arrived yet", id)
	}
	return s.answer(w, 200, reportJSON{ID: id, Incident: id, Receipts: receipts(stored, true), Status: in.Status, Exercise: in.Exercise != nil})
}

// receipts are the steps that a report has reached, each once, in order.
func receipts(stored []Stored, seen bool) []receiptJSON {
	steps := map[string]receiptJSON{}
	step := func(r receiptJSON) {
		if _, ok := steps[r.Step]; !ok {
			steps[r.Step] = r
		}
	}
	for _, e := range stored {
		at := Time(e.Body.ReceivedAt)
		switch {
		case e.Body.Kind == record.KindReport && e.Link.Origin == record.CoreOrigin:
			step(receiptJSON{Step: "city", At: &at, Origin: record.CoreOrigin, Index: e.Index})
		case e.Body.Kind == record.KindReport:
			step(receiptJSON{Step: "ward", At: &at, Origin: e.Link.Origin})
			if e.Index > 0 {
				step(receiptJSON{Step: "city", Origin: record.CoreOrigin, Index: e.Index})
			}
		case e.Body.Kind == record.KindClaim && seen:
			at = Time(e.Body.HLC.Millis())
			step(receiptJSON{Step: "seen", At: &at, Origin: e.Link.Origin})
		}
	}
	out := []receiptJSON{}
	for _, name := range []string{"ward", "city", "seen"} {
		if r, ok := steps[name]; ok {
			out = append(out, r)
		}
	}
	return out
}

func bodiesOf(stored []Stored) []record.Body {
	out := make([]record.Body, len(stored))
	for i := range stored {
		out[i] = stored[i].Body
	}
	return out
}
