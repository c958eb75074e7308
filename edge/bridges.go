package edge

import (
	"errors"
	"fmt"
	"strings"

	"wardline/configs"
	"wardline/edge/bridge"
	"wardline/edge/intake"
	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

// checkBridges names what is wrong with the bridges, and any device of the
// station that could be taken for one behind a bridge.
func (c *Config) checkBridges(f *configs.Faults) {
	own := make([]string, 0, len(c.Devices)+len(c.Panels))
	for _, d := range c.Devices {
		own = append(own, d.ID)
	}
	for _, p := range c.Panels {
		own = append(own, p.Device)
	}
	names := map[string]int{}
	for i := range c.Bridges {
		b, at := &c.Bridges[i], fmt.Sprintf("bridges[%d]", i)
		f.Under(at, b.Validate())
		if x, had := names[b.Name]; had {
			f.Add(at+".name", "give each bridge a name of its own", "is %q, which bridges[%d] has", b.Name, x)
		}
		names[b.Name] = i
		for _, id := range own {
			if id == b.Name || strings.HasPrefix(id, b.Name+"/") {
				f.Add(at+".name", "rename one, or devices behind the bridge could be taken for it", "is %q and a device of this station is %q", b.Name, id)
			}
		}
	}
}

func (s *Station) newBridge(c bridge.Config) (*bridge.Bridge, error) {
	return bridge.New(c, s.origin, bridgeDoor{s}, s.wall, s.log)
}

// bridgeDoor hands what came over a bridge to the door.
type bridgeDoor struct{ s *Station }

var _ bridge.Handler = bridgeDoor{}

// Deliver keeps a message; the answer comes after the sync.
func (x bridgeDoor) Deliver(m bridge.Message, answer func(bridge.Kind)) {
	src := intake.Source{Device: m.Device, Ward: x.ward(m.Ward), Kind: "bridge", Via: "bridge"}
	done := func(_ intake.Answer, err error) {
		var p *report.Problem
		switch {
		case err == nil:
			answer(bridge.Kept)
		case errors.As(err, &p):
			answer(bridge.Refused)
		default:
			if !errors.Is(err, intake.ErrLater) {
				x.s.log.Error("a bridged message could not be kept; the broker sends it again", "device", m.Device, "err", err)
			}
			answer(bridge.Later)
		}
	}
	switch {
	case m.Misfit != "":
		x.s.door.Refuse(src, m.Payload, &report.Problem{Type: report.InvalidValue, Field: "topic", Detail: m.Misfit}, done)
	case m.Cut:
		x.s.door.Refuse(src, m.Payload, &report.Problem{Type: report.TooLarge,
			Detail: fmt.Sprintf("the report has more than %d bytes; only the first %d are kept, and the sum is theirs", report.MaxPayload, len(m.Payload))}, done)
	default:
		x.s.door.Report(src, m.Payload, done)
	}
}

// ward is the ward that a device says it stands in. Whoever may publish at the
// other broker chose it: one that the city does not have would lead a report
// without a place to nobody, so it counts as this station's.
func (x bridgeDoor) ward(w record.WardCode) record.WardCode {
	known := x.s.city.wards()
	if known == nil {
		known = routing.Centres()
	}
	if _, ok := known.Find(w); ok {
		return w
	}
	return x.s.c.Ward
}

// bridgeDevice is a bridge as a desk shows it.
func bridgeDevice(b *bridge.Bridge) api.DeviceState {
	st := b.Status()
	since := api.Time(st.Since.UnixMilli())
	d := api.DeviceState{ID: b.Name(), Kind: "bridge", Online: st.Connected, Since: &since, Detail: st.Err}
	if !st.Connected {
		d.SilentSince = &since
	}
	if st.Connected && st.Waiting {
		d.Detail = "reports wait at the broker: the station cannot take them now"
	}
	return d
}
