package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"wardline/deploy/crowd"
)

const simUsage = `wardline sim app|kiosk|panel|button plays devices that are not there.
In a city to try:   wardline sim app --data DIR [--rate 10] [--count 100] [--via http|mqtt]
                    wardline sim panel --data DIR --count 5
                    wardline sim button --data DIR
Elsewhere:          wardline sim app --mqtt HOST:PORT --device ID --password-file FILE --ward CODE
                    wardline sim app --url URL --device ID --password-file FILE --ward CODE
                    wardline sim panel --port PATH --device ID
`

// Sim plays devices that are not there: wardline sim app|kiosk|panel|button.
func Sim(ctx context.Context, args []string) error {
	o, err := simOptions(args)
	if err != nil {
		return err
	}
	return crowd.Run(ctx, o)
}

func simOptions(args []string) (crowd.Options, error) {
	kind := crowd.App
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		kind, args = crowd.Kind(args[0]), args[1:]
	} else if len(args) == 0 {
		return crowd.Options{}, errors.New("sim: say what to play: app, kiosk, panel or button; wardline sim --help lists the flags")
	} else if args[0] != "-h" && args[0] != "-help" && args[0] != "--help" {
		return crowd.Options{}, fmt.Errorf("sim: %s stands where the kind belongs; name app, kiosk, panel or button first", args[0])
	}
	o := crowd.Default(kind)
	o.Out = os.Stdout
	f := flags("sim", simUsage)
	f.StringVar(&o.Data, "data", "", "directory of a city to try; its city.json says the rest")
	f.StringVar(&o.Via, "via", "", "mqtt or http; without it mqtt where its address is known")
	f.StringVar(&o.MQTT, "mqtt", "", "host:port of the MQTT server")
	f.StringVar(&o.URL, "url", "", "base of the HTTP interface, of a station or of the core")
	f.StringVar((*string)(&o.Ward), "ward", "", "code of the ward, five digits")
	f.StringVar(&o.Device, "device", "", "play this device alone")
	file := f.String("password-file", "", "file with the device's password")
	f.StringVar(&o.Port, "port", "", "panel, button: the device's end of the cable")
	f.Float64Var(&o.Rate, "rate", o.Rate, "reports or events a second; 0 is as fast as acknowledged")
	f.IntVar(&o.Count, "count", o.Count, "end after so many; 0 is no limit")
	f.DurationVar(&o.Duration, "duration", 0, "end after so long; 0 is no limit")
	seed := f.Uint64("seed", 0, "the same seed gives the same events; without it one is drawn and printed")
	f.Float64Var(&o.Malformed, "malformed", 0, "share of reports that no station may take, 0 to 1")
	f.Float64Var(&o.Repeat, "repeat", o.Repeat, "share of acknowledged reports that are sent once more, 0 to 1")
	f.IntVar(&o.Window, "window", o.Window, "reports of one device on their way at most")
	f.DurationVar(&o.Settle, "settle", o.Settle, "how long to wait at the end for acknowledgements and city receipts")
	f.StringVar(&o.IDs, "ids", "", "add the ids of acknowledged reports to this file, one a line, synced")
	f.BoolVar(&o.Show, "show", false, "panel, button: print every sending with its answer")
	if err := parse(f, args, true); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("sim: %q is left over; flags come after the kind, as in wardline sim %s --count 5", f.Args(), kind)
	}
	o.Seed = *seed
	given := false
	f.Visit(func(v *flag.Flag) { given = given || v.Name == "seed" })
	if !given {
		o.Seed = uint64(rand.Uint32())
	}
	if *file != "" {
		raw, err := os.ReadFile(*file)
		if err != nil {
			return o, fmt.Errorf("sim: --password-file: %w", err)
		}
		if o.Password = string(bytes.TrimSpace(raw)); o.Password == "" {
			return o, fmt.Errorf("sim: --password-file %s is empty; write the device's password into it", *file)
		}
	}
	return o, o.Validate()
}
