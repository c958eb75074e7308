package routing

import (
	"encoding/binary"
	"math"
	"slices"

	"wardline/sync/record"
)

// Algorithm is the version of the reasoning in [Route]. Whatever changes a
// decision gets a new number, which is switched on by an entry once all nodes have it.
const Algorithm uint32 = 1

// Basis is what the leading unit was chosen by. The numbers are not stored.
type Basis uint8

// The bases.
const (
	// ByBoundary: the place lies in the ward, or on its border.
	ByBoundary Basis = iota + 1
	// BySnap: the place lies in no ward; the nearest boundary was taken.
	BySnap
	// ByCentre: the nearest centre was taken, for want of boundaries.
	ByCentre
	// ByDevice: no place, or one too far outside; the device's ward was taken.
	ByDevice
	// ByCommand: neither a place nor a device's ward; the command centre leads.
	ByCommand
)

// String is the basis as a word.
func (b Basis) String() string {
	return [...]string{"", "boundary", "snap", "centre", "device", "command"}[min(b, ByCommand)]
}

// Input is what the routing needs of a report.
type Input struct {
	Category record.Category
	// Place is where it happens; nil when nobody said. An accuracy of 0 means a place
	// known exactly (a kiosk, a pin on the map).
	Place *record.Place
	// DeviceWard is the ward of the station or device that took the report;
	// empty when there is none (a phone at the city's door).
	DeviceWard record.WardCode
	// CapturedAt and ReceivedAt are milliseconds since the Unix epoch, UTC.
	CapturedAt, ReceivedAt int64
	// ClockInDoubt says that the door found the captured time implausible:
	// deadlines run from ReceivedAt.
	ClockInDoubt bool
	// Silent is a duress or silent alarm: at least a panic, see [Rules.For].
	Silent bool
}

// Decision is who is told, who leads, and until when.
type Decision struct {
	Lead record.UnitID
	// Told is sorted, without repeats, with the lead and the command centre in it.
	Told      []record.UnitID
	Priority  record.Priority
	Lane      record.LaneID
	Deadlines []record.Deadline
	// Contacts are numbers to show beside the report.
	Contacts []string
	Basis    Basis
	// Approximate: the lead was chosen by nearest centre.
	Approximate bool
	// Outside: the place lies in no ward. With [BySnap], SnappedM says how far from
	// the leading one; with [ByDevice] it is farther than 50 km or no position at all.
	Outside bool
	// SnappedM is the distance to the leading ward in metres, rounded up.
	SnappedM uint32
	// Capped: more wards were touched than are told.
	Capped bool
	// RulesVersion, WardsVersion and Algorithm name what decided.
	RulesVersion, WardsVersion, Algorithm uint32
}

// Flags are the marks that people see beside the report.
func (d *Decision) Flags() record.Flags {
	var f record.Flags
	if d.Approximate {
		f |= record.FlagApproximate
	}
	if d.Outside {
		f |= record.FlagOutside
	}
	return f
}

// Route decides. It never fails: without rules it takes the default, without
// wards the built-in centres, and what has no place and no ward is led by the
// command centre.
func Route(rules *Rules, wards *Wards, in Input) Decision {
	if rules == nil {
		rules = defaults()
	}
	if wards == nil {
		wards = Centres()
	}
	rule := rules.For(in.Category, in.Silent)
	d := Decision{
		Priority: rule.Priority, Lane: rule.Lane, Contacts: slices.Clone(rule.Contacts),
		Deadlines:    deadlines(rule.Limits, in),
		RulesVersion: rules.Version, WardsVersion: wards.version, Algorithm: Algorithm,
	}
	d.Told = make([]record.UnitID, 0, len(rule.Departments)+MaxToldWards+2)
	d.Told = append(d.Told, record.Command)
	d.Told = append(d.Told, rule.Departments...)
	d.place(wards, in)
	if in.DeviceWard.Valid() {
		d.Told = append(d.Told, wards.unit(in.DeviceWard))
	}
	slices.Sort(d.Told)
	d.Told = slices.Compact(d.Told)
	return d
}

