package edge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/edge/bridge"
	"wardline/edge/broker"
	"wardline/edge/ledger"
	"wardline/sync/downlink"
	"wardline/sync/figures"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// scrape is what one request for the metrics reads, once.
type scrape struct {
	s      *Station
	ledger ledger.Stats
	lag    map[record.LaneID]uint64
	up     bool
	down   downlink.Cursor
	mqtt   broker.Stats // zero without MQTT
	phones int
	online int // fixed devices
	away   int
}

func (s *Station) scrape() *scrape {
	x := &scrape{s: s, ledger: s.ledger.Stats(), up: s.up.Status().Connected, lag: map[record.LaneID]uint64{record.Urgent: 0, record.Routine: 0, record.Telemetry: 0}}
	for _, c := range s.ledger.Chains() {
		x.lag[c.Chain.Lane] += uint64(c.Head.Seq - min(c.Held, c.Head.Seq))
	}
	var err error
	if x.down, err = (sink{&Line{Ledger: s.ledger}}).Cursor(); err != nil {
		s.log.Error("metrics: the downlink's cursor cannot be read", "err", err)
	}
	if s.mqtt != nil {
		x.mqtt = s.mqtt.Stats()
	}
	fixed, phones := s.presence.list()
	x.phones = phones
	for _, d := range fixed {
		if d.Online {
			x.online++
		} else {
			x.away++
		}
	}
	return x
}

// figureList is what /metrics serves of a station; listed in sync/api/metrics.md.
func figureList() []figures.Figure[*scrape] {
	all := ledgerFigures()
	all = append(all, lineFigures()...)
	all = append(all, deviceFigures()...)
	return append(all, brokerFigures()...)
}

func gauge(name, help string, read func(*scrape) float64) figures.Figure[*scrape] {
	return figures.Gauge("wardline_edge_"+name, help, read)
}

func counter(name, help string, read func(*scrape) float64) figures.Figure[*scrape] {
	return figures.Counter("wardline_edge_"+name, help, read)
}

func ledgerFigures() []figures.Figure[*scrape] {
	return []figures.Figure[*scrape]{
		counter("entries_total", "Entries that the ledger took since the start.", func(x *scrape) float64 { return float64(x.ledger.Entries) }),
		counter("batches_total", "Syncs of the ledger since the start.", func(x *scrape) float64 { return float64(x.ledger.Batches) }),
		counter("repeats_total", "Reports that the ledger knew already.", func(x *scrape) float64 { return float64(x.ledger.Repeats) }),
		counter("refused_total", "What the ledger could not take for now: no room on the disk, or too much waiting.", func(x *scrape) float64 { return float64(x.ledger.Refused) }),
		counter("quarantined_total", "Malformed input that was kept raw.", func(x *scrape) float64 { return float64(x.ledger.Quarantined) }),
		gauge("queued", "What waits for the ledger's next sync.", func(x *scrape) float64 { return float64(x.ledger.Queued) }),
		gauge("position", "Position of the last entry.", func(x *scrape) float64 { return float64(x.ledger.Position) }),
		gauge("failed", "1 after a failed sync: nothing is taken until the station is started again.", func(x *scrape) float64 { return figures.Flag(x.ledger.Failed != nil) }),
		gauge("free_bytes", "Free space on the station's disk.", func(x *scrape) float64 { return float64(x.ledger.Free) }),
		figures.Gauges("wardline_edge_room", "1 for what the disk has room for: all, urgent_only or none.", func(x *scrape, emit figures.Emit) {
			for _, st := range ledger.Rooms() {
				emit(figures.Flag(x.ledger.Room == st), st)
			}
		}, "for"),
		gauge("list_lag", "Entries that the lists do not show yet.", func(x *scrape) float64 {
			return float64(x.ledger.Position - min(x.s.view.Position(), x.ledger.Position))
		}),
		gauge("search_lag", "Entries that the search does not find yet.", func(x *scrape) float64 {
			return float64(x.ledger.Position - min(x.s.index.State().Position, x.ledger.Position))
		}),
		figures.Counters("wardline_edge_intake_total", "What came through the door, by what became of it.", func(x *scrape, emit figures.Emit) {
			c := x.s.door.Counts()
			emit(float64(c.Reports.Load()), "report")
			emit(float64(c.Repeats.Load()), "repeat")
			emit(float64(c.OtherContent.Load()), "other_content")
			emit(float64(c.Signals.Load()), "signal")
			emit(float64(c.Tests.Load()), "test")
			emit(float64(c.Unfit.Load()), "unfit")
			emit(float64(c.Malformed.Load()), "malformed")
			emit(float64(c.Later.Load()), "later")
		}, "outcome"),
	}
}

