package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"wardline/core"
	"wardline/deploy/city"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// enrol gives the station of a ward, whose keys lie in dir, its certificate, so
// that what is measured begins with a line that may stand.
func (b *bench) enrol(ctx context.Context, nodes []core.Config, ward record.WardCode, dir string) (*trust.Holder, error) {
	client, err := b.administrator(ctx, "http://"+nodes[0].HTTP)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h := trust.NewHolder(time.Now)
	file := filepath.Join(dir, "token")
	c := trust.MemberConfig{Name: trust.StationName(ward), Dir: dir, TokenFile: file, Holder: h, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, n := range nodes {
		c.Cores = append(c.Cores, n.Sync)
	}
	for range enrolTries {
		token, err := city.NewToken(ctx, client, trust.StationName(ward), nil)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			return nil, err
		}
		if err := member(ctx, c); err != nil || h.Certificate() != nil {
			return h, err
		}
	}
	return nil, fmt.Errorf("%s got no certificate with %d tokens, %s each", c.Name, enrolTries, enrolTime)
}

// A token serves once: where the answer was lost on a machine that is busy, another is needed.
const (
	enrolTries = 4
	enrolTime  = 20 * time.Second
)

// member runs a machine of the city until it has its certificate, for enrolTime at most.
func member(ctx context.Context, c trust.MemberConfig) error {
	m, err := trust.OpenMember(c)
	if err != nil {
		return err
	}
	running, stop := context.WithTimeout(ctx, enrolTime)
	done := make(chan error, 1)
	go func() { done <- m.Run(running) }()
	for c.Holder.Certificate() == nil && running.Err() == nil {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-running.Done():
		}
	}
	stop()
	return errors.Join(<-done, context.Cause(ctx))
}

// administrator gives a client that is signed in, one for all stations of a city: each
// sign-in costs what a password's verifier is made to cost.
func (b *bench) administrator(ctx context.Context, base string) (*city.Client, error) {
	if c := b.admins[base]; c != nil {
		return c, nil
	}
	c, err := city.NewClient(base, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if err := c.SignIn(ctx, string(identity.Administrator), secret); err != nil {
		return nil, err
	}
	if b.admins == nil {
		b.admins = map[string]*city.Client{}
	}
	b.admins[base] = c
	return c, nil
}
