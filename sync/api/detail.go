package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"wardline/sync/record"
)

func authorOf(a record.Author) authorJSON {
	return authorJSON{Entry: a.Entry, Name: a.Name, Unit: a.Unit, Origin: a.Origin, At: Time(a.HLC.Millis()), Sure: a.Clock == record.ClockSure, Offline: a.Offline}
}

func holderOf(h *record.Holder) *holderJSON {
	if h == nil {
		return nil
	}
	return &holderJSON{h.Officer, authorOf(h.By)}
}

func valueOf(v record.Value) valueJSON { return valueJSON{v.Value, authorOf(v.By)} }

// folded takes over what the fold says.
func folded(in *record.Incident) *detailJSON {
	d := &detailJSON{ID: in.ID, Version: in.Version(), Status: in.Status, Open: in.Open(), Epoch: in.Epoch, Stub: in.Stub, Verdict: in.Verdict,
		Category: in.Category, Place: placeOf(in.Place), Silent: in.Silent, Cancelled: in.Cancelled, Flags: flagNames(in.Flags), Lead: in.Lead,
		Units: []unitJSON{}, Conflicts: []conflictJSON{}, Reports: []arrivalJSON{}, Items: []itemJSON{}, Deadlines: []deadlineJSON{},
		Suggestions: in.Suggestions, AfterClose: in.AfterClose, Missing: in.Missing, Timeline: []lineJSON{}}
	if in.Priority != 0 {
		d.Priority = in.Priority.String()
	}
	if in.ParkedUntil != 0 {
		t := Time(in.ParkedUntil)
		d.Parked = &t
	}
	if e := in.Erased; e != nil {
		d.Erased = &erasedJSON{Time(e.At), e.Reason, e.Epoch}
	}
	for _, u := range in.Units {
		j := unitJSON{Unit: u.Unit, Progress: u.Progress, Holder: holderOf(u.Holder)}
		for i := range u.Others {
			j.Others = append(j.Others, *holderOf(&u.Others[i]))
		}
		d.Units = append(d.Units, j)
	}
	for _, c := range in.Conflicts {
		j := conflictJSON{Field: c.Field, Shown: valueOf(c.Shown)}
		for _, v := range c.Others {
			j.Others = append(j.Others, valueOf(v))
		}
		d.Conflicts = append(d.Conflicts, j)
	}
	for _, x := range in.Items {
		value := x.Value
		if x.Kind == record.KindSignal {
			value = "" // its flags, as a number; the signal says it
		}
		d.Items = append(d.Items, itemJSON{x.Kind, value, Time(x.At), x.Redacted, x.Signal, authorOf(x.By)})
	}
	d.Exercise = in.Exercise
	if in.MadeReal != nil {
		by := authorOf(*in.MadeReal)
		d.MadeReal = &by
	}
	for _, x := range in.Deadlines {
		d.Deadlines = append(d.Deadlines, deadlineJSON{x.Step, Time(x.At)})
	}
	for _, e := range in.Edges {
		d.Merged = append(d.Merged, mergedJSON{e.Other, authorOf(e.By)})
	}
	return d
}

// maxGroup bounds how many merged incidents one answer follows.
const maxGroup = 200

func (s *Server) detail(r *http.Request, in *record.Incident, stored []Stored) (*detailJSON, error) {
	d := folded(in)
	by := make(map[record.ID]*Stored, len(stored))
	redacted := map[record.ID]bool{}
	for i := range stored {
		e := &stored[i]
		by[e.Body.ID] = e
		d.Delivery.Index = max(d.Delivery.Index, e.Index)
		if e.Index == 0 {
			d.Delivery.Pending++
		}
		if e.Body.Kind == record.KindRedact && !slices.Contains(in.Withdrawn, e.Body.ID) {
			redacted[e.Body.Payload.Target] = true
		}
		if e.Body.Kind == record.KindReport {
			d.Delivery.Ward = d.Delivery.Ward || e.Link.Origin != record.CoreOrigin
			d.Delivery.City = d.Delivery.City || e.Index > 0
		}
	}
	for _, a := range slices.Concat(in.Reports, in.OtherContent) {
		j := arrivalJSON{ID: a.Report, Origin: a.By.Origin, Device: a.By.Name, Category: a.Category, Place: placeOf(a.Place),
			CapturedAt: Time(a.CapturedAt), ReceivedAt: Time(a.ReceivedAt), Media: a.Media, Signal: a.Signal, Flags: flagNames(a.Flags), Redacted: redacted[a.By.Entry]}
		if e := by[a.By.Entry]; e != nil && e.Body.Payload.Sealed != nil && !j.Redacted {
			plain, err := s.open(in, e)
			if err == nil {
				j.Sealed, j.Identified, err = withoutReporter(plain)
			}
			j.Unreadable = err != nil
		}
		d.Reports = append(d.Reports, j)
	}
	if a := in.Report(); a != nil {
		h, err := s.Backend.Source(a.By.Name)
		if err != nil {
			return nil, err
		}
		delete(h.Verdicts, "")
		d.Source = &sourceJSON{a.By.Name, h.Reports, h.Verdicts}
	}
	s.timeline(d, in, by, redacted)
	d.Group = record.Group(in.ID, func(id record.ID) []record.ID {
		edges := in.Edges
		if id != in.ID {
			more, err := s.Backend.Bodies(r.Context(), id)
			if err != nil {
				return nil
			}
			edges = record.Fold(id, bodiesOf(more)).Edges
		}
		var out []record.ID
		for _, e := range edges {
			out = append(out, e.Other)
		}
		return out
	}, maxGroup)
	if len(d.Group) == 1 {
		d.Group = nil
	}
	return d, nil
}

