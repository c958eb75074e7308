package city

import "testing"

// TestCity_AsItRuns: promises that a city keeps while it goes on running, each with incidents,
// devices and wards of its own, on one city: starting one takes longer than most of them. None
// relies on one before it, so that -run takes any alone; a test that needs a city of
// its own, or leaves one that is not whole, starts it.
func TestCity_AsItRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	for _, c := range []struct {
		promise string
		holds   func(*town)
	}{
		{"TLS_DoorsForPeopleAndDevices", tlsDoors},
		{"BytesOnASerialLine_BecomeRoutedIncidents", serialLine},
		{"SimulatedPanelAndButton_OpenWhatTheirEventsMean", simulatedPanel},
		{"ReportAtBothDoorsDuringACut_IsOneReport", bothDoors},
		{"MQTT_ReceiptsFromWardToSeen", receipts},
		{"MQTT_StationKilledInMidStream_EveryAcknowledgedReportOnce", killedInMidStream},
		{"WardCutOff_WarnsItselfAndTheCityHearsOfIt", wardWarnsItself},
		{"Exercise_MarkedEverywhereNeverMissed_RealRingsAgain", exerciseMarked},
		{"SecondWard_OneLineOnTheBox_ReportOnBothDesks", secondWard},
		{"WardsImported_RouteByBoundary", wardsImported},
		{"RulesAndWards_ReachTheStation_WhichRoutesAloneByThem", rulesReachTheStation},
		{"AuthorityFile_HoldsBothDuringTheOverlapAndTheNewOneAfter", authorityFile},
	} {
		t.Run(c.promise, func(t *testing.T) {
			here := *w
			here.t = t
			c.holds(&here)
		})
		w.control("cut", map[string][]string{"mode": {""}}) // what one that failed left
	}
}

// incidents are those that the ward's officer sees, by id, closed ones too.
func (w *town) incidents(base string) map[string]incidentRow {
	w.t.Helper()
	out := map[string]incidentRow{}
	for cursor := ""; ; {
		var page struct {
			Items []incidentRow
			Next  *string
		}
		if w.do(w.as(base, "ward_officer"), "GET", base+"/api/v1/incidents?limit=1000"+cursor, nil, &page) != 200 {
			return nil
		}
		for _, i := range page.Items {
			out[i.ID] = i
		}
		if page.Next == nil {
			return out
		}
		cursor = "&cursor=" + *page.Next
	}
}

type incidentRow struct {
	ID, Category string
	Silent       bool
}
