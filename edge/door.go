package edge

import (
	"context"
	"encoding/json"
	"errors"

	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/sync/record"
)

// doorLedger gives the ledger to the door.
type doorLedger struct{ s *Station }

func (x doorLedger) Clock() *record.Clock { return x.s.ledger.Clock() }

// ClockState is sure while the line stands and the city's clock agrees with
// ours: a small box may have booted without a battery clock.
func (x doorLedger) ClockState() record.ClockState {
	st := x.s.up.Status()
	if st.Connected && st.Offset.Abs() < record.MaxClockLead {
		return record.ClockSure
	}
	return record.ClockUnsure
}

func (x doorLedger) appendOf(d intake.Draft) ledger.Append {
	a := ledger.Append{Lane: d.Lane, Body: d.Body}
	if d.Once != nil && !x.s.up.Status().Connected {
		routed := x.s.routed(&d.Body)
		a.Behind = &routed
	}
	if d.Key != nil {
		a.Keys = append(a.Keys, x.s.keys.Wrap(d.Key.ID, d.Key.Key))
	}
	if d.Once != nil {
		a.Once = &ledger.Once{ID: d.Once.ID, Fingerprint: d.Once.Fingerprint, Extra: d.Once.Extra}
	}
	for _, n := range d.Notes {
		a.Notes = append(a.Notes, ledger.Note{Key: n.Key, Value: n.Value})
	}
	return a
}

func keptOf(r ledger.Result) intake.Kept {
	f := r.First
	if f.Seq == 0 {
		return intake.Kept{Incarnation: r.Link.Incarnation, Lane: r.Link.Lane, Seq: r.Link.Seq, Hash: r.Hash}
	}
	return intake.Kept{Repeat: r.Repeat, Incarnation: f.Incarnation, Lane: f.Lane, Seq: f.Seq, Hash: f.Hash, ReceivedAt: f.ReceivedAt, Extra: f.Extra}
}

// doorError tells what passes (no room, a disk that failed) from what never will
// (an entry that cannot be encoded), so that nothing is asked for again for ever.
func doorError(err error) error {
	for _, later := range []error{ledger.ErrBusy, ledger.ErrNoSpace, ledger.ErrClosed, ledger.ErrFailed} {
		if errors.Is(err, later) {
			return errors.Join(intake.ErrLater, err)
		}
	}
	if errors.Is(err, ledger.ErrOtherContent) {
		return intake.ErrOtherContent
	}
	return err
}

func (x doorLedger) Submit(d intake.Draft, done func(intake.Kept, error)) {
	x.s.ledger.Submit(x.appendOf(d), func(r ledger.Result, err error) { done(keptOf(r), doorError(err)) })
}

type doorView struct {
	v   ledger.View
	err error
}

func (w *doorView) Note(key []byte) []byte {
	v, err := w.v.Note(key)
	w.err = errors.Join(w.err, err)
	return v
}

func (x doorLedger) Decide(lane record.LaneID, f func(intake.View) ([]intake.Draft, error), done func([]intake.Kept, error)) {
	x.s.ledger.Decide(lane, func(v ledger.View) ([]ledger.Append, any, error) {
		w := &doorView{v: v}
		list, err := f(w)
		if err := errors.Join(err, w.err); err != nil {
			return nil, nil, err
		}
		var out []ledger.Append
		for _, d := range list {
			out = append(out, x.appendOf(d))
		}
		return out, nil, nil
	}, func(_ any, all []ledger.Result, err error) {
		var kept []intake.Kept
		for _, r := range all {
			kept = append(kept, keptOf(r))
		}
		done(kept, doorError(err))
	})
}

// Quarantine keeps malformed input sealed: whoever sent it may have named people.
func (x doorLedger) Quarantine(m intake.Malformed, done func(error)) {
	sealed, err := x.s.keys.SealRaw(context.Background(), m.Raw) // a station always has a key
	if err != nil {
		done(err)
		return
	}
	m.Raw, m.Sealed = nil, sealed
	b, err := json.Marshal(m)
	if err != nil {
		done(err)
		return
	}
	x.s.ledger.Quarantine(m.Device, b, func(err error) { done(doorError(err)) })
}