func (s *Server) timeline(d *detailJSON, in *record.Incident, by map[record.ID]*Stored, redacted map[record.ID]bool) {
	summaries := map[record.ID]string{} // by the entry that wrote it
	for _, id := range in.Order {
		e := by[id]
		if e == nil {
			continue
		}
		b := &e.Body
		l := lineJSON{Entry: id, Kind: b.Kind, By: b.Actor.Name, Unit: b.UnitOf(), Origin: b.Origin, At: Time(b.HLC.Millis()),
			Sure: b.Clock == record.ClockSure, Index: e.Index, Offline: b.Payload.Flags&record.FlagOffline != 0,
			Withdrawn: slices.Contains(in.Withdrawn, id), Redacted: redacted[id], Value: lineValue(b)}
		if b.ReceivedAt != 0 {
			t := Time(b.ReceivedAt)
			l.ReceivedAt = &t
		}
		if b.Kind == record.KindReport && b.CapturedAt != 0 {
			l.At = Time(b.CapturedAt)
		}
		if b.Payload.Sealed != nil && !l.Redacted && b.Kind != record.KindReport {
			if plain, err := s.open(in, e); err == nil {
				l.Sealed = plain
			}
		}
		if b.Payload.Flags&record.FlagSummary != 0 {
			var p struct{ Summary string }
			if json.Unmarshal(l.Sealed, &p) == nil {
				summaries[id] = p.Summary
			}
		}
		d.Timeline = append(d.Timeline, l)
	}
	if in.Summary != nil {
		d.Summary = summaries[*in.Summary]
	}
	for i := range d.Conflicts { // the fold knows a summary by its entry: the words are sealed
		c := &d.Conflicts[i]
		if c.Field != "summary" {
			continue
		}
		c.Shown.Value = summaries[c.Shown.By.Entry]
		for j := range c.Others {
			c.Others[j].Value = summaries[c.Others[j].By.Entry]
		}
	}
}

// lineValue is what an entry says, in one word or number.
func lineValue(b *record.Body) string {
	p := &b.Payload
	switch b.Kind {
	case record.KindClassify, record.KindReport:
		return string(p.Category)
	case record.KindForward:
		return string(p.ToUnit)
	case record.KindHandover:
		return p.ToOfficer
	case record.KindDispatch, record.KindArrive:
		return p.Patrol
	case record.KindRouted:
		return string(p.Lead)
	case record.KindMissed:
		return p.Step
	}
	return p.Reason
}

func placeOf(p *record.Place) *placeJSON {
	if p == nil {
		return nil
	}
	j := &placeJSON{Lat: decimal(int64(p.LatE7), 7), Lon: decimal(int64(p.LonE7), 7), AccuracyM: decimal(int64(p.AccuracyCM), 2)}
	if p.FixedAt != 0 {
		t := Time(p.FixedAt)
		j.FixedAt = &t
	}
	return j
}

// decimal writes n / 10^digits without going through floating point.
func decimal(n int64, digits int) json.Number {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	t := strconv.FormatInt(n, 10)
	for len(t) <= digits {
		t = "0" + t
	}
	return json.Number(sign + t[:len(t)-digits] + "." + t[len(t)-digits:])
}

func flagNames(f record.Flags) []string {
	var out []string
	for _, x := range []struct {
		bit  record.Flags
		name string
	}{{record.FlagClock, "clock"}, {record.FlagOtherContent, "other_content"}, {record.FlagSilent, "silent"},
		{record.FlagOffline, "offline"}, {record.FlagUnknownCode, "unknown_code"}, {record.FlagShortAccount, "short_account"},
		{record.FlagApproximate, "approximate"}, {record.FlagCancelled, "cancelled"}, {record.FlagOutside, "outside"}, {record.FlagAlone, "routed_alone"}, {record.FlagExercise, "exercise"}} {
		if f&x.bit != 0 {
			out = append(out, x.name)
		}
	}
	return out
}
