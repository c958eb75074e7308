package edge

import (
	"fmt"
	"strings"
	"testing"

	"wardline/hardware/panel"
	"wardline/hardware/panel/contactid"
)

func TestTroubles_StandUntilTheirRestore_AndAreBounded(t *testing.T) {
	var all troubles
	take := func(text string, changed bool) {
		t.Helper()
		e, err := contactid.Record(text)
		if err != nil {
			t.Fatal(err)
		}
		if all.take([]panel.Event{e}, 1) != changed {
			t.Errorf("%s: changed is %v", text, !changed)
		}
	}
	take("1234E30100000", true)
	take("1234E13001003", false) // an alarm is an incident
	take("1234E60200000", false) // a test is nothing
	take("1234E12101003", false) // duress shows nowhere
	take("5678E30200000", true)
	if s := all.String(); !strings.HasPrefix(s, "battery (302), account 5678") && !strings.Contains(s, "(302), account 5678") || !strings.Contains(s, "(301), account 1234") {
		t.Error(s)
	}
	take("5678R30100000", false) // another account's mains
	take("1234R30100000", true)
	if s := all.String(); strings.Contains(s, "301") || !strings.Contains(s, "302") {
		t.Error(s)
	}
	for i := range 3 * maxTroubles {
		take(fmt.Sprintf("9999E57001%03d", i), true)
	}
	if len(all) != maxTroubles || !strings.HasSuffix(all.String(), fmt.Sprintf("%d more", maxTroubles-shownTroubles)) {
		t.Error(len(all), all)
	}
}
