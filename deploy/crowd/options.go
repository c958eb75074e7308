package crowd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"wardline/hardware/panel"
	"wardline/sync/record"
)

// Kind is what is played.
type Kind string

// The kinds.
const (
	App    Kind = "app"
	Kiosk  Kind = "kiosk"
	Panel  Kind = "panel"
	Button Kind = "button"
)

// The ways on which apps and kiosks report.
const (
	ViaMQTT = "mqtt"
	ViaHTTP = "http"
)

// Limits of a run.
const (
	// MaxWindow bounds reports on their way per device; a broker allows at most
	// 65,535 (MQTT 3.1.1, section 2.3.1), and no sender needs more than this.
	MaxWindow = 1024
	// MaxRate bounds reports a second; rate 0 goes as fast as acknowledged.
	MaxRate = 100_000
)

// Options of a run.
type Options struct {
	Kind Kind
	// Data is the directory of a city to try. What follows up to Port overrides
	// what its city.json says, and replaces it when Data is empty.
	Data string
	// Via is ViaMQTT or ViaHTTP; empty takes MQTT where its address is known.
	Via string
	// MQTT is host:port, URL the base of an HTTP interface.
	MQTT, URL string
	Ward      record.WardCode
	// Device plays one device alone; empty plays all of the kind.
	Device, Password string
	// Port is the device's end of a cable.
	Port string

	// Rate is reports or events a second, 0 as fast as they are acknowledged.
	Rate float64
	// Count ends the run after so many, Duration after so long; 0 is no limit.
	Count    int
	Duration time.Duration
	Seed     uint64
	// Malformed and Repeat are shares, 0 to 1: of reports that no station may take,
	// and of acknowledged ones that are sent once more.
	Malformed, Repeat float64
	// Window is how many reports of one device are on their way at most.
	Window int
	// Settle is how long to wait at the end for acknowledgements and city
	// receipts.
	Settle time.Duration
	// IDs is a file that gets the ids of acknowledged reports, one a line.
	IDs string
	// Show prints every sending on a cable with its answer.
	Show bool
	Out  io.Writer
}

// Default is one report a second until the caller ends the run.
func Default(k Kind) Options {
	o := Options{Kind: k, Rate: 1, Repeat: 0.02, Window: 32, Settle: 30 * time.Second, Out: io.Discard}
	if k == Button {
		o.Count = 1 // a button is pressed once
	}
	return o
}

// Validate names the flag that is wrong and says what to do.
func (o *Options) Validate() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case o.Kind != App && o.Kind != Kiosk && o.Kind != Panel && o.Kind != Button:
		return fmt.Errorf("sim: %q is no kind of device; name one of app, kiosk, panel, button", o.Kind)
	case !(o.Rate >= 0 && o.Rate <= MaxRate):
		return fmt.Errorf("sim: --rate %v; give 0 (as fast as acknowledged) to %d a second", o.Rate, MaxRate)
	case o.Count < 0 || o.Duration < 0 || o.Settle < 0:
		return errors.New("sim: --count, --duration and --settle must not be negative; 0 means no limit, and no waiting")
	case !share(o.Malformed) || !share(o.Repeat):
		return fmt.Errorf("sim: --malformed %v and --repeat %v are shares; give 0 to 1, 0.01 is one in a hundred", o.Malformed, o.Repeat)
	case o.Window < 1 || o.Window > MaxWindow:
		return fmt.Errorf("sim: --window %d; give 1 to %d", o.Window, MaxWindow)
	case o.Via != "" && o.Via != ViaMQTT && o.Via != ViaHTTP:
		return fmt.Errorf("sim: --via %q; give mqtt or http", o.Via)
	case o.Ward != "" && !o.Ward.Valid():
		return fmt.Errorf("sim: --ward %q; give five digits, for example 26704", o.Ward)
	}
	return nil
}

// wired says whether the device is played on a cable.
func (o *Options) wired() bool { return o.Kind == Panel || o.Kind == Button }

