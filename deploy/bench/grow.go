package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"wardline/core"
	"wardline/deploy/bench/figures"
	"wardline/sync/routing"
)

// field is three core nodes and stations that send to them.
type field struct {
	b     *bench
	nodes []core.Config
	procs []*proc
	list  []*ledger
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// newField starts the core, enrols stations and lets their lines stand.
func (b *bench) newField(ctx context.Context, name string, stations int) (*field, error) {
	nodes, procs, err := b.cores(ctx, name)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &field{b: b, nodes: nodes, procs: procs, stop: stop}
	for i := range stations {
		ward := routing.Centres().At(i).Code
		l, err := newLedger(ward, 1, uint64(i+1)<<20)
		if err != nil {
			f.close()
			return nil, err
		}
		h, err := b.enrol(ctx, nodes, ward, filepath.Join(b.dir, fmt.Sprintf("%s-station-%d", name, i+1)))
		if err != nil {
			f.close()
			return nil, err
		}
		l.show(1)
		f.list = append(f.list, l)
		f.wg.Go(func() { _ = l.uplinkTo(ctx, nodes, i, h) }) // ends without an error, with ctx
		if (i+1)%24 == 0 {
			b.say("%s: %d stations", name, i+1)
		}
	}
	return f, f.drained(ctx, f.list)
}

func (f *field) close() {
	f.stop()
	f.wg.Wait()
}

func (f *field) drained(ctx context.Context, from []*ledger) error {
	ctx, stop := f.b.guard(ctx)
	defer stop()
	for _, l := range from {
		if err := l.drained(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sent is what it took the core to commit some entries.
type sent struct {
	entries int
	took    time.Duration
	cpu     time.Duration // of the three nodes
}

func (s sent) rate() float64 { return float64(s.entries) / s.took.Seconds() }

// each is the nodes' processor time an entry, in µs.
func (s sent) each() float64 { return float64(s.cpu.Microseconds()) / float64(s.entries) }

// send makes n entries, shared among some stations, and then sends them at once. The nodes'
// time counts until they have nothing more to do.
func (f *field) send(ctx context.Context, n int, from []*ledger) (sent, error) {
	share := n / len(from)
	for _, l := range from {
		if err := l.more(share); err != nil {
			return sent{}, err
		}
	}
	before, began := busy(f.procs), time.Now()
	for _, l := range from {
		l.show(share)
	}
	if err := f.drained(ctx, from); err != nil {
		return sent{}, err
	}
	s := sent{entries: share * len(from), took: time.Since(began)}
	f.b.settle(ctx)
	s.cpu = busy(f.procs) - before
	return s, nil
}

// cityIndex is the last entry that a receipt has named.
func (f *field) cityIndex() (most uint64) {
	for _, l := range f.list {
		l.mu.Lock()
		most = max(most, l.index)
		l.mu.Unlock()
	}
	return most
}

// allStations is every ward of the city.
func allStations() int { return routing.Centres().Len() }

// many compares what an entry costs the core when all stations send at once with what
// it costs when one sends the same number.
func (b *bench) many(ctx context.Context) error {
	f, err := b.newField(ctx, "many", allStations())
	if err != nil {
		return err
	}
	defer f.close()
	n := b.pick(100*len(f.list), 30*len(f.list))
	if _, err := f.send(ctx, n, f.list); err != nil { // caches warm
		return err
	}
	var one, all, ratio, rate []float64
	for range b.repeats {
		o, err := f.send(ctx, n, f.list[:1])
		if err != nil {
			return err
		}
		a, err := f.send(ctx, n, f.list)
		if err != nil {
			return err
		}
		one, all, rate = append(one, o.each()), append(all, a.each()), append(rate, a.rate())
		ratio = append(ratio, a.each()/o.each())
		b.say("many: %.0f µs an entry from %d stations at once, %.0f µs from one", a.each(), len(f.list), o.each())
	}
	b.row(figures.Row{Measure: fmt.Sprintf("processor time of three core nodes an entry, %d stations at once", len(f.list)), Unit: "µs", Ours: figures.Of(all...),
		Peer: "one station, the same number of entries", Theirs: figures.Of(one...), Note: fmt.Sprintf("ratio %s ×; %d entries each time, %s a second from all", figures.Of(ratio...), n, figures.Of(rate...))})
	return nil
}

// growFirst is where the core is measured first, in entries of the city.
const growFirst = 100_000

// growKeep is what stays free on the disk, beside a tenth of it.
const growKeep = 4 << 30

// grow compares the core with few entries and with many, and starts a node with them.
func (b *bench) grow(ctx context.Context) error {
	f, err := b.newField(ctx, "grow", 4)
	if err != nil {
		return err
	}
	defer f.close()
	const step = 40_000
	n := b.pick(40_000, 20_000) // a measure's
	measure := func() (rate, each []float64, err error) {
		for range b.repeats {
			s, err := f.send(ctx, n, f.list)
			if err != nil {
				return nil, nil, err
			}
			rate, each = append(rate, s.rate()), append(each, s.each())
		}
		return rate, each, nil
	}
	fill := func(to uint64) (uint64, error) {
		for {
			have := f.cityIndex()
			if have >= to {
				return have, nil
			}
			var st syscall.Statfs_t
			if err := syscall.Statfs(b.dir, &st); err != nil {
				return have, err
			}
			if free := st.Bavail * uint64(st.Bsize); free < growKeep+st.Blocks*uint64(st.Bsize)/10 {
				b.say("grow: the disk holds no more than %d entries", have)
				return have, nil
			}
			if _, err := f.send(ctx, step, f.list); err != nil {
				return have, err
			}
			b.say("grow: %d entries", have)
		}
	}
	first, err := fill(growFirst)
	if err != nil {
		return err
	}
	was, wasEach, err := measure()
	if err != nil {
		return err
	}
	large, err := fill(uint64(b.grown))
	if err != nil {
		return err
	}
	most, stop := f.procs[1].most()
	is, isEach, err := measure()
	stop()
	peak := float64(<-most) / 1e6
	if err != nil {
		return err
	}
	many, few := figures.Number(float64(large)), figures.Number(float64(first))
	b.row(figures.Row{Measure: fmt.Sprintf("committed by three core nodes that have %s entries", many), Unit: "1/s", Ours: figures.Of(is...),
		Peer: "the same with " + few, Theirs: figures.Of(was...), Note: fmt.Sprintf("processor time an entry %s µs, with few %s µs", figures.Of(isEach...), figures.Of(wasEach...))})
	var starts, rest []float64
	p := f.procs[1]
	for range b.repeats {
		_ = p.cmd.Process.Kill() // as a crash does; its store is not closed
		<-p.done
		began := time.Now()
		if p, err = b.role("core", f.nodes[1].ID, f.nodes[1]); err != nil {
			return err
		}
		if err := p.until(ctx, "readyz", 20*time.Millisecond, func() bool { return answers("http://" + f.nodes[1].HTTP + "/readyz") }); err != nil {
			return err
		}
		starts = append(starts, ms(time.Since(began)))
		b.settle(ctx)
		if err := p.note(&rest); err != nil {
			return err
		}
	}
	b.row(figures.Row{Measure: fmt.Sprintf("start of a core node with %s entries until readyz, after kill -9", many), Unit: "ms", Ours: figures.Of(starts...)})
	b.row(figures.Row{Measure: fmt.Sprintf("anonymous memory of a core node (RssAnon) with %s entries, the most while it takes %d", many, n*b.repeats), Unit: "MB", Ours: figures.Of(peak),
		Note: fmt.Sprintf("%s MB after a start", figures.Number(slices.Max(rest)))})
	return nil
}
