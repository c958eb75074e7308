package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"wardline/sync/record"
)

const keepAlive = 30 * time.Second

// errNoAnswer: the broker did not answer in time.
var errNoAnswer = errors.New("the broker does not answer")

// topic is the device's own (AsyncAPI): wardline/v1/{ward}/{device}/{name}.
func (p *phone) topic(name string) string {
	return "wardline/v1/" + string(p.ward) + "/" + p.id + "/" + name
}

// runMQTT connects again for as long as ctx lives. Each connection has a paho
// client of its own with the same client id: the session at the broker is
// kept, what is to be sent again is the outbox's to say.
func (p *phone) runMQTT(ctx context.Context) error {
	pause := backoffMin
	for ctx.Err() == nil {
		begun := time.Now()
		err := p.session(ctx)
		if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) || errors.Is(err, packets.ErrorRefusedIDRejected) {
			return fmt.Errorf("sim: device %s at %s: %w; take id and password from city.json", p.id, p.o.MQTT, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(begun) > backoffMax {
			pause = backoffMin
		}
		fmt.Fprintf(p.o.Out, "%s: %v; connects again\n", p.id, err)
		sleep(ctx, jittered(pause))
		pause = min(2*pause, backoffMax)
	}
	return nil
}

// session is one connection. It returns why it ended.
func (p *phone) session(ctx context.Context) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + p.o.MQTT).SetClientID(p.id).SetUsername(p.id).SetPassword(p.password).
		SetCleanSession(false).SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).
		SetKeepAlive(keepAlive).SetPingTimeout(answerWithin).SetConnectTimeout(answerWithin).SetWriteTimeout(answerWithin).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost(err) }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { p.receipt(m.Payload()) }))
	defer c.Disconnect(100)
	if err := answered(ctx, c.Connect()); err != nil {
		return err
	}
	if err := answered(ctx, c.Subscribe(p.topic("receipt"), 1, nil)); err != nil {
		return fmt.Errorf("subscribe to %s: %w", p.topic("receipt"), err)
	}
	p.box.offer()
	var wg sync.WaitGroup
	for range p.o.Window {
		wg.Go(func() {
			for it := p.box.take(ctx); it != nil; it = p.box.take(ctx) {
				t := c.Publish(p.topic("report"), 1, false, it.body)
				acked := false
				select {
				case <-t.Done():
					acked = t.Error() == nil
				case <-ctx.Done():
				}
				p.landed(it, acked)
				if err := t.Error(); err != nil {
					lost(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// answered waits for a token within the time that a broker has.
func answered(ctx context.Context, t mqtt.Token) error {
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return errNoAnswer
	}
}

// receiptJSON is what a station says on the receipt topic.
type receiptJSON struct {
	ID          string          `json:"id"`
	Step        string          `json:"step"`
	Incarnation json.RawMessage `json:"incarnation"`
	SHA256      string          `json:"payload_sha256"`
	Error       *struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"error"`
}

// receipt takes one message; it comes from paho's one goroutine and does not block.
func (p *phone) receipt(raw []byte) {
	var r receiptJSON
	if err := json.Unmarshal(raw, &r); err != nil {
		fmt.Fprintf(p.o.Out, "%s: a receipt cannot be read: %v\n", p.id, err)
		return
	}
	id, err := record.ParseID(r.ID)
	if err != nil && r.Error == nil {
		fmt.Fprintf(p.o.Out, "%s: a receipt names no report: %q\n", p.id, r.ID)
		return
	}
	if r.Error != nil {
		p.refused(id, r.SHA256, r.Error.Field+": "+r.Error.Detail)
		return
	}
	if r.Step == "city" {
		p.box.inCity(id)
	}
	p.incarnation(string(r.Incarnation))
}
