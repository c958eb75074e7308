package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"wardline/deploy/bench/reports"
	"wardline/edge"
)

// fill gives a running station n routine reports, by MQTT where it has that,
// and the ids of those that it acknowledged.
func (b *bench) fill(ctx context.Context, c edge.Config, n int) ([]acked, error) {
	if addr := mqttAddr(c); addr != "" {
		k := &broker{name: "Wardline", addr: addr, accounts: true}
		list, err := k.connect(connections, window, false, "security", "feedback")
		if err != nil {
			return nil, err
		}
		_, ids, err := flood(list, time.Hour, uint64(n/connections))
		return ids, errors.Join(err, closeAll(list))
	}
	var mu sync.Mutex // guards ids
	var ids []acked
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for i := range connections {
		wg.Go(func() {
			set := reports.New(n/connections, uint64(i+1), "security", "feedback")
			for j, m := range set.Messages {
				status, err := asDevice(ctx, i, "POST", "http://"+c.HTTP+"/api/v1/reports", m.Payload)
				if err == nil && status != http.StatusCreated {
					err = fmt.Errorf("a report is answered with status %d", status)
				}
				if err != nil {
					errs[i] = err
					return
				}
				mu.Lock()
				ids = append(ids, acked{set.ID(uint64(j)), i})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ids, errors.Join(errs...)
}

// lasts are each device's last reports: since a station's chain keeps the order
// of acknowledgement, all are in the city when these are.
func lasts(ids []acked) []acked {
	last := map[int]acked{}
	for _, a := range ids {
		last[a.device] = a
	}
	var out []acked
	for _, a := range last {
		out = append(out, a)
	}
	return out
}

// audit reads the city's whole log and counts how many of the ids stand in it
// exactly once as a report, and how many entries there are in all.
func audit(base string, ids []acked) (once, entries int, err error) {
	c, err := login(base, "auditor", secret)
	if err != nil {
		return 0, 0, err
	}
	seen := make(map[string]int, len(ids))
	for after := uint64(0); ; {
		r, err := c.Get(fmt.Sprintf("%s/api/v1/entries?after=%d&limit=1000", base, after))
		if err != nil {
			return 0, 0, err
		}
		var page struct {
			Items []struct {
				Index        uint64
				Kind, Report string
			}
			Next any
		}
		err = errors.Join(json.NewDecoder(r.Body).Decode(&page), r.Body.Close())
		if err != nil || r.StatusCode != http.StatusOK {
			return 0, 0, fmt.Errorf("entries at %s: %s: %w", base, r.Status, err)
		}
		for _, e := range page.Items {
			if e.Kind == "report" {
				seen[e.Report]++
			}
			after = e.Index
		}
		entries += len(page.Items)
		if page.Next == nil || len(page.Items) == 0 {
			break
		}
	}
	for _, a := range ids {
		if seen[a.id] == 1 {
			once++
		}
	}
	return once, entries, nil
}
