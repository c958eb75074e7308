package fsm

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"wardline/sync/record"
	"wardline/sync/routing"
)

const (
	// maxJump is how far one tick may move the city's time; a larger jump is
	// alarmed and taken in steps of this size.
	maxJump = 5000 // milliseconds
	// missedPerTick bounds the work of one tick; the rest follows with the next.
	missedPerTick = 200
)

func deadlineKey(at int64, id record.ID, step string) []byte {
	k := u64([]byte{rowDeadline}, uint64(max(at, 0)))
	return append(append(k, id[:]...), step...)
}

// tick advances the city's time. It never goes back, and at first it is set.
func (b *batch) tick(ms int64) (Result, error) {
	switch {
	case b.meta.time == 0:
		b.meta.time = ms
	case ms > b.meta.time+maxJump:
		if err := b.jump(ms); err != nil {
			return Result{}, err
		}
	default:
		b.meta.time = max(b.meta.time, ms)
	}
	if err := b.missed(); err != nil {
		return Result{}, err
	}
	return Result{Status: OK, Index: b.meta.index}, nil
}

// longSilence is how long a city may have stood still without that being a
// jump of a clock: nobody ticked while no leader lived.
const longSilence = 60_000

func (b *batch) jump(ms int64) error {
	step := int64(maxJump)
	if ms-b.meta.time > longSilence {
		step = (ms - b.meta.time) / 8 // slewed: half of any distance within six ticks
	}
	b.meta.time += step
	day := u64(nil, uint64(b.meta.time/3_600_000))
	id := record.DerivedID("alarm", []byte("clock"), day)
	if n, err := b.known(id); err != nil || n > 0 {
		return err // once an hour is enough
	}
	body := record.Body{ID: id, Kind: record.KindAlarm, Origin: record.CoreOrigin, HLC: record.HLCAt(b.meta.time), ReceivedAt: b.meta.time,
		Payload: record.Payload{Reason: "clock", Data: []byte(fmt.Sprintf("the nodes' clocks are %d ms ahead of the city's time", ms-b.meta.time))}}
	_, _, err := b.putCore(&body, 0, record.KindAlarm, 0)
	return err
}

type due struct {
	key  string
	id   record.ID
	step string
	at   int64
}

func decodeDue(key string) (due, error) {
	if len(key) < 25 {
		return due{}, errRow
	}
	return due{key: key, id: record.ID([]byte(key[9:25])), step: key[25:], at: int64(binary.BigEndian.Uint64([]byte(key[1:9])))}, nil
}

// setDeadline lets a step of an incident be missed at a time.
func (b *batch) setDeadline(at int64, id record.ID, step string) error {
	k := deadlineKey(at, id, step)
	b.deadlines[string(k)] = true
	b.dueFrom = min(b.dueFrom, string(k))
	return b.set(k, nil)
}

// dueNow are the first deadlines that have passed, at most as many as one tick
// takes. What is pending is not scanned in the store, which sorts all of it each time;
// and what the ticks before have taken is not walked over again: the store keeps what
// was deleted for long, and that is every deadline there ever was.
func (b *batch) dueNow() ([]due, error) {
	var list []due
	for k, set := range b.deadlines {
		d, err := decodeDue(k)
		if err != nil {
			return nil, err
		}
		if set && d.at <= b.meta.time {
			list = append(list, d)
		}
	}
	committed := 0
	err := scan(b.old, []byte{rowDeadline}, []byte(b.dueFrom), false, func(k, _ []byte) error {
		if _, mine := b.deadlines[string(k)]; mine {
			return nil // set again or taken since
		}
		d, err := decodeDue(string(k))
		if err != nil {
			return err
		}
		if d.at > b.meta.time || committed >= missedPerTick {
			return errStop
		}
		committed++
		list = append(list, d)
		return nil
	})
	slices.SortFunc(list, func(a, b due) int { return strings.Compare(a.key, b.key) })
	return list[:min(len(list), missedPerTick)], err
}

// missed writes an entry for each deadline that passed without its step, once.
func (b *batch) missed() error {
	list, err := b.dueNow()
	if err != nil {
		return err
	}
	for _, d := range list {
		if b.unit.over(b.m.db, unitPart) {
			return nil // the rest follows with the next tick
		}
		b.deadlines[d.key] = false
		b.dueFrom = d.key
		if err := b.del([]byte(d.key)); err != nil {
			return err
		}
		if err := b.miss(d); err != nil {
			return err
		}
	}
	if len(list) < missedPerTick {
		b.dueFrom = string(deadlineKey(b.meta.time, record.ID{}, ""))
	}
	return nil
}

func (b *batch) miss(d due) error {
	bodies, err := b.bodies(d.id)
	if err != nil {
		return err
	}
	in := record.Fold(d.id, bodies)
	if stepDone(in, d.step) || !slices.Contains(in.Deadlines, record.Deadline{Step: d.step, At: d.at}) { // or another category's
		return nil
	}
	id := routing.MissedID(d.id, routing.Step(d.step), in.Epoch)
	if n, err := b.known(id); err != nil || n > 0 {
		return err
	}
	body := record.Body{ID: id, Incident: d.id, Kind: record.KindMissed, Origin: record.CoreOrigin, HLC: record.HLCAt(b.meta.time),
		Clock: record.ClockSure, ReceivedAt: b.meta.time, Payload: record.Payload{Step: d.step, Until: d.at, Epoch: in.Epoch}}
	before, err := b.toldOf(&body)
	if err != nil {
		return err
	}
	if _, _, err := b.putCore(&body, 0, record.KindMissed, 0); err != nil {
		return err
	}
	b.late++
	return b.tell(&body, before, b.meta.index)
}

// stepDone says whether an incident is past a step.
func stepDone(in *record.Incident, step string) bool {
	if in.Stub || !in.Open() || (in.Rank >= record.RankResolved && step != string(routing.StepClose)) {
		return true
	}
	switch step {
	case string(routing.StepClaim):
		for _, u := range in.Units {
			if u.Progress > record.Told {
				return true
			}
		}
		return in.Rank > record.RankReceived
	case string(routing.StepClassify):
		return in.Rank >= record.RankClassified
	case string(routing.StepVerify):
		return in.Rank >= record.RankVerified
	case string(routing.StepDispatch):
		return in.Rank >= record.RankDispatched
	case string(routing.StepArrive):
		return in.Rank >= record.RankOnScene
	}
	return false
}
