package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Times of a connection.
const (
	// keepAlive is within what a broker's NAT and firewall keep open. With pingWait
	// a network that swallows packets is noticed within 65 s; pingWait is also how
	// long a message that is cut may take to pass.
	keepAlive = 30 * time.Second
	pingWait  = 30 * time.Second
	// subscribeWait bounds the broker's answer to SUBSCRIBE, while nothing else comes.
	subscribeWait = 10 * time.Second
	// quiesce is how long a DISCONNECT may take to be written.
	quiesce = 2 * time.Second
)

// errAgain ends a connection on purpose, so that the broker sends again what was
// refused for now.
var errAgain = errors.New("bridge: messages are asked for again")

// session is one connection.
type session struct {
	b     *Bridge
	again chan struct{} // something was refused for now
	lost  chan error    // the connection broke
	up    bool

	// Set by paho's connecting goroutine, read after it.
	conn   *guard
	opened func() bool // the connection no longer ends with ctx
}

func (s *session) redeliver() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// nothing is paho's store. What is not acknowledged is kept by the broker.
type nothing struct{}

var _ mqtt.Store = nothing{}

func (nothing) Open()                             {}
func (nothing) Put(string, packets.ControlPacket) {}
func (nothing) Get(string) packets.ControlPacket  { return nil }
func (nothing) All() []string                     { return nil }
func (nothing) Del(string)                        {}
func (nothing) Close()                            {}
func (nothing) Reset()                            {}

func (s *session) options(ctx context.Context) (*mqtt.ClientOptions, error) {
	b := s.b
	user, password, err := b.c.credentials(b.addr)
	if err != nil {
		return nil, err
	}
	t, err := b.c.tlsConfig(b.addr)
	if err != nil {
		return nil, err
	}
	o := mqtt.NewClientOptions().AddBroker(b.addr.String()).SetClientID(b.c.clientID(b.origin)).SetUsername(user).SetPassword(password).
		SetProtocolVersion(4). // no second try as MQTT 3.1
		SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetStore(nothing{}).
		SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(keepAlive).SetPingTimeout(pingWait).SetConnectTimeout(connectWait).SetWriteTimeout(subscribeWait).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { b.take(s, m) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			select {
			case s.lost <- err:
			default:
			}
		}).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			c, err := dial(ctx, b.addr, t)
			if err != nil {
				return nil, err
			}
			s.conn = newGuard(c, b.bounds.payload+1, len(b.c.filters()))
			s.conn.admit = b.admit
			s.opened = context.AfterFunc(ctx, func() { _ = c.Close() }) // a broker that is silent must not hold up the end
			return s.conn, nil
		})
	return o, nil
}

// run is one connection from dialling to its end; it returns when all of
// paho's goroutines have ended. again is the wait before what was refused for now
// is asked for; it grows while that goes on.
func (s *session) run(ctx context.Context, subscribed *bool, again *wait) error {
	b := s.b
	o, err := s.options(ctx)
	if err != nil {
		return err
	}
	client := mqtt.NewClient(o)
	defer s.end(client)
	tok := client.Connect().(*mqtt.ConnectToken)
	<-tok.Done() // within connectWait, or when ctx ends
	if s.opened != nil {
		s.opened()
	}
	if err := tok.Error(); err != nil {
		return s.reason(err)
	}
	defer func() {
		if ctx.Err() != nil {
			b.drain()
		}
	}()
	s.up = true
	problem := ""
	if tok.SessionPresent() {
		b.up(true, "") // it delivers from now on, before any SUBACK
	}
	if !tok.SessionPresent() || !*subscribed {
		if problem, err = s.subscribe(ctx, client); err != nil {
			return err
		}
		*subscribed = true
	}
	b.up(tok.SessionPresent(), problem)
	return s.stay(ctx, again)
}

// stay waits for the end of a connection that stands.
func (s *session) stay(ctx context.Context, again *wait) error {
	b := s.b
	b.mu.Lock()
	was := b.st.Waiting
	b.mu.Unlock()
	quiet := time.NewTimer(b.pace.again * 2)
	defer quiet.Stop()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.lost:
			return s.reason(err)
		case <-s.again:
			if due == nil {
				t := time.NewTimer(again.next(b.pace.again, b.pace.long))
				defer t.Stop()
				due = t.C
			}
		case <-due:
			return errAgain
		case <-quiet.C:
			if due == nil {
				again.tries = 0
				b.taken(was)
			}
		}
	}
}

// taken says that nothing is refused any more.
func (b *Bridge) taken(was bool) {
	b.mu.Lock()
	b.st.Waiting = false
	b.mu.Unlock()
	if was {
		b.log.Info("bridge: messages are taken again")
	}
}

// subscribe asks for the reports at QoS 1. problem is what an operator should
// know although the bridge works.
func (s *session) subscribe(ctx context.Context, client mqtt.Client) (problem string, err error) {
	want := map[string]byte{}
	for _, f := range s.b.c.filters() {
		want[f] = 1
	}
	tok := client.SubscribeMultiple(want, nil).(*mqtt.SubscribeToken)
	t := time.NewTicker(subscribeWait)
	defer t.Stop()
	for before, answered := s.b.Status().Received, false; !answered; {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case err := <-s.lost:
			return "", s.reason(err)
		case <-t.C: // the answer may stand behind a long backlog
			now := s.b.Status().Received
			if now == before {
				return "", errors.New("the broker does not answer SUBSCRIBE")
			}
			before = now
		case <-tok.Done():
			answered = true
		}
	}
	if err := tok.Error(); err != nil {
		return "", s.reason(err)
	}
	granted := 0
	var bad []string
	for f, code := range tok.Result() { // MQTT 3.1.1 section 3.9.3
		switch code {
		case 0:
			granted++
			bad = append(bad, fmt.Sprintf("the broker gives %q at QoS 0 only: what comes while the station is down is lost", f))
		case 1, 2:
			granted++
		default:
			bad = append(bad, fmt.Sprintf("the broker refuses the filter %q; allow user and client id to read it there", f))
		}
	}
	problem = strings.Join(bad, "; ")
	if granted == 0 {
		return "", errors.New(problem)
	}
	return problem, nil
}

// end disconnects and returns when paho has ended. The second Disconnect waits
// for a first one, or a loss, that is still being worked on.
func (s *session) end(client mqtt.Client) {
	client.Disconnect(uint(quiesce.Milliseconds()))
	if s.conn != nil {
		_ = s.conn.Close() // closed already, as a rule
	}
	client.Disconnect(uint(connectWait.Milliseconds()))
}

// reason is an error of paho with what to do. What broke the connection comes
// before what paho says of it, which may be only that it ended.
func (s *session) reason(err error) error {
	if s.conn != nil {
		if broke := s.conn.broke.Load(); broke != nil {
			return *broke
		}
	}
	switch {
	case err == nil:
		return errors.New("the connection ended")
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return fmt.Errorf("the broker refuses user or password (%w); check username and password", err)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Errorf("the broker refuses the client id (%w); set client_id", err)
	}
	return err
}
