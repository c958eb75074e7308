package core

import (
	"context"
	"errors"
	"time"

	"wardline/core/fsm"
	"wardline/sync/record"
	"wardline/sync/routing"
	"wardline/sync/view"
)

const (
	// retainEvery is how often the leader looks for what the rules keep no longer: their
	// measure is days.
	retainEvery = 6 * time.Hour
	// retainFirst is how soon after its start a node does that for the first time.
	retainFirst = 5 * time.Minute
	// retainPage is how many closed incidents are looked at together, and retainRest the
	// time between: a look at millions takes an hour of a small part of one processor.
	retainPage = 200
	retainRest = 100 * time.Millisecond
	dayMillis  = int64(24 * time.Hour / time.Millisecond)
)

// whyRetention is the reason of an erasure that nobody asked for.
const whyRetention = "retention"

// retain erases, at the leader, what identifies people in incidents that are closed for
// longer than the rules in effect keep it (routing.Rule.KeepDays), until ctx ends. The city's
// time decides, and time counts from the last entry about the incident.
func (n *Node) retain(ctx context.Context) error {
	for wait := retainFirst; ; wait = retainEvery {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if !n.raft.IsLeader() {
			continue
		}
		done, err := n.retainOnce(ctx, n.machine.CityTime())
		if done > 0 {
			n.log.Info("what identifies people was erased because the rules keep it no longer", "incidents", done)
		}
		if errors.Is(err, fsm.ErrHole) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			n.log.Warn("retention: the rest is looked at next time", "err", err)
		}
	}
}

// retainOnce looks at all closed incidents once, as of a time of the city (milliseconds since
// the Unix epoch, UTC), and gives how many were erased.
func (n *Node) retainOnce(ctx context.Context, now int64) (done int, err error) {
	keep := keepFor(n.machine.RulesAt(now))
	shortest := int64(0)
	for _, k := range keep {
		if shortest == 0 || k < shortest {
			shortest = k
		}
	}
	if shortest == 0 || now <= shortest {
		return 0, nil
	}
	q := view.Query{Status: "closed", Before: now - shortest, Limit: retainPage}
	for {
		page, err := n.view.List(q)
		if err != nil {
			return done, err
		}
		for i := range page.Rows {
			r := &page.Rows[i]
			k := keep[r.Category]
			if k == 0 || r.ReceivedAt >= now-k {
				continue
			}
			erased, err := n.retainOne(ctx, r, now-k)
			if err != nil {
				return done, err
			}
			done += erased
		}
		if page.Next == nil {
			return done, nil
		}
		q.Cursor = page.Next
		select {
		case <-ctx.Done():
			return done, nil
		case <-time.After(retainRest):
		}
	}
}

// keepFor is how long each category is kept, in milliseconds; those without an end are left out.
func keepFor(r *routing.Rules) map[record.Category]int64 {
	out := map[record.Category]int64{}
	for c, rule := range r.Categories {
		if rule.KeepDays > 0 {
			out[c] = int64(rule.KeepDays) * dayMillis
		}
	}
	return out
}

// retainOne erases an incident whose last entry is older than a time, and gives 1; 0 when
// there is nothing to erase, or not yet.
func (n *Node) retainOne(ctx context.Context, r *view.Row, before int64) (int, error) {
	last, err := n.machine.Entry(r.Position)
	if err != nil {
		return 0, err
	}
	if last.Body.Kind == record.KindErasure || max(last.Body.HLC.Millis(), last.Body.ReceivedAt) >= before {
		return 0, nil
	}
	body, err := n.erasureOf(r.ID)
	if err != nil {
		return 0, err
	}
	// Of this state of the incident: reopened and closed again, it is another erasure.
	body.ID = record.DerivedID("erasure", r.ID[:], last.Body.ID[:])
	body.Payload.Reason = whyRetention
	_, err = n.erase(ctx, body)
	if ref, ok := errors.AsType[*record.Refusal](err); ok {
		n.log.Debug("retention", "incident", r.ID, "refused", ref.Code)
		return 0, nil // erased before, or open again
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}
