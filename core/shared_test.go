package core

import "testing"

// TestCity_AsItRuns: what a city of three nodes keeps to while it goes on running, on one city:
// starting one takes as long as most of these. None relies on one before it.
func TestCity_AsItRuns(t *testing.T) {
	nodes := newCity(t, t.TempDir(), 3)
	for _, x := range nodes {
		x.start()
	}
	for _, c := range []struct {
		promise string
		holds   func(*testing.T, []*testNode)
	}{
		{"Export_IsWholeUntilSomebodyChangesIt", exportIsWhole},
		{"MalformedAtTheCity_IsKeptRawAndShownByEveryNode", malformedIsKept},
		{"StationsOnAnyNodesLine_AreShownByEveryNode", stationsOfAnyLine},
		{"Token_IsGoodOnceForOneNodeInTime", tokenIsGoodOnce},
		{"LogKeyTurned_ExportsLeadFromTheOldFingerprint", logKeyTurned},
	} {
		t.Run(c.promise, func(t *testing.T) {
			for _, x := range nodes {
				was := x.t
				x.t = t
				defer func() { x.t = was }()
			}
			c.holds(t, nodes)
		})
	}
}
