package reports

import (
	"testing"

	"wardline/sync/report"
)

func TestReports_AreWhatTheDoorTakes(t *testing.T) {
	s := New(500, 1, "security", "feedback", "fire")
	for i, m := range s.Messages {
		r, warnings, problem := report.Parse(m.Payload)
		if problem != nil || len(warnings) != 0 {
			t.Fatalf("report %d: %v, %v\n%s", i, problem, warnings, m.Payload)
		}
		if len(m.Payload) != Size || r.ID.String() != s.ID(uint64(i)) || string(m.Payload[m.NumberAt-24:m.NumberAt+12]) != s.ID(uint64(i)) {
			t.Fatalf("report %d: %d bytes, id %s, want %s", i, len(m.Payload), r.ID, s.ID(uint64(i)))
		}
	}
}
