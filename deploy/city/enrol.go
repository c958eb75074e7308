package city

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// names are the addresses for the certificates of a city that lives on one machine.
func names() []string { return []string{"127.0.0.1", "localhost"} }

// tokenFile is where a station finds its token.
func (c *City) tokenFile(w record.WardCode) string {
	return c.path("conf/ward-" + string(w) + ".token")
}

// enrol gives every station that has no certificate a token, and waits until it
// has one and its line stands: from its first report on it is of the city.
func (c *City) enrol(ctx context.Context) error {
	var client *Client
	for _, s := range c.plan.Stations {
		if trust.Enrolled(filepath.Join(s.Dir, "keys")) {
			continue
		}
		if client == nil {
			var err error
			if client, err = c.administrator(ctx); err != nil {
				return fmt.Errorf("city: no token for the station of %s: %w", s.Ward, err)
			}
		}
		token, err := NewToken(ctx, client, trust.StationName(s.Ward), names())
		if err != nil {
			return fmt.Errorf("city: no token for the station of %s: %w", s.Ward, err)
		}
		if err := writeSecret(s.TLS.TokenFile, token); err != nil {
			return err
		}
		for !connected(ctx, client, s.Ward) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("city: the station of %s did not enrol: %w", s.Ward, ctx.Err())
			case <-time.After(askEvery):
			}
		}
	}
	return nil
}

// connected says whether a ward's station is on the line.
func connected(ctx context.Context, client *Client, w record.WardCode) bool {
	raw, err := client.Call(ctx, "GET", "/api/v1/stations", nil)
	var out struct{ Items []api.Station }
	return err == nil && json.Unmarshal(raw, &out) == nil &&
		slices.ContainsFunc(out.Items, func(x api.Station) bool { return x.Ward == w && x.Connected })
}

// administrator speaks to the core in the administrator's name.
func (c *City) administrator(ctx context.Context) (*Client, error) {
	client, err := NewClient("http://"+c.plan.Command, answerLimit)
	if err != nil {
		return nil, err
	}
	for _, o := range c.plan.Officers {
		if o.Role == identity.Administrator {
			return client, client.SignIn(ctx, o.User, o.Password)
		}
	}
	return nil, errors.New("the plan has no administrator")
}

// NewToken makes a token for a machine; client speaks in an administrator's name.
func NewToken(ctx context.Context, client *Client, name trust.Name, names []string) (string, error) {
	ask, err := json.Marshal(api.MachineChange{Op: trust.OpToken, Name: name.String(), Names: names})
	if err != nil {
		return "", err
	}
	raw, err := client.Call(ctx, "POST", "/api/v1/machines", ask)
	if err != nil {
		return "", err
	}
	var out api.MachineDone
	return out.Token, json.Unmarshal(raw, &out)
}

// writeSecret writes a file by rename, readable by its owner alone.
func writeSecret(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return nil
}

// complete adds to the plan of an earlier version what it did not know.
func (c *City) complete() (changed bool) {
	fill := func(field *string, with string) {
		if *field == "" {
			*field, changed = with, true
		}
	}
	fill(&c.plan.CommandS, anyPort)
	for i := range c.plan.Cores {
		n := &c.plan.Cores[i]
		fill(&n.HTTPS, anyPort)
		if n.Names == nil {
			n.Names, changed = names(), true
		}
	}
	for i := range c.plan.Stations {
		s := &c.plan.Stations[i]
		fill(&s.TLS.TokenFile, c.tokenFile(s.Ward))
		for _, a := range []*string{&s.TLS.HTTP, &s.TLS.MQTT, &s.TLS.MQTTWS} {
			fill(a, anyPort)
		}
	}
	return changed
}

// authorityEvery is how often the nodes' files of authorities are looked at.
const authorityEvery = time.Second

// writeAuthority writes what browsers and devices of the city trust: what the node says that
// has heard of the newest generations. A node that was stopped has an older file.
func (c *City) writeAuthority() error {
	var best []*x509.Certificate
	for _, n := range c.plan.Cores {
		roots, err := trust.ReadRoots(filepath.Join(n.Dir, trust.RootsFile))
		if err != nil || len(roots) == 0 {
			continue // it has not begun yet
		}
		if len(best) == 0 || later(roots, best) {
			best = roots
		}
	}
	if len(best) == 0 {
		return errors.New("city: no core node has written " + trust.RootsFile + " yet")
	}
	return trust.WriteRoots(c.authorityFile(), best)
}

// later says whether a names later generations than b, by the newest, then by the oldest.
func later(a, b []*x509.Certificate) bool {
	newest := a[len(a)-1].SerialNumber.Cmp(b[len(b)-1].SerialNumber)
	return newest > 0 || newest == 0 && a[0].SerialNumber.Cmp(b[0].SerialNumber) > 0
}

// followAuthority keeps the file right while the authority rotates, until ctx ends.
func (c *City) followAuthority(ctx context.Context) {
	t := time.NewTicker(authorityEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := c.writeAuthority(); err != nil {
			c.log.Warn("ca.pem", "err", err)
		}
	}
}

// authorityFile is the authority's certificates, PEM.
func (c *City) authorityFile() string { return c.path("ca.pem") }
