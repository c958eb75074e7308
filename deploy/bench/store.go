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
	origin  record.Origin
	chain   record.ChainID
	wrap    *record.Wrapper
	entries []record.Entry
	keys    []record.WrappedKey
	bytes   int

	mu      sync.Mutex // guards below
	head    int        // entries shown
	city    record.Seq
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
	set := reports.New(n, seed, "security", "feedback")
	clock := record.NewClock(0, time.Now)
	prev := record.Hash{}
	for i, m := range set.Messages {
		r, warnings, problem := report.Parse(m.Payload)
		if problem != nil {
			return nil, problem
		}
		out, err := door.Body(door.Input{Report: r, Warnings: warnings, Origin: o, Device: device(0), Ward: ward, HLC: clock.Now(), Clock: record.ClockSure,
			ReceivedAt: time.Now().UnixMilli()})
		if err != nil {
			return nil, err
		}
		raw, err := out.Body.Encode()
		if err != nil {
			return nil, err
		}
		e := record.Entry{Body: raw, Link: record.Link{Origin: o, Incarnation: l.chain.Incarnation, Lane: l.chain.Lane, Seq: record.Seq(i + 1), HLC: out.Body.HLC, Prev: prev}}
		prev = e.Hash()
		l.bytes += len(e.Append(nil))
		l.entries = append(l.entries, e)
		l.keys = append(l.keys, l.wrap.Wrap(out.Key.ID, out.Key.Key))
	}
	return l, nil
}

// show lets the uplink see n more entries.
func (l *ledger) show(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head += n
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
	return []uplink.ChainState{{Chain: l.chain, Order: 1, Head: l.entries[l.head-1].Head(), City: l.city}}
}

func (l *ledger) Read(_ record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	l.mu.Lock()
	head := l.head
	l.mu.Unlock()
	first, end, bytes := int(from)-1, int(from)-1, 0
	for end < head && end-first < maxCount && bytes < maxBytes {
		bytes += record.LinkSize + len(l.entries[end].Body)
		end++
	}
	keys, _ := sealing.Rewrap(l.keys[first:end], l.wrap, w) // all are ours
	return l.entries[first:end], keys, nil
}

func (l *ledger) SaveReceipt(r record.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.city = r.Seq
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
