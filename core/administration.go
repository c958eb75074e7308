package core

import (
	"context"
	"encoding/json"
	"strconv"

	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/exercise"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
	"wardline/sync/trust"
)

var _ api.Administered = backend{}

// Changes lists the entries by which officers changed how the city works, newest first.
func (b backend) Changes(ctx context.Context, before uint64, limit int) ([]api.Change, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	rows, err := b.n.machine.Changes(before, limit)
	out := make([]api.Change, len(rows))
	for i := range rows {
		out[i] = changeOf(&rows[i])
	}
	return out, err
}

// changeOf is a change in words that a list can show. What an entry of another version
// of the program says and this one cannot read is left out.
func changeOf(r *fsm.Row) api.Change {
	p := &r.Body.Payload
	c := api.Change{Index: r.Index, ID: r.Body.ID, Kind: r.Body.Kind, By: r.Body.Actor.Name, Unit: r.Body.Actor.Unit, At: api.Time(r.Body.ReceivedAt), Detail: map[string]string{}}
	say := func(key, value string) {
		if value != "" {
			c.Detail[key] = value
		}
	}
	switch r.Body.Kind {
	case record.KindAccount:
		c.Subject = p.ToOfficer
		if a, err := identity.AccountOf(&r.Body, r.Index); err == nil {
			c.Reason = a.Reason
			say("role", string(a.Role))
			say("unit", string(a.Unit))
			if a.Disabled {
				say("state", "disabled")
			}
		}
	case record.KindDevice:
		c.Step = p.Step
		if d, err := identity.CredentialOf(&r.Body); err == nil {
			c.Subject = d.ID
			say("ward", string(d.Ward))
			say("kind", d.Kind)
		}
	case record.KindMachine:
		c.Step = p.Step
		if m, err := trust.DecodeChange(p.Data); err == nil {
			if m.Name != (trust.Name{}) {
				c.Subject = m.Name.String()
			}
			if m.Current > 0 {
				say("generation", strconv.FormatUint(uint64(m.Current), 10))
			}
		}
	case record.KindExercise:
		if x, err := exercise.Of(&r.Body, r.Index); err == nil {
			c.Subject = x.Name
			say("from", api.Time(x.From).String())
			if x.Ended > 0 {
				c.Step = "end"
			}
		}
	case record.KindRules:
		c.Subject = strconv.FormatUint(uint64(p.Rules), 10)
		if x, err := routing.UnmarshalRules(p.Data); err == nil {
			say("from", api.Time(x.From).String())
		}
	case record.KindActivate:
		c.Subject, c.Step = strconv.FormatUint(uint64(p.Rules), 10), p.Step
	}
	return c
}

// maxVersions bounds a list of rules: each is up to 64 KiB.
const maxVersions = 100

// RulesVersions lists the rules that were imported, and the built-in ones.
func (b backend) RulesVersions(ctx context.Context) ([]api.RulesVersion, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	now := b.n.machine.RulesAt(b.n.wall().UnixMilli())
	rows, err := b.n.machine.ImportedRules()
	if err != nil {
		return nil, err
	}
	var out []api.RulesVersion
	for i := len(rows) - 1; i >= max(0, len(rows)-maxVersions); i-- {
		r := &rows[i]
		at := api.Time(r.Body.ReceivedAt)
		v := r.Body.Payload.Rules
		out = append(out, api.RulesVersion{Version: v, By: r.Body.Actor.Name, At: &at, Index: r.Index, InEffect: v == now.Version, Rules: json.RawMessage(r.Body.Payload.Data)})
	}
	built, err := routing.MarshalRules(routing.DefaultRules())
	if err != nil {
		return nil, err
	}
	return append(out, api.RulesVersion{InEffect: now.Version == 0, Rules: built}), nil
}

// CheckRules gives rules as they would be kept, or what is wrong with them; whether
// their version is taken, too.
func (b backend) CheckRules(ctx context.Context, raw []byte) (any, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	r, err := routing.UnmarshalRules(raw)
	if err != nil {
		return nil, api.Problem(400, "rules", rulesField(err), "%v", err)
	}
	rows, err := b.n.machine.ImportedRules()
	if err != nil {
		return nil, err
	}
	highest := uint32(0)
	for i := range rows {
		v := rows[i].Body.Payload.Rules
		highest = max(highest, v)
		if v == r.Version {
			return nil, api.Problem(400, "rules", "version", "version: %d stands for other rules already; use a higher one", v)
		}
	}
	if r.Version <= highest {
		return nil, api.Problem(400, "rules", "version", "version: %d is below %d, which would stay in effect; use %d", r.Version, highest, highest+1)
	}
	data, err := routing.MarshalRules(r)
	return json.RawMessage(data), err
}
