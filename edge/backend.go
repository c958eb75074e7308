package edge

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
	"wardline/sync/view"
)

// backend is the station behind the interface.
type backend struct{ s *Station }

func problemOf(err error) error {
	var p *report.Problem
	switch {
	case errors.As(err, &p):
		return api.Refused(p)
	case errors.Is(err, ledger.ErrNoSpace):
		e := api.Problem(507, "no-space", "", "the station's disk is full; only urgent reports are taken until there is room")
		e.RetryAfter = 30
		return e
	case errors.Is(err, intake.ErrLater):
		e := api.Problem(503, "later", "", "the station cannot take it now; send the same again in a moment, it will not count twice")
		e.RetryAfter = 1
		return e
	}
	return err
}

func (b backend) Report(ctx context.Context, from identity.Device, raw []byte) (api.Answer, error) {
	type result struct {
		a   intake.Answer
		err error
	}
	ch := make(chan result, 1)
	ward := from.Ward
	if ward == "" {
		ward = b.s.c.Ward
	}
	b.s.door.Report(intake.Source{Device: from.ID, Ward: ward, Kind: from.Kind, Via: "http"}, raw, func(a intake.Answer, err error) { ch <- result{a, err} })
	select {
	case <-ctx.Done():
		return api.Answer{}, ctx.Err()
	case r := <-ch:
		if r.err != nil {
			return api.Answer{}, problemOf(r.err)
		}
		a := api.Answer{Repeat: r.a.Repeat, ID: r.a.ID, Incident: r.a.Incident, Ward: ward, Origin: b.s.origin, Incarnation: r.a.Incarnation,
			Lane: r.a.Lane.String(), Seq: r.a.Seq, Hash: r.a.Hash, ReceivedAt: api.Time(r.a.ReceivedAt), Warnings: r.a.Warnings}
		return a, nil
	}
}

// Act appends an officer's entry: compare-and-set in the order of commits. The
// same id again gets the same answer.
func (b backend) Act(ctx context.Context, body record.Body, key *api.SealedKey) (api.Done, error) {
	body.Origin, body.HLC, body.Clock = b.s.origin, b.s.ledger.Clock().Now(), doorLedger{b.s}.ClockState()
	body.ReceivedAt = b.s.wall().UnixMilli()
	if !b.s.up.Status().Connected {
		body.Payload.Flags |= record.FlagOffline
	}
	type result struct {
		d   api.Done
		err error
	}
	ch := make(chan result, 1)
	note := append([]byte("action/"), body.ID[:]...)
	b.s.ledger.Decide(record.Urgent, func(v ledger.View) ([]ledger.Append, any, error) {
		old, err := v.Note(note)
		if err != nil || old != nil {
			return nil, old, err
		}
		bodies, err := v.Incident(body.Incident)
		if err != nil {
			return nil, nil, err
		}
		in := record.Fold(body.Incident, bodies)
		in.Stamp(&body)
		if err := in.Check(&body); err != nil {
			return nil, nil, err
		}
		a := ledger.Append{Lane: record.Urgent, Body: body, Notes: []ledger.Note{{Key: note, Value: []byte{1}}}}
		if key != nil {
			a.Keys = append(a.Keys, b.s.keys.Wrap(key.ID, key.Key))
		}
		return []ledger.Append{a}, nil, nil
	}, func(old any, all []ledger.Result, err error) {
		switch {
		case err != nil:
			ch <- result{err: err}
		case len(all) == 1:
			ch <- result{d: api.Done{Link: all[0].Link, Hash: all[0].Hash, Position: all[0].Position, At: body.HLC.Millis()}}
			b.s.claimed(&body)
		default:
			ch <- result{err: errRepeated}
		}
	})
	select {
	case <-ctx.Done():
		return api.Done{}, ctx.Err()
	case r := <-ch:
		if errors.Is(r.err, errRepeated) {
			return b.stored(body.Incident, body.ID)
		}
		var ref *record.Refusal
		if r.err != nil && !errors.As(r.err, &ref) {
			return r.d, problemOf(errors.Join(intake.ErrLater, r.err))
		}
		return r.d, r.err
	}
}

var errRepeated = errors.New("edge: the action came before")

func (b backend) stored(incident, id record.ID) (api.Done, error) {
	rows, err := b.s.ledger.Incident(incident)
	if err != nil {
		return api.Done{}, err
	}
	for _, r := range rows {
		if r.Body.ID == id {
			return api.Done{Link: r.Entry.Link, Hash: r.Entry.Hash(), Position: r.Position, At: r.Body.HLC.Millis()}, nil
		}
	}
	return api.Done{}, api.Problem(409, "other-incident", "id", "this id stands for an action on another incident")
}

func (b backend) Bodies(_ context.Context, id record.ID) ([]api.Stored, error) { return b.Here(id) }

