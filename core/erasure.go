package core

import (
	"context"
	"slices"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Erase commits the erasure of a closed incident. When it returns the keys are gone
// from this node's state; the others and the stations follow, and Erasures says so.
func (b backend) Erase(ctx context.Context, by identity.Officer, e api.Erasure) (uint64, error) {
	if err := b.read(ctx); err != nil {
		return 0, err
	}
	body, err := b.n.erasureOf(e.Incident)
	if err != nil {
		return 0, err
	}
	body.ID, body.Actor = record.DerivedID("erasure", e.Incident[:], e.ID[:]), record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit}
	if body.Payload.Reason = e.Reason; e.Soon {
		body.Payload.Flags = record.FlagSoon
	}
	return b.n.erase(ctx, body)
}

// erasureOf begins the entry that erases what an incident says of people as it is now.
func (n *Node) erasureOf(incident record.ID) (record.Body, error) {
	rows, err := n.machine.Incident(incident)
	if err != nil {
		return record.Body{}, err
	}
	bodies := make([]record.Body, len(rows))
	for i, r := range rows {
		bodies[i] = r.Body
	}
	heads := record.Fold(incident, bodies).Heads
	return record.Body{Incident: incident, Kind: record.KindErasure, Deps: heads[:min(len(heads), record.MaxDeps)]}, nil
}

func (n *Node) erase(ctx context.Context, body record.Body) (uint64, error) {
	body.Origin, body.HLC, body.Clock, body.ReceivedAt = record.CoreOrigin, n.clock.Now(), record.ClockSure, n.wall().UnixMilli()
	raw, err := body.Encode()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	r, err := n.propose(ctx, cluster.Routine, fsm.Body(raw, nil))
	switch {
	case err != nil:
		return 0, unavailable(err)
	case r.Refusal != nil:
		return 0, r.Refusal
	case r.Status != fsm.OK:
		return 0, api.Problem(409, "refused", "", "%s", r.Detail)
	}
	_, err = n.machine.Forget()
	return r.Index, err
}

// Erasures says how far the erasures are, the newest first.
func (b backend) Erasures(ctx context.Context, before uint64, limit int) ([]api.ErasureState, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	rows, err := b.n.machine.ErasuresBefore(before, limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.ErasureState, len(rows))
	for i, r := range rows {
		e, err := b.n.machine.Entry(r.Index)
		if err != nil {
			return nil, err
		}
		x := api.ErasureState{Entry: e.Body.ID, Index: r.Index, Incident: r.Incident, Reason: e.Body.Payload.Reason, By: e.Body.Actor.Name,
			At: api.Time(e.Body.HLC.Millis()), Soon: r.Soon, Holders: []api.ErasedAt{}}
		names := b.n.raft.Members()
		slices.Sort(names)
		for _, w := range r.Wards {
			names = append(names, string(record.StationOrigin(w)))
		}
		last, all := api.Time(0), true
		for _, name := range names {
			h := api.ErasedAt{Name: name}
			at, done, err := b.n.machine.Destroyed(name, r.Index)
			if err != nil {
				return nil, err
			}
			if done {
				t := api.Time(at)
				h.At, last = &t, max(last, t)
			}
			all = all && done
			x.Holders = append(x.Holders, h)
		}
		if all && len(names) > 0 {
			x.Complete = &last
		}
		out[i] = x
	}
	return out, nil
}
