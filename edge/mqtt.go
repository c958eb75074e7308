package edge

import (
	"context"
	"errors"
	"net"
	"time"

	"wardline/edge/broker"
	"wardline/edge/intake"
	"wardline/sync/record"
	"wardline/sync/report"
)

// devices joins the MQTT server to the door: who may speak, what became of a
// report, who is connected.
type devices struct{ s *Station }

// Authenticate checks a device's password; its client id is its own id.
func (d devices) Authenticate(_, username, password []byte, _ net.Addr) (broker.Device, bool) {
	v, ok := d.s.people.Device(string(username), string(password))
	return broker.Device{ID: v.ID, Ward: v.Ward, Kind: v.Kind}, ok
}

// HandleReport hands a publish to the door. The acknowledgement goes out after
// the sync; the message on the receipt topic says more than MQTT can.
func (d devices) HandleReport(p broker.Publish, answer func(broker.Answer)) {
	src := intake.Source{Device: p.Device, Ward: p.Ward, Kind: p.Kind, Via: "mqtt"}
	done := func(a intake.Answer, err error) {
		var bad *report.Problem
		switch {
		case err == nil:
			d.s.receipts.kept(p.Device, a)
			answer(broker.Accepted())
		case errors.As(err, &bad):
			d.s.receipts.refused(p.Device, bad, p.Payload)
			answer(broker.Malformed(bad.Where() + ": " + bad.Detail))
		default:
			answer(broker.Later())
		}
	}
	if !d.s.limits.Allow(p.Device, p.Remote.String()) {
		answer(broker.Later())
		return
	}
	switch {
	case p.Problem == broker.NoProblem, len(p.Payload) > report.MaxPayload: // what is too large is refused by the same words as at every door
		d.s.door.Report(src, p.Payload, done)
	case p.Problem == broker.ProblemOversize:
		d.s.door.Refuse(src, p.Payload, &report.Problem{Type: report.TooLarge, Detail: p.Problem.String()}, done)
	default:
		d.s.door.Refuse(src, p.Payload, &report.Problem{Type: report.InvalidValue, Field: "topic", Detail: p.Problem.String()}, done)
	}
}

// HandleStatus notes who is connected.
func (d devices) HandleStatus(st broker.Status) { d.s.presence.note(st) }

// roomEvery is how often the station looks whether clients that were told to
// wait may send again.
const roomEvery = 500 * time.Millisecond

// room calls clients back that were refused for now, once the ledger takes
// entries of all lanes again.
func (s *Station) room(ctx context.Context) error {
	every(ctx, roomEvery, func() {
		if s.ledger.Roomy() {
			s.mqtt.Room()
		}
	})
	return nil
}

const (
	// connectedEvery is how often the station looks how many devices are connected,
	// connectedStep how much is worth a word.
	connectedEvery = time.Second
	connectedStep  = 32
)

// connected says how many devices are connected.
func (s *Station) connected(ctx context.Context) error {
	said := 0
	every(ctx, connectedEvery, func() {
		if n := s.mqtt.Stats().Connections; n < said-connectedStep || n > said+connectedStep {
			said = n
			s.c.Connected(n)
		}
	})
	return nil
}

// claimed tells devices that an officer has what they reported.
func (s *Station) claimed(b *record.Body) {
	if s.receipts != nil && b.Kind == record.KindClaim {
		s.receipts.claimed(b.Incident)
	}
}
