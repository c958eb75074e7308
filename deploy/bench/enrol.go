package main

import (
	"context"
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
	client, err := city.NewClient("http://"+nodes[0].HTTP, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if err := client.SignIn(ctx, string(identity.Administrator), secret); err != nil {
		return nil, err
	}
	token, err := city.NewToken(ctx, client, trust.StationName(ward), nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return nil, err
	}
	h := trust.NewHolder(time.Now)
	c := trust.MemberConfig{Name: trust.StationName(ward), Dir: dir, TokenFile: file, Holder: h, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, n := range nodes {
		c.Cores = append(c.Cores, n.Sync)
	}
	m, err := trust.OpenMember(c)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	for h.Certificate() == nil && ctx.Err() == nil {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	err = context.Cause(ctx)
	stop()
	if err := <-done; err != nil {
		return nil, err
	}
	return h, err
}
