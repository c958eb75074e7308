package whole

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"wardline/deploy/city"
)

// incident is what both sides must agree on.
type incident struct {
	Version, Status, Lead, Category, Priority string
	Stub                                      bool
	Units                                     []unitState
	Conflicts                                 []conflict
	Timeline                                  []struct{ Entry string }
}

type by struct{ Entry, Name, Origin string }

type holder struct {
	Officer string
	By      by
}

type unitState struct {
	Unit, Progress string
	Holder         *holder
	Others         []holder `json:"other_claims"`
}

type value struct {
	Value string
	By    by
}

type conflict struct {
	Field  string
	Shown  value
	Others []value
}

// listOf reads the ids of all incidents that a side lists.
func listOf(ctx context.Context, c *client, query string) (ids []string, err error) {
	for cursor := ""; ; {
		var p struct {
			Items []struct{ ID string }
			Next  *string
		}
		if _, err := c.ask(ctx, "GET", "/api/v1/incidents?limit=200"+query+cursor, nil, &p); err != nil {
			return nil, err
		}
		for _, i := range p.Items {
			ids = append(ids, i.ID)
		}
		if p.Next == nil {
			slices.Sort(ids)
			return ids, nil
		}
		cursor = "&cursor=" + *p.Next
	}
}

// agree: the station and the core list the same incidents of the ward and say
// the same about each; every officer's entry that was acknowledged stands in both
// timelines, those that lost included. agreed remembers incidents that are done.
func (j *judge) agree(ctx context.Context, agreed map[string]bool) error {
	st, cmd := j.desk[j.w.file.Station[0].URL], j.desk[j.w.file.Command.URL]
	here, err := listOf(ctx, st, "")
	if err != nil {
		return fmt.Errorf("agree: %w", err)
	}
	there, err := listOf(ctx, cmd, "&ward="+string(city.Ward))
	if err != nil {
		return fmt.Errorf("agree: %w", err)
	}
	j.tally.Incidents = len(there)
	for _, id := range there {
		if _, found := slices.BinarySearch(here, id); !found {
			return fmt.Errorf("agree: the station lacks incident %s of its ward (it lists %d, the core %d)", id, len(here), len(there))
		}
	}
	acts := map[string][]ack{}
	gone := map[string]bool{} // their routing may have come without them, in another lane
	for _, a := range j.b.all() {
		gone[a.ID] = a.gone
		if a.What == "action" && !a.gone {
			acts[a.Incident] = append(acts[a.Incident], a)
		}
	}
	for _, id := range here {
		if agreed[id] {
			continue
		}
		var a, b incident
		if _, err := st.ask(ctx, "GET", "/api/v1/incidents/"+id, nil, &a); err != nil {
			return fmt.Errorf("agree: %w", err)
		}
		if _, err := cmd.ask(ctx, "GET", "/api/v1/incidents/"+id, nil, &b); err != nil {
			return fmt.Errorf("agree: %w", err)
		}
		for _, act := range acts[id] {
			for side, in := range map[string]incident{"station": a, "core": b} {
				if !slices.Contains(in.Timeline, struct{ Entry string }{act.ID}) {
					return fmt.Errorf("agree: the %s's timeline of %s lacks the acknowledged action %s of %s at the %s", side, id, act.ID, act.By, act.Door)
				}
			}
		}
		slices.SortFunc(a.Timeline, byEntry)
		slices.SortFunc(b.Timeline, byEntry)
		if !reflect.DeepEqual(a, b) {
			return fmt.Errorf("agree: the sides differ about %s: the station says %+v, the core %+v", id, a, b)
		}
		if a.Stub && !gone[id] {
			return fmt.Errorf("agree: the report of incident %s is not there", id)
		}
		agreed[id] = true
	}
	return nil
}

func byEntry(a, b struct{ Entry string }) int {
	switch {
	case a.Entry < b.Entry:
		return -1
	case a.Entry > b.Entry:
		return 1
	}
	return 0
}
