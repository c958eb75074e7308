package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"wardline/deploy/bench/figures"
)

// sizes measures a station: its program, its start on an empty disk and on a
// full one, and its memory at rest and flooded. The line is cut.
func (b *bench) sizes(ctx context.Context) error {
	info, err := os.Stat(b.bin)
	if err != nil {
		return err
	}
	b.row(figures.Row{Measure: "size of the program", Unit: "MB", Ours: figures.Of(float64(info.Size()) / 1e6)})
	c := b.station("size")
	var empty, full, rest, peak []float64
	p, took, err := b.startStation(ctx, "size", c)
	if err != nil {
		return err
	}
	empty = append(empty, ms(took))
	<-time.After(b.seconds(3, 1)) // at rest
	if err := p.note(&rest); err != nil {
		return err
	}
	most, stop := p.most()
	ids, err := fill(c, b.backlog)
	stop()
	if err != nil {
		return err
	}
	peak = append(peak, float64(<-most)/1e6)
	if err := p.note(&rest); err != nil {
		return err
	}
	for range b.repeats {
		p.stop()
		if p, took, err = b.startStation(ctx, "size", c); err != nil {
			return err
		}
		full = append(full, ms(took))
	}
	<-time.After(b.seconds(3, 1)) // at rest again
	if err := p.note(&rest); err != nil {
		return err
	}
	n := figures.Number(float64(len(ids)))
	b.row(figures.Row{Measure: "start of a station until readyz, empty disk", Unit: "ms", Ours: figures.Of(empty...)})
	b.row(figures.Row{Measure: "start of a station until readyz, " + n + " entries on disk", Unit: "ms", Ours: figures.Of(full...)})
	b.row(figures.Row{Measure: "anonymous memory of a station at rest (RssAnon)", Unit: "MB", Ours: figures.Of(rest[0]), Note: fmt.Sprintf("%s MB when started with %s entries", figures.Number(rest[2]), n)})
	b.row(figures.Row{Measure: "the same, the most while it takes " + n + " reports", Unit: "MB", Ours: figures.Of(peak...), Note: figures.Number(rest[1]) + " MB right after"})
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// note appends the process's anonymous memory, in MB.
func (p *proc) note(to *[]float64) error {
	n, err := p.anon()
	*to = append(*to, float64(n)/1e6)
	return err
}

// most watches the process's anonymous memory until stop is called, then sends
// the most that it saw, in bytes.
func (p *proc) most() (most <-chan int64, stop func()) {
	out, end := make(chan int64, 1), make(chan struct{})
	go func() {
		var m int64
		for {
			if n, err := p.anon(); err == nil {
				m = max(m, n)
			}
			select {
			case <-end:
				out <- m
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return out, func() { close(end) }
}