func lineFigures() []figures.Figure[*scrape] {
	return []figures.Figure[*scrape]{
		gauge("line_up", "1 while the line to the city stands.", func(x *scrape) float64 { return figures.Flag(x.up) }),
		figures.Gauges("wardline_edge_line_lag", "Entries that the city has not confirmed, by lane.", func(x *scrape, emit figures.Emit) {
			for lane, n := range x.lag {
				emit(float64(n), lane.String())
			}
		}, "lane"),
		gauge("certificate_seconds", "Until the station's certificate ends; 0 without one.", func(x *scrape) float64 {
			until, _ := x.s.member.Status()
			return max(0, until.Sub(x.s.wall()).Seconds())
		}),
		counter("receipts_refused_total", "City receipts that did not prove what was sent; each ends the line.", func(x *scrape) float64 { return float64(x.s.up.Status().Forged) }),
		figures.Counters("wardline_edge_tls_connections_total", "Connections at the HTTPS door, by what came of them.", func(x *scrape, emit figures.Emit) {
			var n map[string]uint64
			if x.s.https != nil {
				n, _ = x.s.https.Turned()
			}
			for _, outcome := range trust.Reasons() {
				emit(float64(n[outcome]), outcome)
			}
		}, "outcome"),
		gauge("tls_half_open", "Connections at the HTTPS door that have proven nothing yet.", func(x *scrape) float64 {
			if x.s.https == nil {
				return 0
			}
			_, half := x.s.https.Turned()
			return float64(half)
		}),
		gauge("downlink_cursor", "Last row of the city's outbox that the station has.", func(x *scrape) float64 { return float64(x.down.Seq) }),
		gauge("alarms", "Alarms about the station that the desk shows, at most 20.", func(x *scrape) float64 {
			x.s.mu.Lock()
			defer x.s.mu.Unlock()
			return float64(len(x.s.alarms))
		}),
	}
}

func deviceFigures() []figures.Figure[*scrape] {
	panels := func(of func(open, silent bool) bool) func(*scrape, figures.Emit) {
		return func(x *scrape, emit figures.Emit) {
			for _, p := range x.s.panels {
				d := p.device()
				emit(figures.Flag(of(d.Online, d.SilentSince != nil)), p.c.Device)
			}
		}
	}
	bridges := func(of func(bridge.Status) float64) func(*scrape, figures.Emit) {
		return func(x *scrape, emit figures.Emit) {
			for _, b := range x.s.bridges {
				emit(of(b.Status()), b.Name())
			}
		}
	}
	return []figures.Figure[*scrape]{
		figures.Gauges("wardline_edge_panel_open", "1 while the alarm line is open, by its configured name.", panels(func(open, _ bool) bool { return open }), "device"),
		figures.Gauges("wardline_edge_panel_silent", "1 while the alarm line is silent for longer than it may be.", panels(func(_, silent bool) bool { return silent }), "device"),
		gauge("phones_online", "Phones that are connected by MQTT.", func(x *scrape) float64 { return float64(x.phones) }),
		gauge("devices_online", "Kiosks and other fixed devices that are connected by MQTT.", func(x *scrape) float64 { return float64(x.online) }),
		gauge("devices_away", "Fixed devices that were connected since the start and are not now.", func(x *scrape) float64 { return float64(x.away) }),
		figures.Gauges("wardline_edge_bridge_up", "1 while the bridge has its broker, by its configured name.", bridges(func(s bridge.Status) float64 { return figures.Flag(s.Connected) }), "bridge"),
		figures.Gauges("wardline_edge_bridge_waiting", "1 while messages that were refused for now wait at the broker.", bridges(func(s bridge.Status) float64 { return figures.Flag(s.Waiting) }), "bridge"),
		figures.Counters("wardline_edge_bridge_messages_total", "Messages of the broker, by what became of them; lost ones are of QoS 0.", func(x *scrape, emit figures.Emit) {
			for _, b := range x.s.bridges {
				st := b.Status()
				emit(float64(st.Kept), b.Name(), "kept")
				emit(float64(st.Refused), b.Name(), "refused")
				emit(float64(st.Later), b.Name(), "later")
				emit(float64(st.Lost), b.Name(), "lost")
			}
		}, "bridge", "outcome"),
	}
}

