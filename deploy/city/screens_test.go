package city

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"wardline/sync/screens"
)

// browse runs one file of sync/screens/e2e, with Debian's Chromium, against a city.
func browse(t *testing.T, w *town, name string) {
	t.Helper()
	for _, file := range []string{name, "browser.mjs"} { // read here, so that a cached result does not outlive them
		if _, err := os.ReadFile(filepath.Join("../../sync/screens/e2e", file)); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("node", "--test", "--test-reporter=spec", filepath.Join("e2e", name))
	c.Dir = "../../sync/screens"
	c.Env = append(os.Environ(), "CITY_JSON="+filepath.Join(w.dir, "city.json"), "CITY_DIR="+w.dir, "WARDLINE="+w.bin, "NODE_NO_WARNINGS=1")
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// needBrowser skips where there is no browser, no Node, or no screen in the binary.
func needBrowser(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	for _, name := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed (make setup)", name)
		}
	}
	if _, err := os.Stat("../../sync/screens/node_modules/playwright-core"); err != nil || !screens.Load().Built() {
		t.Skip("the screens are not built (make screens)")
	}
}

// TestCitizenPage_NetworkTabAndClock_EveryReportOnce: the promise as a frightened
// person's phone sees it.
func TestCitizenPage_NetworkTabAndClock_EveryReportOnce(t *testing.T) {
	needBrowser(t)
	browse(t, startTown(t), "citizen.test.mjs")
}

// TestCommandCentre_ReportsStationsFigures_AreThePresentOrSayNot: a report as it
// comes, a station that falls silent, the figures, the wall, a department's desk.
func TestCommandCentre_ReportsStationsFigures_AreThePresentOrSayNot(t *testing.T) {
	needBrowser(t)
	browse(t, startTown(t), "command.test.mjs")
}

// TestWarnings_TwoPressesCitizenAndCut_SayWhatHolds: a public warning from the form to
// the citizen's page, with its counts and its end, and from a ward that is cut off.
func TestWarnings_TwoPressesCitizenAndCut_SayWhatHolds(t *testing.T) {
	needBrowser(t)
	browse(t, startTown(t), "warnings.test.mjs")
}

// TestAdministration_SecondWardOfficersDevicesRules_EveryChangeSaysWho: what an
// administrator does in the browser, what an auditor sees of it, and nobody else.
func TestAdministration_SecondWardOfficersDevicesRules_EveryChangeSaysWho(t *testing.T) {
	needBrowser(t)
	browse(t, startTown(t), "admin.test.mjs")
}

// TestExercise_MarkedRungWhereJoinedMadeRealAndEnded: an exercise at the command centre, a
// ward's desk and a citizen's phone.
func TestExercise_MarkedRungWhereJoinedMadeRealAndEnded(t *testing.T) {
	needBrowser(t)
	browse(t, startTown(t), "exercise.test.mjs")
}

// TestStreets_FileMissingThereCutOffBroken_BoundariesAlwaysStand: streets from a local file
// under the wards, at the ward's desk and at the command centre.
func TestStreets_FileMissingThereCutOffBroken_BoundariesAlwaysStand(t *testing.T) {
	needBrowser(t)
	w := newTown(t)
	w.tiles = filepath.Join(w.dir, "streets.pmtiles")
	w.start()
	browse(t, w, "streets.test.mjs")
}
