package city

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"

	"wardline/sync/identity"
)

// askEvery is how often a part that is not ready yet is asked again.
const askEvery = 50 * time.Millisecond

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
	for _, p := range parts {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		client := &http.Client{Timeout: 3 * time.Second, Jar: jar}
		for {
			err := answers(ctx, client, p.url, c.plan.Officers[0], p.panels)
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
func answers(ctx context.Context, client *http.Client, url string, o identity.OfficerAccount, panels int) error {
	if err := ask(ctx, client, "GET", url+"/readyz", nil, nil); err != nil { // at the core: a leader answers
		return err
	}
	login, err := json.Marshal(map[string]string{"user": o.User, "password": o.Password})
	if err != nil {
		return err
	}
	if err := ask(ctx, client, "POST", url+"/api/v1/session", login, nil); err != nil {
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
	if err := ask(ctx, client, "GET", url+"/api/v1/stations", nil, &stations); err != nil || panels == 0 {
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

func ask(ctx context.Context, client *http.Client, method, url string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	a, err := client.Do(r)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return err
	}
	if a.StatusCode != 200 {
		return fmt.Errorf("%s: %s", url, a.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}
