package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"wardline/sync/identity"
)

// appoint makes the accounts of the plan's officers where the city's log has none:
// the administrator's in the name of the one that stands in the nodes' files, the
// others' in the administrator's.
func (c *City) appoint(ctx context.Context) error {
	i := slices.IndexFunc(c.plan.Officers, func(o identity.OfficerAccount) bool { return o.Role == identity.Administrator })
	if i < 0 {
		return errors.New("city: the plan has no administrator")
	}
	administrator := c.plan.Officers[i]
	client, err := NewClient("http://"+c.plan.Command, answerLimit)
	if err != nil {
		return err
	}
	for {
		if err = client.SignIn(ctx, administrator.User, administrator.Password); err != nil && len(c.plan.Cores[0].Officers) > 0 {
			first := c.plan.Cores[0].Officers[0]
			if err = client.SignIn(ctx, first.User, first.Password); err == nil {
				err = Appoint(ctx, client, administrator)
			}
		} else if err == nil {
			err = Appoint(ctx, client, slices.Insert(slices.Delete(slices.Clone(c.plan.Officers), i, i+1), 0, administrator)...)
			if err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(askEvery):
		}
	}
}

// Appoint makes the accounts that are not there yet; client speaks in an
// administrator's name.
func Appoint(ctx context.Context, client *Client, officers ...identity.OfficerAccount) error {
	raw, err := client.Call(ctx, "GET", "/api/v1/users", nil)
	if err != nil {
		return err
	}
	var have struct{ Items []struct{ User string } }
	if err := json.Unmarshal(raw, &have); err != nil {
		return err
	}
	for _, o := range officers {
		if slices.ContainsFunc(have.Items, func(x struct{ User string }) bool { return x.User == o.User }) {
			continue
		}
		ask, err := json.Marshal(map[string]any{"user": o.User, "role": o.Role, "unit": o.Unit, "password": o.Password, "must_change": false, "reason": "a city to try"})
		if err != nil {
			return err
		}
		if _, err := client.Call(ctx, "POST", "/api/v1/users", ask); err != nil {
			return fmt.Errorf("account %s: %w", o.User, err)
		}
	}
	return nil
}
