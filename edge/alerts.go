package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/cap"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Limits of a station's warnings.
const (
	// maxAlerts bounds the warnings that a station keeps at hand; the rest stays in its ledger.
	maxAlerts = 200
	// maxShown bounds those that are shown at once: nobody reads more than a few.
	maxShown = 8
	// alertsEvery is how soon one that expired is taken down.
	alertsEvery = time.Second
	// sayFirst is how long a station waits before it says how far a warning is: who is
	// connected acknowledges within it. sayNext is how often it says more, at most sayMost times.
	sayFirst = 2 * time.Second
	sayNext  = 30 * time.Second
	sayMost  = 60
)

// alerts are the public warnings of the ward: heard from the city or sent here while the
// line was cut, shown to the ward's devices until they expire, and counted.
type alerts struct {
	ward   record.WardCode
	wall   func() time.Time
	log    *slog.Logger
	append func(record.Body) error // returns at once
	// announce tells the devices; nil without MQTT.
	announce func(payload []byte, took func(device string)) int

	mu    sync.Mutex // guards below
	held  map[record.ID]*alertAt
	shown string // what was announced last, without its time
}

// alertAt is a warning as this station has it.
type alertAt struct {
	api.Broadcast
	heard   time.Time
	took    map[string]bool // devices that acknowledged it
	listens int             // devices to which it went
	said    api.Reached     // what was said last
	times   int             // how often something was said
}

// openAlerts reads what the ledger holds.
func (s *Station) openAlerts() error {
	s.alerts = &alerts{ward: s.c.Ward, wall: s.wall, log: s.log, held: map[record.ID]*alertAt{}, append: s.appendReached}
	rows, err := s.ledger.Incident(record.BroadcastsID)
	if err != nil {
		return err
	}
	for i := range rows {
		s.alerts.heard(rows[i].Index, &rows[i].Body)
	}
	return nil
}

// heard takes in what an entry says of a warning; in any order, also again.
func (x *alerts) heard(index uint64, b *record.Body) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b.Kind == record.KindReached {
		a := x.held[b.Payload.Target]
		r, err := api.ReachedOf(b)
		if a == nil || err != nil || b.Payload.Ward != x.ward {
			return
		}
		a.times++
		if r.At >= a.said.At {
			a.said = r
		}
		return
	}
	h, err := cap.HeldOf(b)
	if err != nil {
		x.log.Error("a warning cannot be shown by this station", "index", index, "err", err)
		return
	}
	if old := x.held[h.ID]; old != nil {
		old.Index = max(old.Index, index)
		return
	}
	x.held[h.ID] = &alertAt{Broadcast: api.Broadcast{Held: h, Index: index}, heard: x.wall(), took: map[string]bool{}}
	if len(x.held) > maxAlerts { // the one that is over for longest goes
		oldest := h.ID
		for id, a := range x.held {
			if a.Until < x.held[oldest].Until {
				oldest = id
			}
		}
		delete(x.held, oldest)
	}
}

