// Package figures gives a process's own figures to Prometheus: a list of what is
// read when it is asked for, beside the process's and the Go runtime's, in a
// registry of its own with nothing global.
//
// A label's values come from the configuration or from a closed list, never from
// who sends something: no metric names a person or grows without a bound.
package figures

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Figure is one metric that is read when it is asked for. T is what one scrape reads
// once, for all of its figures.
type Figure[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(T, Emit)
}

// Emit takes a value with the values of the figure's labels.
type Emit func(value float64, labels ...string)

// Gauge is a figure that goes up and down.
func Gauge[T any](name, help string, read func(T) float64) Figure[T] {
	return one(name, help, prometheus.GaugeValue, read)
}

// Counter is a figure that only goes up while the process lives.
func Counter[T any](name, help string, read func(T) float64) Figure[T] {
	return one(name, help, prometheus.CounterValue, read)
}

func one[T any](name, help string, kind prometheus.ValueType, read func(T) float64) Figure[T] {
	return Figure[T]{prometheus.NewDesc(name, help, nil, nil), kind, func(t T, emit Emit) { emit(read(t)) }}
}

// Gauges is a figure with labels.
func Gauges[T any](name, help string, read func(T, Emit), labels ...string) Figure[T] {
	return Figure[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read}
}

// Counters is a counter with labels.
func Counters[T any](name, help string, read func(T, Emit), labels ...string) Figure[T] {
	return Figure[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read}
}

// Flag is 1 for true.
func Flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Times is how long something takes, from below a millisecond to five seconds: a
// sync of a good disk takes one, and what takes five is an outage.
func Times(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help,
		Buckets: []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5}})
}

// Observe adds a duration.
func Observe(h prometheus.Observer, d time.Duration) { h.Observe(d.Seconds()) }

// Registry is a process's own registry with its figures and further collectors.
func Registry[T any](read func() T, list []Figure[T], more ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), Collector(read, list))
	r.MustRegister(more...)
	return r
}

// Collector gives a list to a registry; read is called once for each scrape.
func Collector[T any](read func() T, list []Figure[T]) prometheus.Collector {
	return collector[T]{read, list}
}

type collector[T any] struct {
	read func() T
	list []Figure[T]
}

// Describe implements prometheus.Collector.
func (c collector[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.list {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector[T]) Collect(ch chan<- prometheus.Metric) {
	t := c.read()
	for _, f := range c.list {
		f.read(t, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
		})
	}
}
