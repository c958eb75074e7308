package fsm

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// An incident stands in one row of rowDue at a time: that of its next deadline, by
// the second, together with others of its class that the same command made due then.
// When the second has passed, the incident is folded, what it missed is said, and it
// moves on to the deadline after. Claims have rows of their own beside it (idle.go).

const (
	// missedPerTick bounds how many deadlines one tick takes, those of the highest
	// priority first, to a whole incident; the rest follows with the next.
	missedPerTick = 200
	// maxDue is how many incidents a row names; one that is taken in part is written again.
	maxDue = 64
	// dueClasses is how many priorities have rows of their own: 1 (life in danger) to
	// 4, and what has none.
	dueClasses = 5
)

// dueSlot is when a step of some incidents may be missed, in seconds since the Unix
// epoch, rounded up, and how much hurry that has: 0 the most.
type dueSlot struct {
	class byte
	at    uint64
}

func slotOf(p record.Priority, at int64) dueSlot {
	class := byte(dueClasses - 1)
	if p >= 1 && p < dueClasses {
		class = byte(p - 1)
	}
	return dueSlot{class, uint64(max(at, 0)+999) / 1000}
}

func dueKey(s dueSlot, number uint64) []byte { return u64(u64([]byte{rowDue, s.class}, s.at), number) }

const dueKeySize = 2 + 8 + 8

func dueAt(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[2:10])) }

// dueFrom says, by class, before which key no row is left.
type dueFrom [dueClasses + 1]string

func (f *dueFrom) reset() {
	for c := range f {
		f[c] = string([]byte{rowDue, byte(c)})
	}
}

// setDue lets an incident be looked at when the first of some deadlines has passed
// that is not before a second.
func (b *batch) setDue(id record.ID, p record.Priority, list []record.Deadline, from uint64) error {
	var slot dueSlot
	for _, d := range list {
		if s := slotOf(p, d.At); s.at >= from && (slot.at == 0 || s.at < slot.at) {
			slot = s
		}
	}
	if slot.at == 0 {
		return nil
	}
	return b.setSlot(slot, id)
}

// setSlot lets an incident be looked at at a time.
func (b *batch) setSlot(slot dueSlot, id record.ID) error {
	if b.part.dues == nil {
		b.part.dues = map[dueSlot][]byte{}
	}
	b.weigh(dueKeySize + len(id))
	ids := append(b.part.dues[slot], id[:]...)
	if len(ids) < maxDue*len(id) {
		b.part.dues[slot] = ids
		return nil
	}
	delete(b.part.dues, slot)
	return b.setDueRow(slot, ids)
}

func (b *batch) setDueRow(slot dueSlot, ids []byte) error {
	b.meta.dues++
	key := dueKey(slot, b.meta.dues)
	b.dues[string(key)] = ids
	b.dueFrom[slot.class] = min(b.dueFrom[slot.class], string(key))
	return b.set(key, ids)
}

// closeDues sets the rows of what the command has made due.
func (b *batch) closeDues() error {
	slots := slices.SortedFunc(maps.Keys(b.part.dues), func(a, b dueSlot) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.at, b.at)) })
	for _, s := range slots {
		if err := b.setDueRow(s, b.part.dues[s]); err != nil {
			return err
		}
	}
	clear(b.part.dues)
	return nil
}

type dueRow struct {
	key string
	ids []byte
}