func (b backend) Here(id record.ID) ([]api.Stored, error) {
	rows, err := b.s.ledger.Incident(id)
	out := make([]api.Stored, len(rows))
	for i, r := range rows {
		out[i] = api.Stored{Position: r.Position, Index: r.Index, Link: r.Entry.Link, Body: r.Body}
	}
	return out, err
}

func (b backend) Open(at uint64, s *record.Sealed) ([]byte, error) {
	k, err := b.s.ledger.Key(at, s.Key)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, record.ErrSealed
	}
	p, err := b.s.keys.Unwrap(*k)
	if err != nil {
		return nil, err
	}
	return s.Open(p)
}

// level waits until the lists show what was acknowledged before.
func (b backend) level(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := b.s.view.CatchUp(ctx, b.s.ledger.Position()); err != nil {
		e := api.Problem(503, "behind", "", "the list is still being built, %d of %d; ask again", b.s.view.Position(), b.s.ledger.Position())
		e.RetryAfter = 2
		return e
	}
	return nil
}

func (b backend) List(ctx context.Context, q view.Query) (view.Page, error) {
	if err := b.level(ctx); err != nil {
		return view.Page{}, err
	}
	p, err := b.s.view.List(q)
	if errors.Is(err, view.ErrCursor) {
		return p, api.Problem(400, "invalid-cursor", "cursor", "%v", err)
	}
	return p, err
}

func (b backend) Tally(ctx context.Context, s view.Span) (view.Tally, error) {
	if err := b.level(ctx); err != nil {
		return view.Tally{}, err
	}
	return b.s.view.Tally(s)
}

func (b backend) Log() view.Log { return stationLog{b.s.ledger} }

// CityIndex is the highest city index that a receipt or the downlink named.
func (b backend) CityIndex() uint64 {
	var n uint64
	for _, c := range b.s.ledger.Chains() {
		if r, ok := b.s.ledger.Receipt(c.Chain); ok {
			n = max(n, r.CityIndex)
		}
	}
	return n
}

func (b backend) Line() api.Line {
	st := b.s.up.Status()
	l := api.Line{State: "cut", Since: api.Time(st.Since.UnixMilli()), City: st.Node}
	if st.Connected {
		l.State = "connected"
	}
	for _, c := range b.s.ledger.Chains() {
		l.Lag += uint64(c.Head.Seq - min(c.Held, c.Head.Seq))
	}
	b.s.mu.Lock()
	l.Alarms = append(l.Alarms, b.s.alarms...)
	b.s.mu.Unlock()
	if a := b.s.enrolment(); a != "" {
		l.Alarms = append(l.Alarms, a)
	}
	if room := b.s.ledger.Stats().Room; room != "all" {
		l.Alarms = append(l.Alarms, "disk: room for "+room)
	}
	return l
}

func (b backend) Stations(context.Context) ([]api.Station, error) {
	line := b.Line()
	var devices []api.DeviceState
	for _, p := range b.s.panels {
		devices = append(devices, p.device())
	}
	for _, x := range b.s.bridges {
		devices = append(devices, bridgeDevice(x))
	}
	fixed, phones := b.s.presence.list()
	devices = append(devices, fixed...)
	return []api.Station{{Devices: devices, Phones: phones, ID: string(b.s.origin), Ward: b.s.c.Ward, Name: wardName(b.s.c.Ward), Connected: line.State == "connected", Line: &line}}, nil
}

func (b backend) Units(context.Context) ([]api.Unit, error) { return api.AllUnits(), nil }

func (b backend) Source(device string) (view.History, error) { return b.s.view.Source(device) }
func (b backend) Wards() *routing.Wards                      { return b.s.city.wards() }
func (b backend) Contacts() []api.Contact                    { return b.s.contacts }

// Rules are the routing rules with which this station works now.
func (b backend) Rules(context.Context) ([]byte, error) {
	return routing.MarshalRules(b.s.city.rulesAt(b.s.wall().UnixMilli()))
}

// Ready is so once somebody may log in: a desk that nobody can open is none.
func (b backend) Ready(context.Context) error {
	begun, err := b.s.people.Begun()
	if err == nil && !begun {
		err = errors.New("no officer's account has come from the city yet; it comes once the line stands and wardline user add has made one")
	}
	return errors.Join(b.s.ledger.Stats().Failed, err)
}

// Malformed lists input that was refused for good and kept raw.
func (b backend) Malformed(_ context.Context, limit int) ([]api.Malformed, error) {
	rows, err := b.s.ledger.Quarantined(limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Malformed, 0, len(rows))
	for _, raw := range rows {
		var m intake.Malformed
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		if len(m.Sealed) > 0 {
			if m.Raw, err = b.s.keys.OpenRaw(m.Sealed); err != nil {
				m.Raw = nil // its key is destroyed by now
			}
		}
		out = append(out, api.Malformed{Raw: append([]byte{}, m.Raw...), Bytes: m.Bytes, SHA256: m.SHA256, Device: m.Device, Via: m.Via, At: api.Time(m.At), Field: m.Field, Type: m.Type, Detail: m.Detail})
	}
	return out, nil
}