// sender is one device that reports.
type sender struct {
	id, password string
	ward         record.WardCode
}

// cityFile is what is read of city.json.
type cityFile struct {
	Stations []struct {
		Ward   record.WardCode
		URL    string
		MQTT   string
		Panels []struct{ Device, Protocol, Port string }
	}
	Devices []struct {
		ID, Password, Kind string
		Ward               record.WardCode
	}
}

func readCity(dir string) (c cityFile, err error) {
	path := filepath.Join(dir, "city.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("sim: %w; --data names the directory of a city that runs (wardline city --data DIR)", err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("sim: %s: %w", path, err)
	}
	return c, nil
}

// resolve fills in what the city knows and returns the devices to play.
func (o *Options) resolve() ([]sender, error) {
	var c cityFile
	if o.Data != "" {
		var err error
		if c, err = readCity(o.Data); err != nil {
			return nil, err
		}
		if err := o.fromCity(&c); err != nil {
			return nil, err
		}
	}
	if o.wired() {
		if o.Port == "" || o.Device == "" {
			return nil, fmt.Errorf("sim %s: give --data DIR, or --port PATH with --device ID", o.Kind)
		}
		return nil, nil
	}
	if o.Via == "" {
		o.Via = ViaMQTT
		if o.MQTT == "" {
			o.Via = ViaHTTP
		}
	}
	switch {
	case o.Via == ViaMQTT && o.MQTT == "":
		return nil, fmt.Errorf("sim %s: no MQTT address is known; give --mqtt HOST:PORT, or --via http", o.Kind)
	case o.Via == ViaHTTP && o.URL == "":
		return nil, fmt.Errorf("sim %s: give --data DIR, --mqtt HOST:PORT or --url URL", o.Kind)
	}
	if o.Password != "" {
		if o.Device == "" || o.Ward == "" {
			return nil, fmt.Errorf("sim %s: --password-file needs --device ID and --ward CODE beside it", o.Kind)
		}
		return []sender{{o.Device, o.Password, o.Ward}}, nil
	}
	return o.senders(&c)
}

func (o *Options) fromCity(c *cityFile) error {
	for _, s := range c.Stations {
		if o.Ward != "" && s.Ward != o.Ward {
			continue
		}
		o.Ward = s.Ward
		if o.MQTT == "" {
			o.MQTT = s.MQTT
		}
		if o.URL == "" {
			o.URL = s.URL
		}
		want := panel.SurGard
		if o.Kind == Button {
			want = panel.Button
		}
		for _, p := range s.Panels {
			if o.wired() && o.Port == "" && panel.Protocol(p.Protocol) == want && (o.Device == "" || o.Device == p.Device) {
				o.Port, o.Device = p.Port, p.Device
			}
		}
		if o.wired() && o.Port == "" {
			return fmt.Errorf("sim %s: the station of ward %s has no such line (device %q); see panels in city.json", o.Kind, s.Ward, o.Device)
		}
		return nil
	}
	return fmt.Errorf("sim: the city has no station of ward %q; see stations in city.json", o.Ward)
}

// senders are the city's devices of the kind. A city without kiosks lends its
// apps: the station does not tell them apart.
func (o *Options) senders(c *cityFile) ([]sender, error) {
	var own, apps []sender
	for _, d := range c.Devices {
		if d.Ward != o.Ward || o.Device != "" && d.ID != o.Device {
			continue
		}
		s := sender{d.ID, d.Password, d.Ward}
		if d.Kind == string(o.Kind) || o.Device != "" {
			own = append(own, s)
		} else if d.Kind == string(App) {
			apps = append(apps, s)
		}
	}
	if len(own) == 0 {
		own = apps
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("sim %s: no device to play (ward %q, device %q); give --data DIR of a city with devices, or --device ID with --password-file FILE and --ward CODE",
			o.Kind, o.Ward, o.Device)
	}
	return own, nil
}
