// Package edge is a ward station: it joins the ledger, the doors, the line to
// the city and the interface.
package edge

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"wardline/edge/bridge"
	"wardline/edge/broker"
	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/downlink"
	"wardline/sync/identity"
	"wardline/sync/points"
	"wardline/sync/proxies"
	"wardline/sync/rates"
	"wardline/sync/record"
	"wardline/sync/routing"
	"wardline/sync/sealing"
	"wardline/sync/search"
	"wardline/sync/streets"
	"wardline/sync/tables"
	"wardline/sync/trust"
	"wardline/sync/uplink"
	"wardline/sync/view"
	"wardline/sync/wire"
)

// Station is a ward station.
type Station struct {
	c           Config
	log         *slog.Logger
	wall        func() time.Time
	origin      record.Origin
	ledger      *ledger.Ledger
	proof       *tables.Proof // of the ledger
	door        *intake.Door
	view        *view.View
	index       *search.Index
	keys        *sealing.Ring
	people      *identity.Directory
	contacts    []api.Contact
	session     [32]byte
	up          *uplink.Sender
	down        *downlink.Receiver
	http        net.Listener
	https       *trust.Gate // nil without an HTTPS address
	httpsL      net.Listener
	panels      []*panelLine
	city        directory
	trust       *trust.Holder
	member      *trust.Member
	credentials *credentials
	alerts      *alerts
	points      atomic.Pointer[points.Set] // places of help
	limits      *rates.Limits
	mqtt        *broker.Broker // nil without an MQTT address
	receipts    *receipts
	presence    *presence
	bridges     []*bridge.Bridge
	times       *syncTimes

	telling  sync.Mutex // held from reading the directory to taking it into use
	choosing sync.Mutex // held from reading an account to appending its new password

	cloned atomic.Bool // the city said that another disk of this name is at work

	mu     sync.Mutex // guards alarms
	alarms []string
}

// maxAlarms bounds what the line's pill lists; the log has all of them.
const maxAlarms = 20

