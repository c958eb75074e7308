package city

import (
	"testing"
	"time"

	"wardline/sync/trust"
)

// TestCity_WrongClocks_StationEnrolsAndKeepsItsLine: the core node that issues is a year
// ahead of the others, and the station's own clock stands at 2000, then half a year ahead. The
// certificate is of the city's time, every node lets the station in, and its line comes back after a restart.
func TestCity_WrongClocks_StationEnrolsAndKeepsItsLine(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startCores(t)
	f.stop["core-1"]()
	f.cores[0].Wall = func() time.Time { return time.Now().AddDate(1, 0, 0) }
	f.startCore(0)
	f.ready(f.coreURL(0))
	all := f.station.Core
	off := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	f.station.Wall = func() time.Time { return time.Now().Add(-off) }
	f.station.Core = all[:1]
	f.enrol()
	f.startStation()
	connected := func() bool { state, _ := f.lineState(); return state == "connected" }
	f.wait("the station enrols and has its line", connected)
	leaf := f.own(f.station.Dir + "/keys").Certificate().Leaf
	if lead := time.Until(leaf.NotBefore); lead > 0 || lead < -3*time.Hour {
		t.Errorf("the certificate begins %s from now: it is not of the city's time", lead)
	}
	for i := range all {
		f.stop["station"]()
		f.station.Core = all[i : i+1]
		f.startStation()
		f.wait("the station has its line to "+f.cores[i].ID, connected)
	}
	f.stop["station"]()
	f.station.Wall = func() time.Time { return time.Now().AddDate(0, 6, 0) }
	f.startStation()
	f.wait("with its clock ahead", connected)
	if p, err := trust.PeerOf(f.own(f.station.Dir + "/keys").Certificate().Leaf); err != nil || p.Epoch != 1 {
		t.Errorf("%+v (%v)", p, err)
	}
}
