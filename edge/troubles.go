package edge

import (
	"fmt"
	"strings"

	"wardline/hardware/panel"
)

// maxTroubles bounds what an alarm line's device is said to have; the oldest
// gives way. Each is an entry of kind status anyway.
const maxTroubles = 20

// shownTroubles is how many a desk reads in one line.
const shownTroubles = 5

// trouble is a state that a panel told and has not taken back: no mains, an
// empty battery, a bypassed zone.
type trouble struct {
	Account string `json:"account"`
	Code    string `json:"code"`
	Zone    string `json:"zone"`
	Key     string `json:"key"` // of panel.Meaning
	At      int64  `json:"at"`  // milliseconds since the Unix epoch, UTC
}

// troubles are those of one line, newest last.
type troubles []trouble

// take notes what events say: new stands until its restore. It says whether
// anything changed.
func (t *troubles) take(events []panel.Event, at int64) bool {
	changed := false
	for _, e := range events {
		m := panel.Classify(e)
		if m.Effect != panel.EffectStatus || m.Silent {
			continue
		}
		var kept troubles
		for _, x := range *t {
			if x.Account != e.Account || x.Code != e.Code || x.Zone != e.Zone {
				kept = append(kept, x)
			}
		}
		changed = changed || len(kept) != len(*t)
		if e.Qualifier != panel.Restore {
			kept, changed = append(kept, trouble{e.Account, e.Code, e.Zone, m.Key, at}), true
		}
		*t = kept[max(0, len(kept)-maxTroubles):]
	}
	return changed
}

// String is the newest ones, for people.
func (t troubles) String() string {
	var out []string
	for i := len(t) - 1; i >= 0 && len(out) < shownTroubles; i-- {
		out = append(out, fmt.Sprintf("%s (%s), account %s, zone %s", t[i].Key, t[i].Code, t[i].Account, t[i].Zone))
	}
	if more := len(t) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, "; ")
}