// New opens the station's files and listeners; it starts nothing.
func New(c Config, log *slog.Logger) (s *Station, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s = &Station{c: c, wall: c.Wall, origin: record.StationOrigin(c.Ward), times: newSyncTimes()}
	if s.wall == nil {
		s.wall = time.Now
	}
	s.log = log.With("station", s.origin)
	if s.people, err = c.directory(); err != nil {
		return nil, err
	}
	if s.contacts, err = c.contacts(); err != nil {
		return nil, err
	}
	o := ledger.Default(c.Dir, s.origin)
	o.Wall, o.Log, o.Observe = s.wall, s.log, s.times.observe
	if err = o.FitDisk(); err != nil {
		return nil, err
	}
	if c.ReserveMB > 0 {
		if o.Reserve = c.ReserveMB << 20; o.Reserve < o.Floor { // as on a small disk
			small := ledger.Default(c.Dir, s.origin)
			o.Floor, o.Ballast = small.Floor, small.Ballast
		}
	}
	disk, err := sealing.OpenDisk(c.DiskKey, c.DiskKeyBefore)
	if err != nil {
		return nil, err
	}
	if o.Key, o.KeyBefore, err = disk.Key("stores"); err != nil {
		return nil, err
	}
	if err = s.openKeys(disk); err != nil {
		return nil, err
	}
	o.Fresh = s.fresh
	if s.ledger, err = ledger.Open(o); err != nil {
		return nil, err
	}
	opened := s // an error makes s nil
	defer func() {
		if err != nil {
			if opened.proof != nil {
				_ = opened.proof.Wait() // err says it, or stands before it
			}
			err = errors.Join(err, opened.ledger.Close())
		}
	}()
	tables.Advise(c.Dir, s.log)
	if err = s.prove(); err != nil {
		return nil, err
	}
	for _, cut := range s.ledger.Found().Cuts {
		s.alarm(fmt.Sprintf("the disk lost entries %d to %d of %s %s", cut.Have+1, cut.Had, cut.Chain.Incarnation, cut.Chain.Lane))
	}
	s.limits = rates.New(c.Limits, s.wall)
	if err = s.openMember(); err != nil {
		return nil, err
	}
	if err = s.readDirectory(); err != nil {
		return nil, err
	}
	s.people.UseAccounts(accounts{s})
	if err = s.openCredentials(); err != nil {
		return nil, err
	}
	if err = errors.Join(s.openAlerts(), s.readPoints()); err != nil {
		return nil, err
	}
	if s.view, err = view.New(s.ledger.DB(), stationLog{s.ledger}, s.log); err != nil {
		return nil, err
	}
	s.openIndex()
	var boot [8]byte
	_, _ = rand.Read(boot[:]) // crypto/rand.Read never fails
	b := binary.BigEndian.Uint64(boot[:])
	other, err := s.ledger.Note(clonedKey)
	if err != nil {
		return nil, err
	}
	s.cloned.Store(other != nil)
	line := &Line{Origin: s.origin, Ledger: s.ledger, Keys: s.keys, Alarm: s.alarm, Lacks: func() { s.down.Again() },
		Cloned: func() { s.cloned.Store(true) }, Claimed: s.claimed, Told: s.readDirectory, Device: s.heardOfDevice, Broadcast: s.heardOfAlert, Points: s.readPoints, Log: s.log}
	connect := wire.Connect(s.connect)
	s.up = uplink.New(uplink.Config{Open: connect.Up, Boot: b, Wall: s.wall, Health: s.health, Log: s.log}, line.Up())
	s.down = downlink.New(downlink.Config{Open: connect.Down, Boot: b, Wall: s.wall, Log: s.log}, line.Down())
	s.door = intake.New(intake.Config{Origin: s.origin, Ledger: doorLedger{s}, Rules: func() *routing.Rules { return s.city.rulesAt(s.wall().UnixMilli()) }, Wall: s.wall,
		Online: func() bool { return s.up.Status().Connected }, Practice: s.practice, Log: s.log})
	for _, p := range c.Panels {
		l, err := s.newPanel(p)
		if err != nil {
			return nil, err
		}
		s.panels = append(s.panels, l)
	}
	for _, x := range c.Bridges {
		b, err := s.newBridge(x)
		if err != nil {
			return nil, err
		}
		s.bridges = append(s.bridges, b)
	}
	s.presence = newPresence(s)
	if bc, on := c.mqtt(s.trust); on {
		if s.mqtt, err = broker.New(bc, devices{s}, devices{s}, s.log); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, s.mqtt.Close())
			}
		}()
		s.receipts = newReceipts(s)
		s.alerts.announce = func(payload []byte, took func(string)) int { return s.mqtt.Announce(s.c.Ward, payload, took) }
	}
	if s.http, err = net.Listen("tcp", c.HTTP); err != nil || c.TLS.HTTP == "" {
		return s, err
	}
	if s.https, s.httpsL, err = trust.ListenHTTPS(c.TLS.HTTP, s.trust, s.log); err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return s, err
}

func (s *Station) connect(try int) (*grpc.ClientConn, error) {
	return wire.Dial(s.c.Core[try%len(s.c.Core)], wire.Machines(s.trust))
}

