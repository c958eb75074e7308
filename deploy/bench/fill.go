package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"wardline/edge"
)

// fill gives a running station n routine reports; it says how many a second it acknowledged,
// and their ids.
func fill(c edge.Config, n int) (rate float64, ids []acked, err error) {
	k := &broker{name: "Wardline", addr: c.MQTT, accounts: true}
	list, err := k.connect(connections, window, false, "security", "feedback")
	if err != nil {
		return 0, nil, err
	}
	rate, ids, err = flood(list, time.Hour, uint64(n/connections))
	return rate, ids, errors.Join(err, closeAll(list))
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
