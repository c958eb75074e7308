package api

import (
	"io"
	"net/http"
	"slices"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
)

func (s *Server) postReport(w http.ResponseWriter, r *http.Request) error {
	from, ok := s.device(r)
	if !ok {
		o, in := s.session(r)
		if !in || !o.May(identity.EnterReport) {
			return Problem(401, "unknown-device", "", "send the device's id and password as HTTP Basic, or log in as an officer who may enter reports")
		}
		ward, _ := o.Unit.Ward()
		from = identity.Device{ID: "desk-" + o.User, Ward: ward, Kind: "desk"}
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

type receiptJSON struct {
	Step   string        `json:"step"`
	At     Time          `json:"at"`
	Origin record.Origin `json:"origin,omitempty"`
	Index  uint64        `json:"index,omitempty"`
}

type reportJSON struct {
	ID       record.ID     `json:"id"`
	Incident record.ID     `json:"incident"`
	Receipts []receiptJSON `json:"receipts"`
	Status   string        `json:"status,omitempty"`
}

// getReport answers what a report's sender may know. Of a silent alarm the
// device learns nothing beyond that it arrived: it stands where the attacker is.
func (s *Server) getReport(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	o, officer := s.session(r)
	dev, device := s.device(r)
	if !officer && !device {
		return Problem(401, "unknown-device", "", "send the device's id and password as HTTP Basic")
	}
	stored, err := s.Backend.Bodies(r.Context(), id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodiesOf(stored))
	mine := device && slices.ContainsFunc(stored, func(e Stored) bool {
		return e.Body.Kind == record.KindReport && e.Body.Actor.Name == dev.ID
	})
	if in.Stub || (!mine && !(officer && o.May(identity.ReadIncidents) && o.Sees(in))) {
		return Problem(404, "not-found", "id", "no report %s from you", id)
	}
	out := reportJSON{ID: id, Incident: id, Receipts: []receiptJSON{}}
	for _, e := range stored {
		if e.Body.Kind == record.KindReport {
			step := "ward"
			if e.Link.Origin == record.CoreOrigin {
				step = "city"
			}
			out.Receipts = append(out.Receipts, receiptJSON{Step: step, At: Time(e.Body.ReceivedAt), Origin: e.Link.Origin, Index: e.Index})
			if step == "ward" && e.Index > 0 {
				out.Receipts = append(out.Receipts, receiptJSON{Step: "city", At: Time(e.Body.ReceivedAt), Origin: record.CoreOrigin, Index: e.Index})
			}
		}
	}
	if !in.Silent || officer {
		out.Status = in.Status
		for _, e := range stored {
			if e.Body.Kind == record.KindClaim {
				out.Receipts = append(out.Receipts, receiptJSON{Step: "seen", At: Time(e.Body.HLC.Millis()), Origin: e.Link.Origin})
				break
			}
		}
	}
	return s.answer(w, 200, out)
}

func bodiesOf(stored []Stored) []record.Body {
	out := make([]record.Body, len(stored))
	for i := range stored {
		out[i] = stored[i].Body
	}
	return out
}
