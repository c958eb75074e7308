package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"wardline/sync/sealing"
	"wardline/sync/trust"
)

// keysDir is where a node keeps who it is, and its wrapping keys.
func (c *Config) keysDir() string { return filepath.Join(c.Dir, "keys") }

// founding says whether a node is one of those that began the city.
func (c *Config) founding(id string) bool {
	for _, p := range c.Peers {
		if p.ID == id {
			return true
		}
	}
	return false
}

// authorityFile is the file from which the authority's keys are derived.
func (c *Config) authorityFile() string {
	if c.AuthorityKey != "" {
		return c.AuthorityKey
	}
	return c.CityKey
}

// Enrol makes a node one of the city's machines, before New: it makes the node's own key,
// shows the token of token_file at the nodes that the configuration names, and keeps the certificate
// and the secrets that the nodes share. It waits while none of them answers. A node that has a
// certificate, and a founding one without a token, needs nothing.
//
// The founding nodes are the authority: each is given the secret by hand, before there is a
// city that could give it, and proves by it who it is. Every later node is let in by a token.
func Enrol(ctx context.Context, c Config, log *slog.Logger) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if trust.Enrolled(c.keysDir()) || c.TokenFile == "" {
		return nil
	}
	wall := c.Wall
	if wall == nil {
		wall = time.Now
	}
	m, err := c.member(trust.NewHolder(func() time.Time { return time.Time{} }), wall, log.With("node", c.ID))
	if err != nil {
		return err
	}
	switch err := m.Enrol(ctx); {
	case errors.Is(err, trust.ErrNone) && c.founding(c.ID):
		return nil
	case errors.Is(err, trust.ErrNone):
		return fmt.Errorf("token_file: there is no token in %s, and this node has no certificate; wardline enrol core/%s at the city prints one", c.TokenFile, c.ID)
	case err != nil:
		return fmt.Errorf("token_file: %w", err)
	}
	log.Info("this node is enrolled", "node", c.ID)
	return nil
}

// member is this node as a machine that enrols, over the other nodes' doors for Raft.
func (c *Config) member(h *trust.Holder, now func() time.Time, log *slog.Logger) (*trust.Member, error) {
	var doors []string
	for _, p := range c.Peers {
		if p.ID != c.ID {
			doors = append(doors, p.Raft)
		}
	}
	if len(doors) == 0 {
		return nil, errors.New("peers: there is no other node that could enrol this one")
	}
	return trust.OpenMember(trust.MemberConfig{Name: trust.NodeName(c.ID), Dir: c.keysDir(), TokenFile: c.TokenFile, Cores: doors, Holder: h, Now: now,
		Share: c.share, Log: log})
}

// share keeps the secrets of the city where the configuration says.
func (c *Config) share(s trust.Secrets) error {
	if (len(s.Authority) > 0) != (c.AuthorityKey != "") {
		return fmt.Errorf("%w: authority_key is %q here; at the node that enrolled this one it is the other way: name a file at all nodes, or at none", trust.ErrShare, c.AuthorityKey)
	}
	if err := sealing.PutSecret(c.CityKey, s.City); err != nil {
		return fmt.Errorf("%w: city_key: %w", trust.ErrShare, err)
	}
	if c.AuthorityKey == "" {
		return nil
	}
	if err := sealing.PutSecret(c.AuthorityKey, s.Authority); err != nil {
		return fmt.Errorf("%w: authority_key: %w", trust.ErrShare, err)
	}
	return nil
}

// secrets are what a new node is given.
func (n *Node) secrets() (s trust.Secrets, err error) {
	city, err := sealing.Secret(n.c.CityKey)
	if err != nil {
		return s, err
	}
	s.City = city[:]
	if n.c.AuthorityKey == "" {
		return s, nil
	}
	authority, err := sealing.Secret(n.c.AuthorityKey)
	s.Authority = authority[:]
	return s, err
}
