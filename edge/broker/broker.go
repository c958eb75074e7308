package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/sync/semaphore"

	"wardline/sync/record"
)

// Broker is the MQTT server of a ward station.
type Broker struct {
	cfg       Config
	auth      Auth
	handler   Handler
	log       *slog.Logger
	server    *mqtt.Server
	gate      *gate
	doors     []door
	pending   *semaphore.Weighted // payload bytes that wait for answers
	stats     counters
	queued    atomic.Int64 // bytes that wait for devices
	refused   atomic.Int64 // publishes that clients still have, answered Later
	online    atomic.Int64 // clients that logged in
	ids       atomic.Uint64
	frontSaid atomic.Int64  // when a front was last warned of, nanoseconds since the Unix epoch
	checks    chan struct{} // logins that are being checked

	mu       sync.Mutex // guards what follows
	sessions map[string]*session
	retained map[string]kept
	said     map[record.WardCode]announcement // what each ward's devices are to know now
	conns    map[*conn]struct{}
	closing  bool
	serving  sync.WaitGroup // added to under mu, while not closing
}

// maxChecks are the logins that are checked at once: a password's hash may cost
// much memory and time, and a flood of logins must leave some of both.
const maxChecks = 4

// New checks the limits and opens the listeners, so that Addrs is known; it starts
// nothing. Until Run, connections wait in the kernel's queue. Run closes the
// listeners; without Run, Close does.
func New(cfg Config, auth Auth, handler Handler, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, auth: auth, handler: handler, log: log, gate: newGate(cfg.MaxHalfOpen, cfg.Proxies),
		pending: semaphore.NewWeighted(cfg.MaxPendingBytes), sessions: make(map[string]*session),
		retained: make(map[string]kept), said: make(map[record.WardCode]announcement), conns: make(map[*conn]struct{}), checks: make(chan struct{}, maxChecks)}
	caps := mqtt.NewDefaultServerCapabilities()
	caps.MaximumMessageExpiryInterval = 0
	caps.MaximumClientWritesPending = 1 // nothing goes that way
	caps.MaximumSessionExpiryInterval = uint32(cfg.SessionLife / time.Second)
	caps.MaximumPacketSize = uint32(cfg.MaxDrain)
	caps.ReceiveMaximum = uint16(cfg.receiveMaximum())
	caps.TopicAliasMaximum = 0
	caps.SharedSubAvailable, caps.SubIDAvailable = 0, 0
	caps.MinimumProtocolVersion = 4
	// Its log would show whole packets, with passwords in them.
	b.server = mqtt.New(&mqtt.Options{Capabilities: caps, Logger: slog.New(slog.DiscardHandler), ClientNetReadBufferSize: 16})
	if err := b.server.AddHook(&hooks{b: b}, nil); err != nil {
		return nil, fmt.Errorf("mqtt server: %w", err)
	}
	for _, l := range cfg.Listeners {
		d, err := openDoor(l)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.doors = append(b.doors, d)
	}
	return b, nil
}

// Close closes the listeners of a Broker that does not run.
func (b *Broker) Close() error {
	var errs []error
	for _, d := range b.doors {
		if err := d.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Addrs are the addresses of the listeners, in the order of Config.Listeners.
func (b *Broker) Addrs() []net.Addr {
	var all []net.Addr
	for _, d := range b.doors {
		all = append(all, d.Addr())
	}
	return all
}

// tidyEvery is how exactly sessions and delayed wills end.
const tidyEvery = time.Second

// goodbyeTime is how long clients may take to be told that the station stops.
const goodbyeTime = 2 * time.Second

// Run serves until ctx ends or a listener breaks, and returns after the last
// goroutine has ended. Answers may still come after that; they go nowhere.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var doors sync.WaitGroup
	errs := make(chan error, len(b.doors))
	for _, d := range b.doors {
		doors.Go(func() {
			if err := b.accept(ctx, d); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-tick.C:
			b.tidy(now)
		case <-ctx.Done():
		}
	}
	// First no newcomers, then a word to those who are here, then the end of them.
	all := []error{b.Close()}
	doors.Wait()
	close(errs)
	for err := range errs {
		all = append(all, err)
	}
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	for _, c := range b.allConns() {
		c.bye(packets.ErrServerShuttingDown)
	}
	stuck := time.AfterFunc(goodbyeTime, func() {
		for _, c := range b.allConns() {
			_ = c.raw.Close() // ends its reading and its writing
		}
	})
	b.serving.Wait()
	stuck.Stop()
	return errors.Join(all...)
}

func (b *Broker) allConns() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		all = append(all, c)
	}
	return all
}