func (s *Station) alarm(text string) {
	s.log.Error("ALARM: " + text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.alarms {
		if a == text {
			return
		}
	}
	if len(s.alarms) < maxAlarms {
		s.alarms = append(s.alarms, text)
	}
}

// MQTTAddrs are where devices connect, in the order tcp, WebSocket; empty without MQTT.
func (s *Station) MQTTAddrs() []net.Addr {
	if s.mqtt == nil {
		return nil
	}
	return s.mqtt.Addrs()
}

// HTTPAddr is where the interface listens.
func (s *Station) HTTPAddr() string { return s.http.Addr().String() }

// Run works until ctx ends. The order of the end: first no more requests, then
// the line, then the committer, which first answers what it accepted, then the files.
func (s *Station) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	front, stopFront := context.WithCancel(context.Background())
	back, stopBack := context.WithCancel(context.Background())
	defer stopFront()
	defer stopBack()
	errs := make(chan error, 18+len(s.panels)+len(s.bridges))
	var fg, bg sync.WaitGroup
	start := func(wg *sync.WaitGroup, name string, f func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := f(); err != nil {
				errs <- fmt.Errorf("%s: %w", name, err)
				cancel()
			}
		}()
	}
	fronts, _ := proxies.Parse(s.c.TrustedProxies) // New has validated them
	in := identity.NewSessions(s.wall, s.session, s.people).Keep(&sessions{s: s}).Idle(time.Duration(s.c.SessionIdleMin) * time.Minute)
	tiles := streets.New(s.c.TilesFile, s.log)
	defer func() { _ = tiles.Close() }() // it was only read
	srv := api.New(api.Config{Backend: backend{s}, Directory: s.people, Sessions: in, Now: s.wall,
		Metrics: s.metrics(), Log: s.log, Limits: s.limits, Proxies: fronts, Streets: tiles})
	start(&bg, "ledger", func() error { return s.ledger.Run(back) })
	start(&fg, "enrolment", func() error { return s.member.Run(front) })
	start(&fg, "uplink", func() error { s.member.Wait(front); return s.up.Run(front) })
	start(&fg, "downlink", func() error { s.member.Wait(front); return s.down.Run(front) })
	start(&fg, "wrapping keys", func() error { return s.keepKeys(front) })
	start(&fg, "lists", func() error { return s.view.Run(front) })
	start(&fg, "search", func() error { return s.index.Run(front) })
	start(&fg, "tables", func() error { return s.proveFiles(front) })
	start(&fg, "other disk", func() error { every(front, otherDiskEvery, s.askForOther); return nil })
	start(&fg, "warnings", func() error { return s.alerts.run(front) })
	start(&fg, "routing", func() error { return s.routeAlone(front) })
	for _, p := range s.panels {
		start(&fg, "alarm line "+p.c.Device, func() error { return p.run(front) })
	}
	for _, b := range s.bridges {
		start(&fg, "bridge "+b.Name(), func() error { return b.Run(front) })
	}
	if s.mqtt != nil {
		start(&fg, "mqtt", func() error { return s.mqtt.Run(front) })
		start(&fg, "mqtt room", func() error { return s.room(front) })
		if s.c.Connected != nil {
			start(&fg, "mqtt devices", func() error { return s.connected(front) })
		}
		start(&fg, "receipts", func() error { return s.receipts.Run(front) })
		start(&fg, "presence", func() error { return s.presence.Run(front) })
	}
	start(&fg, "sessions", func() error { return in.Run(front) })
	start(&fg, "http", func() error { return srv.Serve(front, s.http) })
	if s.https != nil {
		start(&fg, "https door", func() error { return s.https.Run(front) })
		start(&fg, "https", func() error { return srv.Serve(front, s.httpsL) })
	}
	<-ctx.Done()
	stopFront()
	fg.Wait()
	stopBack()
	bg.Wait()
	close(errs)
	_ = s.proof.Wait() // proveFiles says it
	all := []error{s.ledger.Close()}
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// otherDiskEvery is how often a station that was cloned asks for what the other
// disk wrote meanwhile.
const otherDiskEvery = 10 * time.Second

// askForOther opens the downlink anew when this station was cloned: the city sends a
// station its own entries only where one begins, and the other disk goes on. Until
// somebody has ended one of the two, what was reported there must be seen here.
func (s *Station) askForOther() {
	if s.cloned.Load() {
		s.down.Again()
	}
}

func wardName(w record.WardCode) string {
	if x, ok := routing.Centres().Find(w); ok {
		return x.Name
	}
	return string(w)
}
