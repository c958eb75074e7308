package routing

import (
	"bytes"
	"strings"
	"testing"

	"wardline/sync/record"
)

// TestRules_KeepDays_StandsOnlyWhereSomebodyWroteIt: rules of before are the same bytes,
// and what is written comes back.
func TestRules_KeepDays_StandsOnlyWhereSomebodyWroteIt(t *testing.T) {
	r := DefaultRules()
	before, err := MarshalRules(r)
	if err != nil || bytes.Contains(before, []byte("keep_days")) {
		t.Fatalf("%v: %s", err, before)
	}
	fire := r.Categories[record.Fire]
	fire.KeepDays = 3650
	r.Categories[record.Fire] = fire
	raw, err := MarshalRules(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := UnmarshalRules(raw)
	if err != nil || again.Categories[record.Fire].KeepDays != 3650 || again.Categories[record.Crime].KeepDays != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	for _, bad := range []string{"-1", "36526"} {
		_, err := UnmarshalRules(bytes.Replace(raw, []byte(`"keep_days": 3650`), []byte(`"keep_days": `+bad), 1))
		if err == nil || !strings.Contains(err.Error(), "categories.fire.keep_days") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
