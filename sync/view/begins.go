package view

import (
	"slices"

	"wardline/sync/record"
)

// begun is what a row was made of without a fold: each at most once, beside
// suggestions and missed deadlines. 0 when a fold made it.
type begun uint8

const (
	begunReport begun = 1 << iota // one report
	begunCity                     // the city's first routing of it
	begunAlone                    // a station's, made while the city was away
)

// begins takes in entries as a fold would, if they are how an incident begins or
// change hardly anything. That is nearly all of a flood and of a drain, where the station's
// routing, which is urgent, often comes before its report; and a storm of reports about
// one event must not fold all that was said of it for each. Otherwise it says false, and the
// row is of no use. fresh is a row of nothing yet.
func (r *Row) begins(rows []Committed, which []int, fresh bool) bool {
	for _, i := range which {
		b := &rows[i].Body
		p := &b.Payload
		var is begun
		switch quiet := b.Kind == record.KindSuggested || b.Kind == record.KindMissed; {
		case quiet && !fresh:
		case b.Incident != r.ID, p.Flags&record.FlagExercise != 0: // exercises are few, and folded
			return false
		case b.Kind == record.KindReport:
			is = begunReport
		case b.Kind == record.KindRouted && b.Origin == record.CoreOrigin && len(b.Deps) == 1:
			is = begunCity
		case b.Kind == record.KindRouted && len(b.Deps) == 1 && b.Deps[0] == record.DerivedID("report", r.ID[:], []byte(b.Origin)):
			is = begunAlone // it has not seen the city's
		default:
			return false
		}
		if fresh {
			*r = Row{ID: r.ID, Status: record.RankReceived.String(), Open: true, Stub: true}
		} else if is != 0 && (r.begun == 0 || r.begun&is != 0) {
			return false
		}
		fresh = false
		r.begun |= is
		switch is {
		case begunReport:
			r.Stub, r.Category, r.ReceivedAt, r.Device, r.Silent = false, p.Category, b.ReceivedAt, b.Actor.Name, p.Flags&record.FlagSilent != 0
			if p.Place != nil {
				r.Place = *p.Place
			}
		case begunCity, begunAlone:
			r.routed(b, is)
		}
		for _, u := range b.Tells() {
			if at, told := r.told(u); !told && u != "" {
				r.Told = slices.Insert(slices.Clip(r.Told), at, Told{Unit: u})
			}
		}
		r.Suggested = r.Suggested || b.Kind == record.KindSuggested
	}
	return true
}

// routed takes in a routing: what the city's says stands over what a station's says.
func (r *Row) routed(b *record.Body, is begun) {
	p := &b.Payload
	if r.Stub && b.ReceivedAt > 0 && (r.ReceivedAt == 0 || b.ReceivedAt < r.ReceivedAt) {
		r.ReceivedAt = b.ReceivedAt // so that it stands where its report will
	}
	if p.Priority != 0 && (is == begunCity || r.Priority == 0) {
		r.Priority = p.Priority
	}
	if p.Lead != "" && (is == begunCity || r.Lead == "") {
		r.Lead = p.Lead
	}
	if is == begunCity || r.begun&begunCity == 0 {
		r.Deadlines = p.Deadlines
	}
}
