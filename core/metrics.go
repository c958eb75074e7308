package core

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wardline/core/cluster"
)

// figure is one metric that is read when it is asked for; listed in
// sync/api/metrics.md.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(f *figures) float64
}

// figures is what one scrape reads, once.
type figures struct {
	n    *Node
	raft cluster.Stats
}

func (n *Node) figureList() []figure {
	one := func(name, help string, kind prometheus.ValueType, v func(*figures) float64) figure {
		return figure{prometheus.NewDesc("wardline_core_"+name, help, nil, nil), kind, v}
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	g, c := prometheus.GaugeValue, prometheus.CounterValue
	return []figure{
		one("leader", "1 at the node that leads.", g, func(f *figures) float64 { return flag(f.n.raft.IsLeader()) }),
		one("voter", "1 when the node votes.", g, func(f *figures) float64 { return flag(f.raft.Voter) }),
		one("raft_term", "Raft's term.", g, func(f *figures) float64 { return float64(f.raft.Term) }),
		one("raft_commit_index", "Raft's commit index.", g, func(f *figures) float64 { return float64(f.raft.Commit) }),
		one("raft_applied_index", "Last Raft entry that the state has.", g, func(f *figures) float64 { return float64(f.raft.Applied) }),
		one("raft_log_bytes", "Size of the log, bytes.", g, func(f *figures) float64 { return float64(f.raft.LogBytes) }),
		one("queued_urgent", "Urgent items that wait for a Raft entry.", g, func(f *figures) float64 { return float64(f.raft.QueuedUrgent) }),
		one("queued_routine", "Routine items that wait for a Raft entry.", g, func(f *figures) float64 { return float64(f.raft.QueuedRoutine) }),
		one("leader_silence_seconds", "Since a follower heard of its leader.", g, func(f *figures) float64 { return f.raft.SinceLeader.Seconds() }),
		one("free_bytes", "Free space on the node's disk.", g, func(f *figures) float64 { return float64(f.n.space.Free()) }),
		one("space_low", "1 below the reserve of free space.", g, func(f *figures) float64 { return flag(f.raft.Low) }),
		one("city_index", "Committed entries of the city.", c, func(f *figures) float64 { return float64(f.n.machine.CityIndex()) }),
		one("city_time_seconds", "The city's time, since the Unix epoch.", g, func(f *figures) float64 { return float64(f.n.machine.CityTime()) / 1000 }),
		one("transactions_total", "Transactions of the state since the start.", c, func(f *figures) float64 { return float64(f.n.machine.Progress()) }),
		one("list_lag", "Committed entries that the lists do not show yet.", g, func(f *figures) float64 {
			at, index := f.n.view.Position(), f.n.machine.CityIndex()
			return float64(index - min(at, index))
		}),
	}
}

// collector gives the list to a registry.
type collector struct {
	n    *Node
	list []figure
}

var _ prometheus.Collector = collector{}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.list {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	f := &figures{n: c.n, raft: c.n.raft.Stats()}
	for _, x := range c.list {
		ch <- prometheus.MustNewConstMetric(x.desc, x.kind, x.value(f))
	}
}

// metrics is the node's own registry, nothing global: figures of the node, the
// process and the Go runtime. No label names a person, and none grows without a bound.
func (n *Node) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{n, n.figureList()})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
