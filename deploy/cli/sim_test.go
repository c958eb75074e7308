package cli

import (
	"strings"
	"testing"

	"wardline/deploy/crowd"
)

func TestSimOptions_Wrong_SaysWhatToDo(t *testing.T) {
	for args, want := range map[string]string{
		"":                       "app, kiosk, panel or button",
		"--rate 3":               "name app, kiosk, panel or button first",
		"car":                    "one of app, kiosk, panel, button",
		"app --rate -1":          "--rate -1; give 0",
		"app --window 0":         "--window 0; give 1",
		"app --malformed 2":      "--malformed 2",
		"app --via pigeon":       "give mqtt or http",
		"app --ward 7":           "five digits",
		"app 5":                  "left over",
		"app --password-file /-": "--password-file",
	} {
		if _, err := simOptions(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("sim %s: %v, want %q", args, err, want)
		}
	}
	for args, want := range map[string]string{
		"app":                                "give --data DIR, --mqtt HOST:PORT or --url URL",
		"app --via mqtt":                     "give --mqtt HOST:PORT",
		"app --mqtt 127.0.0.1:1":             "--device ID",
		"panel":                              "--port PATH",
		"app --data /nowhere":                "--data names the directory of a city that runs",
		"button --device b --port /dev/null": "is no terminal",
	} {
		o, err := simOptions(strings.Fields(args))
		if err == nil {
			err = crowd.Run(t.Context(), o)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("sim %s: %v, want %q", args, err, want)
		}
	}
}

func TestSimOptions_ButtonIsPressedOnce_AndSeedsAreKept(t *testing.T) {
	o, err := simOptions([]string{"button", "--seed", "0"})
	if err != nil || o.Count != 1 || o.Seed != 0 {
		t.Fatalf("%+v %v", o, err)
	}
}
