package api_test

import (
	"encoding/json"
	"testing"

	"wardline/sync/record"
)

// TestProgress_ByCode_SaysHowFarAndNothingElse: the code of a report is its id;
// a silent alarm has no progress, and an id that could be guessed is no code.
func TestProgress_ByCode_SaysHowFarAndNothingElse(t *testing.T) {
	id := record.ID{0x01, 0x8f, 0x3c, 0x1e, 0x7a, 0x2b, 0x7c, 0x3d, 0x8e, 0x4f, 1, 2, 3, 4, 5, 6}
	body := fire
	body.Incident, body.Payload.Report = id, id
	silent := body
	silent.Payload.Flags = record.FlagSilent
	for name, c := range map[string]struct {
		bodies []record.Body
		id     record.ID
		want   int
	}{
		"there":     {[]record.Body{body}, id, 200},
		"silent":    {[]record.Body{silent}, id, 404},
		"guessable": {[]record.Body{fire}, record.ID{1}, 404},
		"absent":    {nil, id, 404},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{bodies: c.bodies}
			w := d.ask(t, "GET", "/api/v1/progress/"+c.id.String(), "")
			if w.Code != c.want {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.want)
			}
			if w.Code != 200 {
				return
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for k := range got {
				if k != "id" && k != "incident" && k != "receipts" && k != "status" {
					t.Errorf("says %s", k)
				}
			}
		})
	}
}