// dueNow are the rows of a class whose time has come, in order, at least enough of
// them for some incidents. What is pending is not scanned in the store, which sorts all
// of it each time; and what the ticks before have taken is not walked over again: the
// store keeps what was deleted for long, and that is every deadline there ever was.
func (b *batch) dueNow(class byte, enough int) ([]dueRow, error) {
	now := uint64(b.meta.time) / 1000
	var list []dueRow
	for k, ids := range b.dues {
		if k[1] == class && ids != nil && dueAt(k) <= now {
			list = append(list, dueRow{k, ids})
		}
	}
	committed := 0
	err := scan(b.old, []byte{rowDue, class}, []byte(b.dueFrom[class]), true, func(k, v []byte) error {
		if len(k) != dueKeySize || len(v)%16 != 0 {
			return errRow
		}
		if _, mine := b.dues[string(k)]; mine {
			return nil // set again or taken since
		}
		if dueAt(string(k)) > now || committed >= enough {
			return errStop
		}
		committed += len(v) / 16
		list = append(list, dueRow{string(k), slices.Clone(v)})
		return nil
	})
	slices.SortFunc(list, func(a, b dueRow) int { return strings.Compare(a.key, b.key) })
	return list, err
}

// missed looks at the incidents whose time has come, those of the highest priority
// first, so that a panic that nobody took never stands behind what nobody took of the
// routine.
func (b *batch) missed() error {
	left := missedPerTick
	for class := range byte(len(b.dueFrom)) {
		rows, err := b.dueNow(class, left)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if left == 0 || b.unit.over(b.m.db, unitPart) {
				return nil // the rest follows with the next tick
			}
			for len(r.ids) > 0 && left > 0 && !b.unit.over(b.m.db, unitPart) {
				id := record.ID(r.ids[:16])
				n, err := b.look(id, class, dueAt(r.key))
				if err != nil {
					return err
				}
				r.ids, left = r.ids[16:], max(0, left-n)
			}
			b.dueFrom[class] = r.key
			if len(r.ids) > 0 {
				b.dues[r.key] = r.ids
				return b.set([]byte(r.key), r.ids)
			}
			b.dues[r.key] = nil
			if err := b.del([]byte(r.key)); err != nil {
				return err
			}
		}
		if left == 0 {
			return nil
		}
		b.dueFrom[class] = string(dueKey(dueSlot{class, uint64(b.meta.time) / 1000}, 0))
	}
	return nil
}

// look is for what has become due of an incident, a deadline or a claim; n is how much that was.
func (b *batch) look(id record.ID, class byte, from uint64) (n int, err error) {
	if class == idleClass {
		return 1, b.idle(id)
	}
	return b.miss(id, from)
}

// miss writes an entry for each deadline from a second on that passed without its
// step, once, and lets the incident be looked at again after the next one. It gives how
// many had passed, at least 1 for the look.
func (b *batch) miss(id record.ID, from uint64) (n int, err error) {
	bodies, err := b.bodies(id)
	if err != nil {
		return 0, err
	}
	in := record.Fold(id, bodies)
	now := uint64(b.meta.time) / 1000
	for _, d := range in.Deadlines {
		if at := slotOf(0, d.At).at; at < from || at > now {
			continue
		}
		n++
		if stepDone(in, d.Step) {
			continue
		}
		if err := b.missedOne(in, d); err != nil {
			return n, err
		}
	}
	return max(1, n), b.setDue(id, in.Priority, in.Deadlines, now+1)
}

func (b *batch) missedOne(in *record.Incident, d record.Deadline) error {
	said, err := b.conclude(&record.Body{ID: routing.MissedID(in.ID, routing.Step(d.Step), in.Epoch), Incident: in.ID, Kind: record.KindMissed, Origin: record.CoreOrigin,
		HLC: record.HLCAt(b.meta.time), Clock: record.ClockSure, ReceivedAt: b.meta.time, Payload: record.Payload{Step: d.Step, Until: d.At, Epoch: in.Epoch}})
	if said {
		b.late++
	}
	return err
}

// conclude writes an entry of the city's whose id follows from its cause, and tells who is
// concerned; nothing if it was said before.
func (b *batch) conclude(body *record.Body) (said bool, err error) {
	if n, err := b.known(body.ID); err != nil || n > 0 {
		return false, err
	}
	before, err := b.toldOf(body)
	if err != nil {
		return false, err
	}
	if _, _, err := b.putCore(body, 0, body.Kind, 0); err != nil {
		return false, err
	}
	return true, b.tell(body, before, b.meta.index)
}