// place chooses the lead and tells the wards at the place.
func (d *Decision) place(wards *Wards, in Input) {
	if in.Place != nil {
		if f, ok := wards.locate(in.Place); ok {
			d.Lead, d.Basis = wards.units[f.lead], f.basis
			d.Approximate = f.basis == ByCentre
			d.Outside, d.SnappedM = f.basis == BySnap, f.metres
			d.Capped = f.near.n > MaxToldWards
			d.Told = append(d.Told, d.Lead)
			room := MaxToldWards - 1
			for _, v := range f.near.top[:f.near.n] {
				if v.ward != f.lead && room > 0 {
					d.Told = append(d.Told, wards.units[v.ward])
					room--
				}
			}
			return
		}
		d.Outside = true
	}
	d.Lead, d.Basis = record.Command, ByCommand
	if in.DeviceWard.Valid() {
		d.Lead, d.Basis = wards.unit(in.DeviceWard), ByDevice
	}
}

func (w *Wards) unit(c record.WardCode) record.UnitID {
	if i, ok := w.find(c); ok {
		return w.units[i]
	}
	return record.WardUnit(c)
}

// found is what is known about a place.
type found struct {
	lead   int
	basis  Basis
	metres uint32 // to the lead, by snap
	near   nearest
}

// locate finds the wards of a place; ok is false when it is no position on
// earth or farther than maxSnap from all wards.
func (w *Wards) locate(place *record.Place) (r found, ok bool) {
	p := Point{LatE7: place.LatE7, LonE7: place.LonE7}
	if !p.valid() {
		return r, false
	}
	f := newFrame(p)
	radius := min(unitsOfCM(int64(place.AccuracyCM)), maxSnap)
	if r.lead, ok = w.containing(p, &r.near); ok {
		r.basis = ByBoundary
		if radius > 0 {
			w.within(p, &f, radius*radius, &r.near)
		}
		return r, true
	}
	d2, ok := w.nearestShape(p, &f)
	if ok {
		// Others that lie about as far are told: a place between two banks.
		w.within(p, &f, max(radius*radius, (9*d2+3)/4), &r.near)
		r.lead, r.basis, r.metres = r.near.top[0].ward, BySnap, metresOf(root(d2))
		if d2 == 0 {
			r.basis = ByBoundary
			return r, true
		}
	}
	if w.bare > 0 {
		ok = w.locateBare(&f, radius, &r) || ok
	}
	return r, ok
}

// locateBare is for a place in no boundary when some or all wards have none:
// it probably lies in one of those. Wards with a boundary are out, except
// through the snap that r already holds, which leads when even by centre
// the nearest ward is one with a boundary.
func (w *Wards) locateBare(f *frame, radius int64, r *found) bool {
	var c nearest
	if _, ok := w.byCentre(f, radius, &c); !ok {
		return false
	}
	first := c.top[0].ward
	if r.basis == 0 || len(w.list[first].Polygons) == 0 {
		r.lead, r.basis, r.metres = first, ByCentre, 0
		r.near.put(first, 0)
	}
	for _, v := range c.top[:c.n] {
		if len(w.list[v.ward].Polygons) == 0 {
			r.near.put(v.ward, v.d2)
		}
	}
	return true
}

// deadlines run from the capture. A captured time that is missing, in doubt or
// after the reception is replaced by the reception's.
func deadlines(limits []Limit, in Input) []record.Deadline {
	base := in.CapturedAt
	if in.ReceivedAt > 0 && (in.ClockInDoubt || base <= 0 || base > in.ReceivedAt) {
		base = in.ReceivedAt
	}
	out := make([]record.Deadline, 0, len(limits))
	for _, l := range limits {
		at, ms := int64(math.MaxInt64), l.Within.Milliseconds()
		if base <= at-ms {
			at = base + ms
		}
		out = append(out, record.Deadline{Step: string(l.Step), At: at})
	}
	return out
}

// MissedID is the id of the entry that says that a step of an incident was
// not done in time. It follows from its cause, so that a station and the core
// write the same entry and the step is escalated once; after a reopening (a
// new epoch) a step can be missed again.
func MissedID(incident record.ID, step Step, epoch uint32) record.ID {
	return record.DerivedID("wardline/missed/1", incident[:], []byte(step), binary.BigEndian.AppendUint32(nil, epoch))
}
