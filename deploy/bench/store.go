package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"wardline/core"
	"wardline/deploy/bench/reports"
	"wardline/sync/door"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/sealing"
	"wardline/sync/trust"
	"wardline/sync/uplink"
	"wardline/sync/wire"
)

// ledger is a station's ledger in memory: one chain of reports, made before,
// that is shown to the uplink up to a head. The uplink itself is the real one.
type ledger struct {
	origin record.Origin
	chain  record.ChainID
	wrap   *record.Wrapper
	ward   record.WardCode
	clock  *record.Clock
	seed   uint64
	bytes  int
	prev   record.Hash // of the last entry made

	mu      sync.Mutex     // guards below
	base    int            // entries that are no longer kept: the city has them
	entries []record.Entry // from base on
	keys    []record.WrappedKey
	head    int // entries shown
	last    record.Head
	city    record.Seq
	index   uint64 // in the city's order, of the last receipt
	broken  error
	changed chan struct{}
}

var _ uplink.Store = (*ledger)(nil)

// newLedger makes n entries as a station's door would make them of reports.
func newLedger(ward record.WardCode, n int, seed uint64) (*ledger, error) {
	o := record.StationOrigin(ward)
	l := &ledger{origin: o, chain: record.ChainID{Origin: o, Incarnation: record.Incarnation(seed<<32 | 1), Lane: record.Routine}, changed: make(chan struct{})}
	var err error
	if l.wrap, err = record.NewWrapper([8]byte{1}, [32]byte{2}); err != nil {
		return nil, err
	}
	l.ward, l.seed, l.clock = ward, seed, record.NewClock(0, time.Now)
	return l, l.more(n)
}

// more makes n entries behind those there are, and lets go of those that the city has.
func (l *ledger) more(n int) error {
	l.seed++
	entries, keys := make([]record.Entry, 0, n), make([]record.WrappedKey, 0, n)
	l.mu.Lock()
	kept := l.entries[min(int(l.city)-min(int(l.city), l.base), len(l.entries)):]
	seq := l.base + len(l.entries)
	entries, keys = append(entries, kept...), append(keys, l.keys[len(l.keys)-len(kept):]...)
	l.mu.Unlock()
	for _, m := range reports.New(n, l.seed, "security", "feedback").Messages {
		r, warnings, problem := report.Parse(m.Payload)
		if problem != nil {
			return problem
		}
		out, err := door.Body(door.Input{Report: r, Warnings: warnings, Origin: l.origin, Device: device(0), Ward: l.ward, HLC: l.clock.Now(), Clock: record.ClockSure,
			ReceivedAt: time.Now().UnixMilli()})
		if err != nil {
			return err
		}
		raw, err := out.Body.Encode()
		if err != nil {
			return err
		}
		seq++
		e := record.Entry{Body: raw, Link: record.Link{Origin: l.origin, Incarnation: l.chain.Incarnation, Lane: l.chain.Lane, Seq: record.Seq(seq), HLC: out.Body.HLC, Prev: l.prev}}
		l.prev = e.Hash()
		l.bytes += len(e.Append(nil))
		entries, keys = append(entries, e), append(keys, l.wrap.Wrap(out.Key.ID, out.Key.Key))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base, l.entries, l.keys = seq-len(entries), entries, keys
	return nil
}

// show lets the uplink see n more entries.
func (l *ledger) show(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head += n
	l.last = l.entries[l.head-1-l.base].Head()
	l.wake()
}

// wake is called with mu held.
func (l *ledger) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// drained waits until the city has receipted all that is shown.
func (l *ledger) drained(ctx context.Context) error {
	for {
		l.mu.Lock()
		done, err, changed := int(l.city) == l.head, l.broken, l.changed
		l.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

func (l *ledger) Origin() record.Origin { return l.origin }

func (l *ledger) Chains() []uplink.ChainState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == 0 {
		return nil
	}
	return []uplink.ChainState{{Chain: l.chain, Order: 1, Head: l.last, City: l.city}}
}

func (l *ledger) Read(_ record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, head, bytes := int(from)-1-l.base, l.head-l.base, 0
	end := first
	for first >= 0 && end < head && end-first < maxCount && bytes < maxBytes {
		bytes += record.LinkSize + len(l.entries[end].Body)
		end++
	}
	if first < 0 || first == end {
		return nil, nil, fmt.Errorf("entry %d is asked for; %d to %d are here", from, l.base+1, l.head)
	}
	keys, _ := sealing.Rewrap(l.keys[first:end], l.wrap, w) // all are ours
	return l.entries[first:end], keys, nil
}

func (l *ledger) SaveReceipt(r record.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.city, l.index = r.Seq, max(l.index, r.CityIndex)
	l.wake()
	return nil
}

// fail ends the measure: the city did not take the entries as they are.
func (l *ledger) fail(format string, a ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = fmt.Errorf(format, a...)
	l.wake()
	return l.broken
}

func (l *ledger) Reincarnate(_ record.ChainID, from record.Seq) error {
	return l.fail("the city found a fork at entry %d of a chain that has none", from)
}

func (l *ledger) Refused(_ record.ChainID, from record.Seq, detail string) {
	_ = l.fail("the city refuses entry %d: %s", from, detail) // drained gives it
}

func (l *ledger) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *ledger) Ahead(record.ChainID, record.Seq, record.Seq) {}

// uplinkTo runs the real uplink from the ledger to the core; n chooses the node
// that it tries first.
func (l *ledger) uplinkTo(ctx context.Context, nodes []core.Config, n int, h *trust.Holder) error {
	connect := wire.Connect(func(try int) (*grpc.ClientConn, error) {
		return wire.Dial(nodes[(n+try)%len(nodes)].Sync, wire.Machines(h))
	})
	return uplink.New(uplink.Config{Open: connect.Up, Boot: uint64(n + 1), Wall: time.Now, Log: slog.New(slog.DiscardHandler)}, l).Run(ctx)
}

// size is the mean of an entry, in bytes.
func (l *ledger) size() int { return l.bytes / (l.base + len(l.entries)) }