// list are the warnings, the newest first.
func (x *alerts) listLocked() (out []*alertAt) {
	for _, a := range x.held {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *alertAt) int {
		if c := cmp.Compare(b.Alert.Sent, a.Alert.Sent); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return out
}

// alertShown is a warning as devices show it.
type alertShown struct {
	ID        record.ID   `json:"id"`
	MsgType   string      `json:"msg_type"`
	Sent      cap.Time    `json:"sent"`
	Expires   cap.Time    `json:"expires"`
	Urgency   string      `json:"urgency"`
	Severity  string      `json:"severity"`
	Certainty string      `json:"certainty"`
	Area      string      `json:"area"`
	Texts     []alertText `json:"texts"`
}

type alertText struct {
	Language    string `json:"language"`
	Event       string `json:"event"`
	Headline    string `json:"headline,omitempty"`
	Description string `json:"description,omitempty"`
	Instruction string `json:"instruction,omitempty"`
}

func shownOf(h *cap.Held) alertShown {
	a := alertShown{ID: h.ID, MsgType: h.Alert.MsgType, Sent: h.Alert.Sent, Expires: cap.Time(h.Until)}
	for i := range h.Alert.Infos {
		in := &h.Alert.Infos[i]
		if i == 0 {
			a.Urgency, a.Severity, a.Certainty = in.Urgency, in.Severity, in.Certainty
			if len(in.Areas) > 0 {
				a.Area = in.Areas[0].Desc
			}
		}
		a.Texts = append(a.Texts, alertText{in.Language, in.Event, in.Headline, in.Description, in.Instruction})
	}
	return a
}

// show tells the ward's devices what holds now, when that is something else than before.
func (x *alerts) show() {
	if x.announce == nil {
		return
	}
	now := x.wall()
	x.mu.Lock()
	list := x.listLocked()
	held := make([]cap.Held, len(list))
	var covers []*alertAt // what a device knows once it has this
	for i, a := range list {
		held[i] = a.Held
		if a.Until > now.UnixMilli() && a.Alert.Status == cap.Actual {
			covers = append(covers, a)
		}
	}
	items := []alertShown{}
	for _, h := range cap.Present(held, x.ward, now.UnixMilli(), true) {
		if len(items) < maxShown {
			items = append(items, shownOf(&h))
		}
	}
	raw, err := json.Marshal(items)
	if err != nil || string(raw) == x.shown || x.shown == "" && len(items) == 0 {
		x.mu.Unlock()
		return
	}
	x.shown = string(raw)
	x.mu.Unlock()
	payload := append(append(append([]byte(`{"at":"`), api.Time(now.UnixMilli()).String()...), `","alerts":`...), append(raw, '}')...)
	n := x.announce(payload, func(device string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, a := range covers {
			a.took[device] = true
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range covers {
		a.listens = max(a.listens, n)
	}
}

// say puts into the log how far warnings are, when that is more than was said.
func (x *alerts) say() {
	now := x.wall()
	var out []record.Body
	x.mu.Lock()
	for _, a := range x.held {
		more := len(a.took) > a.said.Devices || a.listens > a.said.Listening
		if a.Until <= now.UnixMilli() || a.times >= sayMost || a.times > 0 && !more || now.Sub(a.heard) < sayFirst ||
			a.times > 0 && now.Sub(time.UnixMilli(int64(a.said.At))) < sayNext {
			continue
		}
		a.said = api.Reached{Ward: x.ward, Devices: max(len(a.took), a.said.Devices), Listening: max(a.listens, len(a.took), a.said.Listening), At: api.Time(now.UnixMilli())}
		a.times++
		b, err := api.ReachedBody(record.NewID(now), a.ID, a.said)
		if err != nil {
			x.log.Error("how far a warning is cannot be said", "err", err)
			continue
		}
		out = append(out, b)
	}
	x.mu.Unlock()
	for _, b := range out {
		if err := x.append(b); err != nil {
			x.log.Error("how far a warning is cannot be kept", "err", err)
		}
	}
}

// run shows and counts until ctx ends.
func (x *alerts) run(ctx context.Context) error {
	x.show()
	every(ctx, alertsEvery, func() {
		x.show()
		x.say()
	})
	return nil
}

// stamp fills in what a station says of an entry that it writes.
func (s *Station) stamp(b *record.Body) {
	b.Origin, b.HLC, b.Clock, b.ReceivedAt = s.origin, s.ledger.Clock().Now(), doorLedger{s}.ClockState(), s.wall().UnixMilli()
	if !s.up.Status().Connected {
		b.Payload.Flags |= record.FlagOffline
	}
}

func (s *Station) appendReached(b record.Body) error {
	s.stamp(&b)
	s.ledger.Submit(ledger.Append{Lane: record.Telemetry, Body: b}, func(_ ledger.Result, err error) {
		if err != nil {
			s.log.Error("how far a warning is cannot be kept", "err", err)
		}
	})
	return nil
}

var _ api.Broadcasts = backend{}

// Broadcasts are the warnings of the ward.
func (b backend) Broadcasts(_ context.Context, limit int, until int64) (out []api.Broadcast, err error) {
	if err := b.s.indexAlerts(); err != nil {
		return nil, err
	}
	x := b.s.alerts
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range x.listLocked() {
		if a.Until > until && len(out) < limit {
			out = append(out, a.withCounts())
		}
	}
	return out, nil
}

// indexAlerts finds out whether the city has the warnings that this station sent.
func (s *Station) indexAlerts() error {
	x := s.alerts
	x.mu.Lock()
	var open []record.ID
	for id, a := range x.held {
		if a.Index == 0 && a.Origin == s.origin {
			open = append(open, id)
		}
	}
	x.mu.Unlock()
	if len(open) == 0 {
		return nil
	}
	rows, err := s.ledger.Incident(record.BroadcastsID)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range rows {
		if a := x.held[rows[i].Body.ID]; a != nil && slices.Contains(open, a.ID) {
			a.Index = rows[i].Index
		}
	}
	return nil
}

func (a *alertAt) withCounts() api.Broadcast {
	b := a.Broadcast
	if a.said.At > 0 {
		now := a.said
		now.Devices, now.Listening = max(now.Devices, len(a.took)), max(now.Listening, a.listens, len(a.took))
		b.Reached = []api.Reached{now}
	}
	return b
}

// Broadcast is one of them.
func (b backend) Broadcast(_ context.Context, id record.ID) (api.Broadcast, bool, error) {
	x := b.s.alerts
	x.mu.Lock()
	defer x.mu.Unlock()
	a, known := x.held[id]
	if !known {
		return api.Broadcast{}, false, nil
	}
	return a.withCounts(), true, nil
}

// Send warns the ward from its own station: only while the line is cut, so that the
// city speaks with one voice when it can.
func (b backend) Send(ctx context.Context, by identity.Officer, body record.Body) error {
	s := b.s
	if s.up.Status().Connected {
		return api.Problem(409, "line-up", "", "the line to the city stands; ask the command centre, which warns from there")
	}
	own := []record.UnitID{record.WardUnit(s.c.Ward)}
	if !slices.Equal(body.Payload.Told, own) {
		return api.Problem(403, "other-ward", "wards", "a station that is cut off warns its own ward alone")
	}
	if t := body.Payload.Target; !t.Zero() {
		if old, known, err := b.Broadcast(ctx, t); err != nil || !known || old.Origin != s.origin {
			return api.Problem(403, "other-origin", "target", "the command centre sent it; a station changes its own warnings alone")
		}
	}
	body.Actor = record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit}
	s.stamp(&body)
	done := make(chan error, 1)
	s.ledger.Submit(ledger.Append{Lane: record.Urgent, Body: body}, func(_ ledger.Result, err error) { done <- err })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-done:
		if err != nil {
			return problemOf(err)
		}
	}
	s.alerts.heard(0, &body)
	s.alerts.show()
	return nil
}

// heardOfAlert takes in a warning that the downlink brought.
func (s *Station) heardOfAlert(index uint64, b *record.Body) {
	s.alerts.heard(index, b)
	s.alerts.show()
}
