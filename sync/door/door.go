// Package door makes a report's entry from what a source sent; the same at the
// ward's door and at the city's. It corrects the source's clock, seals what
// identifies people and marks what must be seen. It stores nothing.
package door

import (
	"encoding/json"

	"wardline/sync/record"
	"wardline/sync/report"
)

// Input is a checked report and where and when it came in. Times are
// milliseconds since the Unix epoch, UTC.
type Input struct {
	Report     report.Report
	Warnings   []report.Warning
	Origin     record.Origin
	Device     string
	Ward       record.WardCode
	HLC        record.HLC
	Clock      record.ClockState
	ReceivedAt int64
	// Offline: taken while the line to the city was cut.
	Offline bool
	// Practice: the exercise that the report names runs where it belongs.
	Practice bool
}

// Output is the entry's body, with the key of its sealed part, if it has one.
type Output struct {
	Body     record.Body
	Key      *Key
	Warnings []report.Warning
}

// Key is the key of a sealed part, to be wrapped and kept beside the entry.
type Key struct {
	ID  record.KeyID
	Key record.PartKey
}

// Sealed is what of a report identifies people.
type Sealed struct {
	Text      string           `json:"text,omitempty"`
	PlaceText string           `json:"place_text,omitempty"`
	Reporter  *report.Reporter `json:"reporter,omitempty"`
}

// EntryID is the id of the entry by which a door says that a report arrived
// there: the same report at two doors is two entries.
func EntryID(id record.ID, origin record.Origin) record.ID {
	return record.DerivedID("report", id[:], []byte(origin))
}

// OtherContentID is the id under which another content of a known id is kept.
func OtherContentID(id record.ID, fp record.Hash) record.ID {
	return record.DerivedID("other-content", id[:], fp[:])
}

// OtherContent warns the sender of a report whose id stands for another one.
func OtherContent(kept record.ID) report.Warning {
	return report.Warning{Field: "id", Detail: "this id was used before for another report; yours is kept as " + kept.String()}
}

// Body makes the entry's body.
func Body(in Input) (Output, error) {
	r := &in.Report
	out := Output{Warnings: in.Warnings}
	out.Body = record.Body{ID: EntryID(r.ID, in.Origin), Incident: r.ID, Kind: record.KindReport, Origin: in.Origin,
		Actor: record.Actor{Kind: record.ByDevice, Name: in.Device}, HLC: in.HLC, Clock: in.Clock, ReceivedAt: in.ReceivedAt}
	p := &out.Body.Payload
	p.Report, p.Category, p.Place, p.Ward = r.ID, r.Category, r.Place, in.Ward
	p.Fingerprint, p.Media = r.Fingerprint(), r.Media
	at, w := r.When(in.ReceivedAt)
	out.Body.CapturedAt = at
	told := w
	if told == nil {
		told = r.Unusual(in.ReceivedAt, at)
	}
	if told != nil {
		out.Warnings = append(out.Warnings, *told)
	}
	if w != nil || r.ClockDoubt {
		p.Flags |= record.FlagClock
	}
	if in.Offline {
		p.Flags |= record.FlagOffline
	}
	switch {
	case r.Exercise.Zero():
	case in.Practice:
		p.Flags, p.Target = p.Flags|record.FlagExercise, r.Exercise
	default:
		out.Warnings = append(out.Warnings, report.Warning{Field: "exercise", Detail: "this exercise is not held here and now; the report was taken as a real one"})
	}
	s := Sealed{Text: r.Text, PlaceText: r.PlaceText}
	if r.Reporter != (report.Reporter{}) {
		s.Reporter = &r.Reporter
	}
	if s == (Sealed{}) {
		return out, nil
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return out, err
	}
	sealed, key, err := record.Seal(plain)
	if err != nil {
		return out, err
	}
	p.Sealed, out.Key = &sealed, &Key{sealed.Key, key}
	return out, nil
}
