package core

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/core/pki"
	"wardline/sync/api"
	"wardline/sync/figures"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// maxStationFigures bounds the wards that are labels: the city has 168, and whoever
// says hello on the line names a ward.
const maxStationFigures = 500

// scrape is what one request for the metrics reads, once.
type scrape struct {
	n        *Node
	raft     cluster.Stats
	stations []fsm.StationRow
	heard    map[record.WardCode]heard
}

// heard is a ward's station as this node's lines know it.
type heard struct {
	up   bool
	last time.Time
}

func (n *Node) scrape() *scrape {
	s := &scrape{n: n, raft: n.raft.Stats(), heard: map[record.WardCode]heard{}}
	var err error
	if s.stations, err = n.machine.Stations(maxStationFigures); err != nil {
		n.log.Error("metrics: the stations cannot be read", "err", err)
	}
	n.line.lives.each(func(o record.Origin, up bool, last time.Time, _ *api.Health) {
		if w, ok := o.Ward(); ok {
			s.heard[w] = heard{up, last}
		}
	})
	return s
}

// figureList is what /metrics serves of a node; listed in sync/api/metrics.md.
func figureList() []figures.Figure[*scrape] {
	gauge := func(name, help string, read func(*scrape) float64) figures.Figure[*scrape] {
		return figures.Gauge("wardline_core_"+name, help, read)
	}
	counter := func(name, help string, read func(*scrape) float64) figures.Figure[*scrape] {
		return figures.Counter("wardline_core_"+name, help, read)
	}
	return []figures.Figure[*scrape]{
		gauge("leader", "1 at the node that leads.", func(s *scrape) float64 { return figures.Flag(s.n.raft.IsLeader()) }),
		gauge("voter", "1 when the node votes.", func(s *scrape) float64 { return figures.Flag(s.raft.Voter) }),
		gauge("raft_term", "Raft's term.", func(s *scrape) float64 { return float64(s.raft.Term) }),
		gauge("raft_commit_index", "Raft's commit index.", func(s *scrape) float64 { return float64(s.raft.Commit) }),
		gauge("raft_applied_index", "Last Raft entry that the state has.", func(s *scrape) float64 { return float64(s.raft.Applied) }),
		gauge("raft_log_bytes", "Size of the log, bytes.", func(s *scrape) float64 { return float64(s.raft.LogBytes) }),
		gauge("queued_urgent", "Urgent items that wait for a Raft entry.", func(s *scrape) float64 { return float64(s.raft.QueuedUrgent) }),
		gauge("queued_routine", "Routine items that wait for a Raft entry.", func(s *scrape) float64 { return float64(s.raft.QueuedRoutine) }),
		figures.Counters("wardline_core_proposals_total", "What was proposed at this node, whichever led, by lane and outcome; unknown ones are proposed again.",
			func(s *scrape, emit figures.Emit) {
				s.n.raft.EachOutcome(func(l cluster.Lane, o cluster.Outcome, n uint64) { emit(float64(n), l.String(), o.String()) })
			}, "lane", "outcome"),
		gauge("leader_silence_seconds", "Since a follower heard of its leader.", func(s *scrape) float64 { return s.raft.SinceLeader.Seconds() }),
		gauge("free_bytes", "Free space on the node's disk.", func(s *scrape) float64 { return float64(s.n.space.Free()) }),
		gauge("space_low", "1 below the reserve of free space.", func(s *scrape) float64 { return figures.Flag(s.raft.Low) }),
		counter("city_index", "Committed entries of the city.", func(s *scrape) float64 { return float64(s.n.machine.CityIndex()) }),
		gauge("city_time_seconds", "The city's time, since the Unix epoch.", func(s *scrape) float64 { return float64(s.n.machine.CityTime()) / 1000 }),
		counter("transactions_total", "Transactions of the state since the start.", func(s *scrape) float64 { return float64(s.n.machine.Progress()) }),
		counter("missed_deadlines_total", "Missed deadlines that were committed since the start.", func(s *scrape) float64 { return float64(s.n.machine.Missed()) }),
		gauge("list_lag", "Committed entries that the lists do not show yet.", func(s *scrape) float64 {
			at, index := s.n.view.Position(), s.n.machine.CityIndex()
			return float64(index - min(at, index))
		}),
		gauge("search_lag", "Committed entries that the search does not find yet.", func(s *scrape) float64 {
			at := s.n.index.State()
			return float64(at.Of - min(at.Position, at.Of))
		}),
		gauge("checkpoint_index", "City index of the last checkpoint of the log that the node signed.", func(s *scrape) float64 {
			c, _ := s.n.proofs.Last()
			return float64(c.Size)
		}),
		gauge("log_contradicted", "1 when the log does not give what the node signed of it: it was changed or restored.", func(s *scrape) float64 { return figures.Flag(s.n.proofs.Failed() != nil) }),
		figures.Gauges("wardline_core_station_up", "1 while the ward's station is on the line to this node; the sum over the nodes says whether it is on the line at all.", (*scrape).up, "ward"),
		figures.Gauges("wardline_core_station_silence_seconds", "Since this node heard of the ward's station; nothing for one that it never heard.", (*scrape).silence, "ward"),
		figures.Gauges("wardline_core_outbox_rows", "Rows for the ward's station that it has not taken.", func(s *scrape, emit figures.Emit) {
			for _, st := range s.stations {
				emit(float64(st.Waiting), string(st.Ward))
			}
		}, "ward"),
		figures.Counters("wardline_core_tls_connections_total", "Connections at the TLS doors, by what came of them; accepted ones of machines have proven who they are.", func(s *scrape, emit figures.Emit) {
			for _, d := range s.n.doors() {
				n, _ := d.gate.Turned()
				for _, outcome := range trust.Reasons() {
					emit(float64(n[outcome]), d.name, outcome)
				}
			}
		}, "door", "outcome"),
		counter("limited_total", "Reports that were refused for now because their device or address had made too many.", func(s *scrape) float64 { return float64(s.n.limits.Refused()) }),
		figures.Counters("wardline_core_enrolments_total", "Certificates that stations asked this node for, by outcome.", func(s *scrape, emit figures.Emit) {
			for i, outcome := range pki.Outcomes {
				emit(float64(s.n.trust.desk.Enrolled(i)), outcome)
			}
		}, "outcome"),
		figures.Gauges("wardline_core_machines", "Stations by their enrolment: enrolled, waiting for it, held off because two claim to be it, revoked; and revoked core nodes.", func(s *scrape, emit figures.Emit) {
			n := map[string]int{}
			for _, r := range s.n.machine.Machines().Of {
				n[r.State()]++
			}
			for _, state := range fsm.MachineStates {
				emit(float64(n[state]), state)
			}
		}, "state"),
		figures.Gauges("wardline_core_tls_half_open", "Connections that have proven nothing yet.", func(s *scrape, emit figures.Emit) {
			for _, d := range s.n.doors() {
				_, half := d.gate.Turned()
				emit(float64(half), d.name)
			}
		}, "door"),
	}
}

func (s *scrape) up(emit figures.Emit) {
	for _, st := range s.stations {
		emit(figures.Flag(s.heard[st.Ward].up), string(st.Ward))
	}
}

func (s *scrape) silence(emit figures.Emit) {
	for _, st := range s.stations {
		if h, ok := s.heard[st.Ward]; ok {
			emit(max(time.Since(h.last).Seconds(), 0), string(st.Ward))
		}
	}
}

// newApplyTimes is how long the state takes to apply what Raft hands it.
func newApplyTimes() prometheus.Histogram {
	return figures.Times("wardline_core_apply_seconds", "Applying a batch of Raft entries to the state, the sync included.")
}

// metrics is the node's own registry. No label names a person, and none grows without a bound.
func (n *Node) metrics() *prometheus.Registry {
	return figures.Registry(n.scrape, figureList(), n.applies)
}
