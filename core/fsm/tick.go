package fsm

import (
	"fmt"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// maxJump is how far one tick may move the city's time, in milliseconds; a larger
// jump is alarmed and taken in steps of this size.
const maxJump = 5000

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
