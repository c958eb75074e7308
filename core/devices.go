package core

import (
	"context"
	"encoding/json"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// credentials gives the devices of the log, as this node has applied it, to its directory.
type credentials struct{ n *Node }

var _ identity.Credentials = credentials{}

// Credential implements identity.Credentials. Where the log cannot be read nobody
// comes in by what the configuration says of a device: it may be revoked.
func (x credentials) Credential(id string) (identity.Credential, bool) {
	r, known, err := x.n.machine.Device(id)
	if err != nil {
		x.n.log.Error("a device could not be looked up and was refused", "device", id, "err", err)
		return identity.Credential{ID: id, Revoked: true}, true
	}
	return r.Credential, known
}

// Devices lists what the log says of devices, in the order of their names.
func (b backend) Devices(ctx context.Context, after string, limit int) ([]identity.Credential, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	rows, err := b.n.machine.Devices(after, limit)
	out := make([]identity.Credential, len(rows))
	for i, r := range rows {
		out[i] = r.Credential
	}
	return out, err
}

// AddDevice gives a device a new secret, and makes it where there was none.
func (b backend) AddDevice(ctx context.Context, by identity.Officer, d identity.Device) (secret string, err error) {
	c, secret := identity.NewCredential(d)
	if err := c.Validate(); err != nil {
		return "", api.Problem(400, "invalid-value", "", "%v", err)
	}
	return secret, b.changeDevice(ctx, by, c)
}

// RevokeDevice turns a device away, at the core at once and at its station when that hears.
func (b backend) RevokeDevice(ctx context.Context, by identity.Officer, id string) error {
	c := identity.Credential{ID: id, Revoked: true}
	if err := c.Validate(); err != nil {
		return api.Problem(400, "invalid-value", "id", "%v", err)
	}
	return b.changeDevice(ctx, by, c)
}

func (b backend) changeDevice(ctx context.Context, by identity.Officer, c identity.Credential) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	step := "add"
	if c.Revoked {
		step = "revoke"
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	return b.commit(ctx, by, record.Body{ID: record.NewID(b.n.wall()), Kind: record.KindDevice, Payload: record.Payload{Step: step, Ward: c.Ward, Data: data}})
}
