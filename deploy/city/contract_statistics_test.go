package city

import (
	"net/url"
	"time"

	"wardline/sync/identity"
)

// statistics counts a report that was claimed, and says what is wrong with a question.
func (h *held) statistics(base string) {
	t := h.t
	from := url.QueryEscape(time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	type line struct {
		Key   string
		Count int
		Steps []struct {
			Step      string
			Done, Due int
			Median_s  *int
		}
	}
	type figures struct {
		Total            line
		By_lead, By_hour []line
		By_category      []line
	}
	count := func(role identity.Role, query string) (f figures) {
		t.Helper()
		h.into(h.ask(200, base, role, "GET", "/api/v1/statistics?from="+from+query, ""), &f)
		return f
	}
	before := count(identity.WardOfficer, "&ward="+string(Ward))
	id := h.routed(base)
	h.ask(200, base, identity.WardOfficer, "POST", "/api/v1/incidents/"+id+"/actions", `{"id":"`+newID()+`","action":"claim"}`)
	after := count(identity.WardOfficer, "&ward="+string(Ward))
	if after.Total.Count != before.Total.Count+1 || after.Total.Steps[0].Step != "claim" || after.Total.Steps[0].Done != before.Total.Steps[0].Done+1 || after.Total.Steps[0].Median_s == nil || after.Total.Steps[0].Due == 0 {
		t.Errorf("before %+v, after %+v", before.Total, after.Total)
	}
	if len(after.By_lead) != 1 || len(after.By_hour) == 0 || len(after.By_category) == 0 {
		t.Errorf("groups %+v", after)
	}
	if f := count(identity.CommandOfficer, "&category=fire&ward="+string(Ward)); f.Total.Count == 0 || f.Total.Count > after.Total.Count {
		t.Errorf("fires of the ward: %+v", f.Total)
	}
	if f := count(identity.CommandOfficer, "&ward=26740&category=feedback"); f.Total.Count != 0 || f.Total.Steps[0].Median_s != nil {
		t.Errorf("nothing: %+v", f.Total)
	}
	for _, query := range []string{"from=x", "to=x", "ward=1", "category=x", "from=2001-01-01T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"} {
		h.ask(400, base, identity.CommandOfficer, "GET", "/api/v1/statistics?"+query, "")
	}
	h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/statistics", "")
	h.ask(401, base, "", "GET", "/api/v1/statistics", "")
	h.ask(403, base, identity.Administrator, "GET", "/api/v1/statistics", "")
}
