package edge

import (
	"context"
	"slices"
	"sync"
	"time"

	"wardline/edge/broker"
	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/record"
)

// presenceEvery is how often a change of a fixed device's connection is looked for:
// what came and went in between was a moment and is no entry.
const presenceEvery = 10 * time.Second

// presence is which devices are connected. Phones come and go and are only
// counted; that a kiosk or another fixed device went silent or is back is an entry.
type presence struct {
	s *Station

	mu      sync.Mutex // guards below
	devices map[string]*presentDevice
}

type presentDevice struct {
	broker.Device
	online bool
	since  time.Time
	// said is what the log was last told; a device that was never online has
	// nothing to be told of.
	said bool
}

func newPresence(s *Station) *presence {
	return &presence{s: s, devices: map[string]*presentDevice{}}
}

// note takes in what the MQTT server saw.
func (p *presence) note(st broker.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.devices[st.Device.ID]
	if d == nil {
		d = &presentDevice{Device: st.Device}
		p.devices[st.Device.ID] = d
	}
	d.Device = st.Device
	if d.online != st.Online || d.since.IsZero() {
		d.online, d.since = st.Online, p.s.wall()
	}
	if !d.fixed() && !d.online {
		delete(p.devices, st.Device.ID)
	}
}

func (d *presentDevice) fixed() bool { return d.Kind != "app" }

// Run writes entries for what lasts.
func (p *presence) Run(ctx context.Context) error {
	every(ctx, presenceEvery, p.record)
	return nil
}

func (p *presence) record() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if !d.fixed() || d.online == d.said {
			continue
		}
		d.said = d.online
		reason := "silent"
		if d.online {
			reason = "heard"
		}
		p.s.submitStatus(d.ID, reason, d.since, nil)
	}
}

// submitStatus appends that a device's state changed, with a note beside it.
func (s *Station) submitStatus(device, reason string, since time.Time, notes []ledger.Note) {
	now := s.wall()
	body := record.Body{ID: record.NewID(now), Kind: record.KindStatus, Origin: s.origin, Actor: record.Actor{Kind: record.ByDevice, Name: device},
		HLC: s.ledger.Clock().Now(), Clock: doorLedger{s}.ClockState(), CapturedAt: since.UnixMilli(), ReceivedAt: now.UnixMilli(),
		Payload: record.Payload{Ward: s.c.Ward, Reason: reason}}
	s.ledger.Submit(ledger.Append{Lane: record.Telemetry, Body: body, Notes: notes}, func(_ ledger.Result, err error) {
		if err != nil {
			s.log.Warn("a device's change of state could not be kept now", "device", device, "err", err)
		}
	})
}

// list is the fixed devices as a desk shows them, and how many phones there are.
func (p *presence) list() (fixed []api.DeviceState, phones int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if !d.fixed() {
			phones++
			continue
		}
		v := api.DeviceState{ID: d.ID, Kind: d.Kind, Online: d.online}
		if !d.online {
			t := api.Time(d.since.UnixMilli())
			v.SilentSince = &t
		}
		fixed = append(fixed, v)
	}
	slices.SortFunc(fixed, func(a, b api.DeviceState) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return fixed, phones
}
