package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"wardline/sync/identity"
)

// askEvery is how often a part that is not ready yet is asked again.
const askEvery = 50 * time.Millisecond

// answerLimit is how long one answer may take.
const answerLimit = 3 * time.Second

// ready waits until every URL answers, a leader exists, log-in works at each
// core node and station, and every panel's line is open.
func (c *City) ready(ctx context.Context) error {
	type part struct {
		url    string
		panels int
	}
	parts := []part{{url: "http://" + c.plan.Command}}
	for _, n := range c.plan.Cores {
		parts = append(parts, part{url: "http://" + n.HTTP})
	}
	for _, s := range c.plan.Stations {
		parts = append(parts, part{"http://" + s.HTTP, len(s.Panels)})
	}
	for i, p := range parts {
		if i == 1 { // the command centre answers
			if err := c.appoint(ctx); err != nil {
				return err
			}
			if err := errors.Join(c.enrol(ctx), c.writeAuthority()); err != nil {
				return err
			}
		}
		client, err := NewClient(p.url, answerLimit)
		if err != nil {
			return err
		}
		for {
			o := c.plan.Officers[0]
			if i == 0 {
				o.User = "" // there are no accounts yet
			}
			err := answers(ctx, client, o, p.panels)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("city: %s is not ready: %w", p.url, err)
			case <-time.After(askEvery):
			}
		}
	}
	return nil
}

// answers says why a part is not ready yet.
func answers(ctx context.Context, client *Client, o identity.OfficerAccount, panels int) error {
	if _, err := client.Call(ctx, "GET", "/readyz", nil); err != nil { // at the core: a leader answers
		return err
	}
	if o.User == "" {
		return nil
	}
	if err := client.SignIn(ctx, o.User, o.Password); err != nil {
		return err
	}
	raw, err := client.Call(ctx, "GET", "/api/v1/stations", nil)
	if err != nil {
		return err
	}
	var stations struct {
		Items []struct {
			Devices []struct {
				ID     string
				Online bool
			}
		}
	}
	if err := json.Unmarshal(raw, &stations); err != nil || panels == 0 {
		return err
	}
	open := 0
	for _, s := range stations.Items {
		for _, d := range s.Devices {
			if d.Online {
				open++
			}
		}
	}
	if open < panels {
		return fmt.Errorf("%d of %d panel lines are open", open, panels)
	}
	return nil
}
