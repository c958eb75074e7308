package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/reports"
)

// drain fills a station whose line is cut, starts it again with the line whole,
// and waits until three core nodes have all of it.
func (b *bench) drain(ctx context.Context) error {
	var rates, urgent50, urgent99, urgentMost []float64
	var note string
	repeats := b.pick(2, 1)
	for round := range repeats {
		name := fmt.Sprintf("drain-%d", round+1)
		rate, urgent, text, err := b.drainOnce(ctx, name)
		if err != nil {
			return err
		}
		rates, note = append(rates, rate), text
		b.say("drain: %s/s, %s", figures.Number(rate), text)
		if len(urgent) > 0 {
			urgent50, urgent99 = append(urgent50, figures.Percentile(urgent, 50)), append(urgent99, figures.Percentile(urgent, 99))
			urgentMost = append(urgentMost, figures.Percentile(urgent, 100))
		}
		b.stopAll()
	}
	what := fmt.Sprintf("backlog of %s entries drained into three core nodes", figures.Number(float64(b.backlog)))
	b.row(figures.Row{Measure: what, Unit: "1/s", Ours: figures.Of(rates...), Note: note})
	b.row(figures.Row{Measure: "an urgent report meanwhile, from the POST until the city has it, p50", Unit: "ms", Ours: figures.Of(urgent50...)})
	b.row(figures.Row{Measure: "the same, p99", Unit: "ms", Ours: figures.Of(urgent99...)})
	b.row(figures.Row{Measure: "the same, longest", Unit: "ms", Ours: figures.Of(urgentMost...)})
	return nil
}

func (b *bench) drainOnce(ctx context.Context, name string) (rate float64, urgent []time.Duration, note string, err error) {
	cut := b.station(name)
	p, _, err := b.startStation(ctx, name, cut)
	if err != nil {
		return 0, nil, "", err
	}
	filling := time.Now()
	_, ids, err := fill(cut, b.backlog)
	if err != nil {
		return 0, nil, "", err
	}
	b.say("%s: %d reports in %.1f s", name, len(ids), time.Since(filling).Seconds())
	p.stop()
	nodes, procs, err := b.cores(ctx, name)
	if err != nil {
		return 0, nil, "", err
	}
	whole := b.station(name, nodes...)
	if _, err := b.enrol(ctx, nodes, whole.Ward, filepath.Join(whole.Dir, "keys")); err != nil {
		return 0, nil, "", err
	}
	before := busy(procs)
	began := time.Now()
	if p, _, err = b.startStation(ctx, name, whole); err != nil {
		return 0, nil, "", err
	}
	city := "http://" + nodes[0].HTTP
	drained, stop := context.WithCancel(ctx)
	defer stop()
	errs := make(chan error, 1)
	go func() {
		var err error
		urgent, err = urgents(drained, "http://"+whole.HTTP, city)
		errs <- err
	}()
	guarded, unguard := b.guard(ctx)
	defer unguard()
	for _, a := range lasts(ids) {
		if err := until(guarded, city, a); err != nil {
			return 0, nil, "", err
		}
	}
	took := time.Since(began)
	cpu := busy(procs) - before
	station, _ := p.cpu() // a process that ended fails elsewhere
	stop()
	if err := <-errs; err != nil {
		return 0, nil, "", err
	}
	once, entries, err := audit(city, ids)
	if err != nil {
		return 0, nil, "", err
	}
	n := float64(len(ids))
	note = fmt.Sprintf("%s of %s acknowledged ids exactly once in the city's log of %s entries; from the station's start; processor time an entry: %.0f µs at three nodes, %.0f µs at the station",
		figures.Number(float64(once)), figures.Number(n), figures.Number(float64(entries)), float64(cpu.Microseconds())/n, float64(station.Microseconds())/n)
	return n / took.Seconds(), urgent, note, nil
}

// until waits until the city has a report.
func until(ctx context.Context, city string, a acked) error {
	for {
		status, err := asDevice(ctx, a.device, "GET", city+"/api/v1/reports/"+a.id, nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// urgents sends one urgent report after the other to a station and measures how
// long each takes until the city has it, until ctx ends.
func urgents(ctx context.Context, station, city string) ([]time.Duration, error) {
	const most, pause = 1000, 30 * time.Millisecond
	set := reports.New(most, uint64(time.Now().UnixNano()), "fire")
	var out []time.Duration
	for i, m := range set.Messages {
		began := time.Now()
		status, err := asDevice(ctx, 0, "POST", station+"/api/v1/reports", m.Payload)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("an urgent report is answered with status %d", status)
		}
		for err == nil {
			status, err = asDevice(ctx, 0, "GET", city+"/api/v1/reports/"+set.ID(uint64(i)), nil)
			if err == nil && status == http.StatusOK {
				out = append(out, time.Since(began))
				break
			}
			<-time.After(2 * time.Millisecond)
		}
		if ctx.Err() != nil {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		<-time.After(pause)
	}
	return out, nil
}