// admit starts serving a connection; false when the broker stops.
func (b *Broker) admit(d door, nc net.Conn, p *pass) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return false
	}
	c := newConn(b, d, nc, p)
	b.conns[c] = struct{}{}
	b.serving.Go(func() { b.serve(d, c) })
	return true
}

// serve is the life of a connection; it ends after the writer.
func (b *Broker) serve(d door, c *conn) {
	// In a goroutine of its own: a handshake and a log-in make a stack large, and this one
	// lives as long as the connection.
	greeted := make(chan error, 1)
	go func() {
		err := d.greet(c)
		if err == nil {
			err = c.begin()
		}
		if err == nil {
			err = b.contain(c, func() error { return b.logIn(c, d.network) })
		}
		greeted <- err
	}()
	err := <-greeted
	if err == nil {
		err = b.work(c)
	}
	if c.client != nil {
		c.client.Stop(err) // the first cause stands
	}
	_ = c.Close() // it only begins the end
	close(c.read)
	if c.begun { // set by greeted's sender
		<-c.ended
	}
	c.pass.leave()
	if c.online {
		b.online.Add(-1)
	}
	if cl := c.client; cl != nil {
		goodbye := cl.StopCause() == error(packets.CodeDisconnect)
		b.detach(c, goodbye, b.life(c))
		b.server.UnsubscribeClient(cl)
	}
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	b.log.Debug("mqtt connection ended", "device", c.dev.ID, "remote", c.remote, "err", err)
}

// contain runs mochi on a client's packets. A panic in there is contained: v2.7.9
// reads past the end of a version 5 SUBSCRIBE that lacks its options, and one
// client's packet must not end the station.
func (b *Broker) contain(c *conn, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			b.stats.panics.Add(1)
			b.log.Error("mqtt server panicked on a client's packet", "device", c.dev.ID, "remote", c.remote, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}

func (b *Broker) uniqueID() string { return strconv.FormatUint(b.ids.Add(1), 36) }

// Leaf is a topic of a device on which the station speaks.
type Leaf string

// Leaves for Send.
const (
	// Receipt tells how far the device's reports are.
	Receipt Leaf = leafReceipt
	// Command tells the device what to do.
	Command Leaf = leafCommand
)

// Send queues a message for a device, at QoS 1 if it reads the topic so. It is
// delivered in order, now or after the next login, again until the device
// acknowledges it. It returns at once; false says that the device will not have
// it: there is no session that reads the topic, or its queue is full.
//
// The payload must not be changed afterwards.
func (b *Broker) Send(device string, leaf Leaf, payload []byte) bool {
	b.mu.Lock()
	s := b.sessions[device]
	b.mu.Unlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	topic := deviceTopic(s.dev, string(leaf))
	s.mu.Unlock()
	return s.enqueue(b, topic, payload)
}

// Room says that there is room again: clients with publishes that were answered
// Later are disconnected within Config.RoomJitter, so that they send them again.
// It may be called often.
func (b *Broker) Room() {
	if b.refused.Load() == 0 {
		return
	}
	for _, c := range b.allConns() {
		c.mu.Lock()
		if c.later > 0 && !c.called { // once, or many calls would eat the jitter up
			c.called = true
			c.leaveLocked(0)
		}
		c.mu.Unlock()
	}
}

// Drop ends a device's connection and its session, because what it logged in with
// holds no longer. It may come again with what holds now.
func (b *Broker) Drop(device string) {
	b.mu.Lock()
	s := b.sessions[device]
	b.mu.Unlock()
	if s == nil {
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.gone {
		return
	}
	if c := s.conn; c != nil {
		c.bye(packets.ErrNotAuthorized)
		b.leave(s, c, CauseLost, nil)
	}
	b.endLocked(s)
}
