package edge

import (
	"context"
	"errors"
	"time"

	"wardline/edge/ledger"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// alonePause is how long the station waits for the city's routing before it
// makes its own: with the line up the city's is there within a few
// milliseconds.
const alonePause = 3 * time.Second

// routeBack is how far back the station looks at its start for reports that
// it had not routed when it ended.
const routeBack = 2000

// routeAlone routes reports while the city is away: who leads and who is told
// as far as this station knows. The city's routing stands over it later.
func (s *Station) routeAlone(ctx context.Context) error {
	pos := s.ledger.Position()
	pos -= min(pos, routeBack)
	for {
		changed := s.ledger.Changed()
		rows, err := s.ledger.After(pos, 64)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Body.Kind == record.KindReport && r.Body.Origin == s.origin {
				if !s.settle(ctx, r.Body.ReceivedAt) {
					return nil
				}
				if err := s.routeOne(r); err != nil {
					if errors.Is(err, ledger.ErrNoSpace) || errors.Is(err, ledger.ErrBusy) {
						continue // the report itself is safe; the city routes it
					}
					return err
				}
			}
			pos = r.Position
		}
		if len(rows) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// settle waits while the city's routing may still come.
func (s *Station) settle(ctx context.Context, receivedAt int64) bool {
	wait := alonePause - time.Duration(s.wall().UnixMilli()-receivedAt)*time.Millisecond
	if !s.up.Status().Connected || wait <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(min(wait, alonePause)):
		return true
	}
}

func (s *Station) routeOne(r ledger.Row) error {
	done := make(chan error, 1)
	s.ledger.Decide(record.Urgent, func(v ledger.View) ([]ledger.Append, any, error) {
		bodies, err := v.Incident(r.Body.Incident)
		if err != nil {
			return nil, nil, err
		}
		for i := range bodies {
			if bodies[i].Kind == record.KindRouted {
				return nil, nil, nil
			}
		}
		p := &r.Body.Payload
		d := routing.Route(s.city.rulesAt(r.Body.ReceivedAt), s.city.wards(), routing.Input{Category: p.Category, Place: p.Place, DeviceWard: p.Ward, CapturedAt: r.Body.CapturedAt,
			ReceivedAt: r.Body.ReceivedAt, ClockInDoubt: p.Flags&record.FlagClock != 0, Silent: p.Flags&record.FlagSilent != 0})
		b := record.Body{ID: record.DerivedID("routed-alone", p.Report[:], []byte(s.origin)), Incident: r.Body.Incident, Kind: record.KindRouted,
			Origin: s.origin, Deps: []record.ID{r.Body.ID}, HLC: s.ledger.Clock().Now(), CapturedAt: r.Body.CapturedAt, ReceivedAt: r.Body.ReceivedAt,
			Payload: record.Payload{Report: p.Report, Priority: d.Priority, Lead: d.Lead, Told: d.Told, Deadlines: d.Deadlines,
				Rules: d.RulesVersion, Algorithm: d.Algorithm, Flags: d.Flags() | record.FlagAlone, Distance: d.SnappedM}}
		return []ledger.Append{{Lane: record.Urgent, Body: b}}, nil, nil
	}, func(_ any, _ []ledger.Result, err error) { done <- err })
	return <-done
}
