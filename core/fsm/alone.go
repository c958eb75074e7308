package fsm

import "wardline/sync/record"

// A station that has lost what it had sent (a restored image, a power cut without a sync)
// and is offered a report again routes it alone for the second time: under the same id,
// which follows from the report and the station, at another time and perhaps by other rules.

// routedBefore is where a station's routing of its own stands in the city's order
// already; 0: it is new. Routings have no row of their id, a third of the entries would
// need one; the incident names the few places to look at.
func (b *batch) routedBefore(body *record.Body) (uint64, error) {
	at, err := b.indexes(body.Incident)
	if err != nil {
		return 0, err
	}
	for _, n := range at {
		listed, origin, have, err := b.placed(n)
		if err != nil {
			return 0, err
		}
		if listed != record.KindRouted || origin != body.Origin {
			continue
		}
		if have == nil {
			r, err := b.entryAt(n)
			if err != nil {
				return 0, err
			}
			old, err := record.DecodeBody(r.entry.Body)
			if err != nil {
				return 0, err
			}
			have = &old
		}
		if have.ID == body.ID {
			return n, nil
		}
	}
	return 0, nil
}

// placed is what stands at a city index and who wrote it. The body is there when it
// is in memory: what one transaction draws is, and decoding it again would cost each
// report of a drain twice.
func (b *batch) placed(index uint64) (listed record.Kind, origin record.Origin, body *record.Body, err error) {
	if len(b.rows) > 0 && index >= b.rows[0].index {
		r := &b.rows[index-b.rows[0].index]
		return r.listed, r.entry.Link.Origin, r.body, nil
	}
	if r, ok := b.m.tail.at(index); ok {
		return r.Listed, r.Entry.Link.Origin, &r.Body, nil
	}
	r, err := b.entryAt(index)
	return r.listed, r.entry.Link.Origin, nil, err
}