func brokerFigures() []figures.Figure[*scrape] {
	return []figures.Figure[*scrape]{
		gauge("mqtt_connections", "Devices that are logged in by MQTT.", func(x *scrape) float64 { return float64(x.mqtt.Connections) }),
		gauge("mqtt_half_open", "Connections that have not logged in yet.", func(x *scrape) float64 { return float64(x.mqtt.HalfOpen) }),
		gauge("mqtt_sessions", "Sessions, with and without a connection.", func(x *scrape) float64 { return float64(x.mqtt.Sessions) }),
		gauge("mqtt_queued_bytes", "Bytes that wait for devices.", func(x *scrape) float64 { return float64(x.mqtt.QueuedBytes) }),
		gauge("mqtt_refused", "Publishes that were refused for now and that clients still have.", func(x *scrape) float64 { return float64(x.mqtt.Refused) }),
		counter("mqtt_publishes_total", "Publishes that were taken.", func(x *scrape) float64 { return float64(x.mqtt.Publishes) }),
		counter("mqtt_acks_total", "Publishes that were acknowledged.", func(x *scrape) float64 { return float64(x.mqtt.Acks) }),
		counter("limited_total", "Reports that were refused for now because their device or address had made too many.", func(x *scrape) float64 { return float64(x.s.limits.Refused()) }),
		counter("mqtt_later_total", "Publishes that were answered with: not now.", func(x *scrape) float64 { return float64(x.mqtt.Later) }),
		counter("mqtt_malformed_total", "Publishes that were answered as malformed.", func(x *scrape) float64 { return float64(x.mqtt.Malformed) }),
		counter("mqtt_too_large_total", "Packets so large that their connections were ended.", func(x *scrape) float64 { return float64(x.mqtt.TooLarge) }),
		counter("mqtt_dropped_total", "Messages for devices that were dropped.", func(x *scrape) float64 { return float64(x.mqtt.Dropped) }),
		counter("mqtt_logins_refused_total", "Log-ins that were refused.", func(x *scrape) float64 { return float64(x.mqtt.LoginsRefused) }),
		counter("mqtt_tls_refused_total", "Connections whose TLS handshake failed, such as those below TLS 1.3.", func(x *scrape) float64 { return float64(x.mqtt.TLSRefused) }),
		counter("mqtt_proxy_refused_total", "Connections of servers in trusted_proxies that did not say for whom they are.", func(x *scrape) float64 { return float64(x.mqtt.FrontsRefused) }),
		counter("mqtt_half_open_ended_total", "Connections without a log-in that were closed for newer ones.", func(x *scrape) float64 { return float64(x.mqtt.HalfOpenEnded) }),
		counter("mqtt_panics_total", "Panics in the server library that were contained.", func(x *scrape) float64 { return float64(x.mqtt.Panics) }),
	}
}

// syncTimes is how long the ledger takes.
type syncTimes struct{ commit, wait prometheus.Histogram }

func newSyncTimes() *syncTimes {
	return &syncTimes{
		commit: figures.Times("wardline_edge_commit_seconds", "One commit of the ledger, the sync included."),
		wait:   figures.Times("wardline_edge_append_seconds", "From handing something to the ledger until it is synced."),
	}
}

// observe is told by the committer.
func (t *syncTimes) observe(commit time.Duration, waits []time.Duration) {
	figures.Observe(t.commit, commit)
	for _, w := range waits {
		figures.Observe(t.wait, w)
	}
}

// metrics is the station's own registry. Labels are lanes, outcomes, and the names of
// alarm lines and bridges in the configuration.
func (s *Station) metrics() *prometheus.Registry {
	return figures.Registry(s.scrape, figureList(), s.times.commit, s.times.wait)
}
