package core

import (
	"context"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/cap"
	"wardline/sync/identity"
	"wardline/sync/record"
)

var _ api.Broadcasts = backend{}

func broadcastOf(x *fsm.Broadcast) (b api.Broadcast, err error) {
	if b.Held, err = cap.HeldOf(&x.Row.Body); err != nil {
		return b, err
	}
	b.Index = x.Row.Index
	for i := range x.Reached {
		r, err := api.ReachedOf(&x.Reached[i].Row.Body)
		if err != nil {
			return b, err
		}
		r.Ward = x.Reached[i].Ward
		b.Reached = append(b.Reached, r)
	}
	return b, nil
}

// Broadcasts are the warnings that this node has applied.
func (b backend) Broadcasts(_ context.Context, limit int, until int64) ([]api.Broadcast, error) {
	list, err := b.n.machine.Broadcasts(limit, until)
	out := make([]api.Broadcast, 0, len(list))
	for i := range list {
		x, err := broadcastOf(&list[i])
		if err != nil {
			b.n.log.Error("a warning cannot be read", "index", list[i].Row.Index, "err", err)
			continue
		}
		out = append(out, x)
	}
	return out, err
}

// Broadcast is one of them, read so that what was acknowledged before is seen.
func (b backend) Broadcast(ctx context.Context, id record.ID) (api.Broadcast, bool, error) {
	if err := b.read(ctx); err != nil {
		return api.Broadcast{}, false, err
	}
	x, known, err := b.n.machine.Broadcast(id)
	if err != nil || !known {
		return api.Broadcast{}, false, err
	}
	out, err := broadcastOf(&x)
	return out, err == nil, err
}

// Send commits a warning; it goes to its wards by their outboxes.
func (b backend) Send(ctx context.Context, by identity.Officer, body record.Body) error {
	if !by.SeesAll() {
		return api.Problem(403, "not-here", "", "the command centre warns from here; a ward's officer at the ward's station, while it is cut off")
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	body.Origin, body.HLC, body.Clock, body.ReceivedAt = record.CoreOrigin, b.n.clock.Now(), record.ClockSure, b.n.wall().UnixMilli()
	body.Actor = record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit}
	raw, err := body.Encode()
	if err != nil {
		return api.Problem(400, "too-large", "alert", "%v", err)
	}
	r, err := b.n.propose(ctx, cluster.Urgent, fsm.Body(raw, nil))
	if err != nil {
		return unavailable(err)
	}
	if r.Status != fsm.OK {
		return api.Problem(409, "refused", "", "%s", r.Detail)
	}
	return nil
}
