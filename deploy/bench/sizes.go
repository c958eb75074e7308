package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/reports"
	"wardline/edge"
)

// sizes measures a station: its program, its start on an empty disk and on a
// full one, and its memory at rest and flooded, also in a cgroup that gives it
// little. The line is cut.
func (b *bench) sizes(ctx context.Context) error {
	info, err := os.Stat(b.bin)
	if err != nil {
		return err
	}
	b.row(figures.Row{Measure: "size of the program", Unit: "MB", Ours: figures.Of(float64(info.Size()) / 1e6)})
	c := b.station("size")
	var full, rest []float64
	p, took, err := b.startAccepting(ctx, "size", c)
	if err != nil {
		return err
	}
	b.row(figures.Row{Measure: "start of a station until its first accepted report, empty disk", Unit: "ms", Ours: figures.Of(ms(took))})
	<-time.After(b.seconds(3, 1)) // at rest
	if err := p.note(&rest); err != nil {
		return err
	}
	most, stop := p.most()
	_, ids, err := fill(c, b.pick(1_000_000, 100_000))
	stop()
	if err != nil {
		return err
	}
	n, peak := figures.Number(float64(len(ids))), float64(<-most)/1e6
	if err := p.note(&rest); err != nil {
		return err
	}
	b.settle(ctx)
	for range b.repeats {
		p.stop()
		if p, took, err = b.startAccepting(ctx, "size", c); err != nil {
			return err
		}
		full = append(full, ms(took))
	}
	b.row(figures.Row{Measure: "the same, " + n + " reports on disk", Unit: "ms", Ours: figures.Of(full...)})
	b.settle(ctx)
	<-time.After(b.seconds(3, 1)) // at rest again
	if err := p.note(&rest); err != nil {
		return err
	}
	p.stop()
	b.row(figures.Row{Measure: "anonymous memory of a station at rest (RssAnon)", Unit: "MB", Ours: figures.Of(rest[0]), Note: fmt.Sprintf("%s MB when started with %s reports", figures.Number(rest[2]), n)})
	b.row(figures.Row{Measure: "the same, the most while it takes " + n + " reports", Unit: "MB", Ours: figures.Of(peak), Note: figures.Number(rest[1]) + " MB right after"})
	row := figures.Row{Measure: "a flood in a cgroup of 256 MiB: acknowledgements", Unit: "1/s"}
	rate, anon, all, err := b.bounded(ctx, b.pick(300_000, 100_000))
	if err != nil {
		row.Note = firstLine(err)
		b.say("size: %v", err)
	} else {
		row.Ours, row.Note = figures.Of(rate), fmt.Sprintf("RssAnon at most %s MB, with the kernel's copies of files %s MB", figures.Number(anon/1e6), figures.Number(all/1e6))
	}
	b.row(row)
	return nil
}

// startAccepting starts a station and gives the time until it acknowledged a first report.
func (b *bench) startAccepting(ctx context.Context, name string, c edge.Config) (*proc, time.Duration, error) {
	m := reports.New(1, uint64(time.Now().UnixNano()), "fire").Messages[0]
	began := time.Now()
	p, err := b.role("edge", name, c)
	if err != nil {
		return nil, 0, err
	}
	err = p.until(ctx, "a report is accepted", 2*time.Millisecond, func() bool {
		status, err := asDevice(ctx, 0, "POST", "http://"+c.HTTP+"/api/v1/reports", m.Payload)
		return err == nil && status == http.StatusCreated
	})
	return p, time.Since(began), err
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
