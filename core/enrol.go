package core

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// tokenLife is how long a token is good when nothing else is asked for: the day on
// which the installer drives out.
const tokenLife = 24 * time.Hour

// ListMachines is what the city knows of its machines.
func (b backend) ListMachines(ctx context.Context) (out api.MachineList, err error) {
	if err := b.read(ctx); err != nil {
		return out, err
	}
	now := b.n.machine.Machines()
	sum, err := b.n.trust.ca.Fingerprint(now.Current)
	if err != nil {
		return out, err
	}
	out = api.MachineList{Items: []api.MachineItem{}, Nodes: b.n.nodes(ctx), Authority: api.Generations{Oldest: now.Oldest, Current: now.Current, Fingerprint: sum}}
	for _, name := range slices.SortedFunc(maps.Keys(now.Of), func(a, b trust.Name) int { return strings.Compare(a.String(), b.String()) }) {
		r := now.Of[name]
		x := api.MachineItem{Name: name, State: r.State(), Epoch: r.Epoch, Names: r.Names}
		if r.At > 0 {
			t := api.Time(r.At)
			x.Since = &t
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}

// ChangeMachine makes a token, revokes, or changes the authority.
func (b backend) ChangeMachine(ctx context.Context, by identity.Officer, in api.MachineChange) (out api.MachineDone, err error) {
	n := b.n
	if in.Op == trust.OpLogKey {
		return out, b.turnLogKey(ctx, by)
	}
	c := trust.Change{Op: in.Op, Names: in.Names}
	switch in.Op {
	case trust.OpToken, trust.OpRevoke:
		if c.Name, err = trust.ParseName(in.Name); err != nil {
			return out, api.Problem(400, "invalid-value", "name", "%v", err)
		}
		if in.Op == trust.OpRevoke && c.Name.Kind == trust.Node {
			if c.Epoch, err = b.spare(ctx, c.Name); err != nil {
				return out, err
			}
		}
	case trust.OpRotate, trust.OpRetire:
		if err := b.read(ctx); err != nil {
			return out, err
		}
		now := n.machine.Machines()
		c.Oldest, c.Current = now.Current, now.Current
		if in.Op == trust.OpRotate {
			c.Current++
		}
		roots, err := n.trust.ca.Roots(c.Oldest, c.Current)
		if err != nil {
			return out, err
		}
		for _, r := range roots {
			c.Roots = append(c.Roots, r.Raw)
		}
	default:
		return out, api.Problem(400, "invalid-value", "op", "use token, revoke, rotate, retire or log-key")
	}
	if err := checkNames(in.Names); err != nil {
		return out, err
	}
	var token trust.Token
	if in.Op == trust.OpToken {
		life := time.Duration(in.ForSeconds) * time.Second
		if life == 0 {
			life = tokenLife
		}
		token = trust.Token{Name: c.Name, Secret: trust.NewSecret()}
		if token.Authority, err = n.trust.ca.Fingerprint(n.machine.Machines().Current); err != nil {
			return out, err
		}
		c.Secret, c.ForMS = trust.Sum(token.Secret), life.Milliseconds()
		until := api.Time(n.wall().Add(life).UnixMilli())
		out = api.MachineDone{Token: token.String(), Until: &until}
	}
	err = n.changeMachines(ctx, record.NewID(n.wall()), c, record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit})
	if errors.Is(err, errRefused) {
		return api.MachineDone{}, api.Problem(409, "refused", "", "%v", err)
	}
	if err != nil {
		return api.MachineDone{}, unavailable(err)
	}
	return out, nil
}

// spare makes sure that the city goes on without a node, and gives its enrolment.
func (b backend) spare(ctx context.Context, name trust.Name) (epoch uint32, err error) {
	if err := b.read(ctx); err != nil {
		return 0, err
	}
	if err := b.n.raft.Spare(ctx, name.ID); err != nil {
		return 0, api.Problem(409, "refused", "name", "%v", err)
	}
	return b.n.machine.Machines().Of[name].Epoch, nil
}

// checkNames holds names for a certificate to what can stand in one.
func checkNames(names []string) error {
	if len(names) > trust.MaxNames {
		return api.Problem(400, "invalid-value", "names", "%d names, at most %d", len(names), trust.MaxNames)
	}
	for _, name := range names {
		ok := net.ParseIP(name) != nil
		if !ok {
			ok = name != "" && len(name) <= 253 && !strings.ContainsFunc(name, func(c rune) bool {
				return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.')
			})
		}
		if !ok {
			return api.Problem(400, "invalid-value", "names", "%.80q is no host name and no address", name)
		}
	}
	return nil
}
