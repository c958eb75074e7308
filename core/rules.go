package core

import (
	"context"
	"encoding/json"
	"strings"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// ImportRules commits one version of the routing rules; it takes effect by its
// own dates, at the core and at every station that has heard of it. Reports that
// were routed before stay as they were routed.
func (b backend) ImportRules(ctx context.Context, by identity.Officer, raw []byte) (any, error) {
	r, err := routing.UnmarshalRules(raw)
	if err != nil {
		return nil, api.Problem(400, "rules", rulesField(err), "%v", err)
	}
	data, err := routing.MarshalRules(r) // one spelling for one content
	if err != nil {
		return nil, api.Problem(400, "rules", rulesField(err), "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	err = b.commit(ctx, by, record.Body{ID: record.DerivedID("rules", data), Kind: record.KindRules, Payload: record.Payload{Rules: r.Version, Data: data}})
	return json.RawMessage(data), err
}

// rulesField is the path at the head of an error's text.
func rulesField(err error) string {
	rest := strings.TrimPrefix(err.Error(), routing.ErrRules.Error()+": ")
	field, _, ok := strings.Cut(rest, ":")
	if !ok || strings.ContainsAny(field, " \t") {
		return ""
	}
	return field
}

// commit writes an entry of the directory kinds in an officer's name.
func (b backend) commit(ctx context.Context, by identity.Officer, body record.Body, keys ...*api.SealedKey) error {
	n := b.n
	body.Origin, body.HLC, body.Clock, body.ReceivedAt = record.CoreOrigin, n.clock.Now(), record.ClockSure, n.wall().UnixMilli()
	body.Actor = record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit}
	raw, err := body.Encode()
	if err != nil {
		return err
	}
	r, err := n.proposeSealed(ctx, cluster.Routine, raw, keys...)
	if err != nil {
		return unavailable(err)
	}
	if r.Status != fsm.OK {
		return api.Problem(409, "refused", "", "%s", r.Detail)
	}
	return nil
}

// Rules are the rules in effect now, as this node has applied them.
func (b backend) Rules(ctx context.Context) ([]byte, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	return routing.MarshalRules(b.n.machine.RulesAt(b.n.wall().UnixMilli()))
}
