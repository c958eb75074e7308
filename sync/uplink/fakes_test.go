package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wardline/sync/packed"
	"wardline/sync/record"
	"wardline/sync/wire"
)

const station = record.Origin("ward-26704")

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// disk is a station's chains in memory.
type disk struct {
	mu       sync.Mutex // guards all below
	chains   map[record.ChainID][]record.Entry
	receipts map[record.ChainID]record.Receipt
	changed  chan struct{}
	forks    []record.Seq
	refused  int
	ahead    record.Seq
	full     bool
	slow     time.Duration // that a receipt of the routine lane takes
}

func newDisk() *disk {
	return &disk{chains: map[record.ChainID][]record.Entry{}, receipts: map[record.ChainID]record.Receipt{}, changed: make(chan struct{})}
}

func chainOf(lane record.LaneID) record.ChainID {
	return record.ChainID{Origin: station, Incarnation: 7, Lane: lane}
}

// grow appends n entries to a lane.
func (d *disk) grow(lane record.LaneID, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := chainOf(lane)
	for range n {
		d.chains[c] = append(d.chains[c], follow(d.chains[c], c, "ours"))
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

func follow(list []record.Entry, c record.ChainID, body string) record.Entry {
	l := record.Link{Origin: c.Origin, Incarnation: c.Incarnation, Lane: c.Lane, Seq: record.Seq(len(list) + 1)}
	if len(list) > 0 {
		l.Prev = list[len(list)-1].Hash()
	}
	return record.Entry{Link: l, Body: []byte(body)}
}

func (d *disk) Origin() record.Origin { return station }

func (d *disk) Chains() (out []ChainState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, list := range d.chains {
		s := ChainState{Chain: c, Order: 1, City: d.receipts[c].Seq, Head: record.Head{Incarnation: c.Incarnation, Lane: c.Lane}}
		if len(list) > 0 {
			s.Head = list[len(list)-1].Head()
		}
		out = append(out, s)
	}
	return out
}

func (d *disk) Read(c record.ChainID, from record.Seq, maxCount, _ int, _ *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.chains[c]
	return list[from-1 : min(len(list), int(from)-1+maxCount)], nil, nil
}

func (d *disk) SaveReceipt(r record.Receipt) error {
	if r.Chain.Lane == record.Routine {
		time.Sleep(d.slow)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errors.New("no room")
	}
	if d.receipts[r.Chain].Seq < r.Seq {
		d.receipts[r.Chain] = r
	}
	return nil
}

func (d *disk) Reincarnate(c record.ChainID, from record.Seq) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forks = append(d.forks, from)
	d.chains[c] = d.chains[c][:from-1]
	return nil
}

func (d *disk) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *disk) Ahead(_ record.ChainID, _, city record.Seq) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead = city
}

func (d *disk) Refused(record.ChainID, record.Seq, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused++
}

func (d *disk) receipt(lane record.LaneID) record.Seq {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.receipts[chainOf(lane)].Seq
}

// hall is the city in memory.
type hall struct {
	key  ed25519.PrivateKey
	work time.Duration // that an Append takes
	// odd may change what an Append does: before it, or what it answers.
	odd func(lane record.LaneID, out *Outcome) error
	bad func(*record.Receipt) // changes a receipt after it was signed

	mu     sync.Mutex // guards all below
	chains map[record.ChainID][]record.Entry
}

func newHall() *hall {
	return &hall{key: ed25519.NewKeyFromSeed(make([]byte, 32)), chains: map[record.ChainID][]record.Entry{}}
}

func (h *hall) Node() string      { return "core-1" }
func (h *hall) PublicKey() []byte { return h.key.Public().(ed25519.PublicKey) }
func (h *hall) Wall() time.Time   { return time.Now() }

func (h *hall) Sign(r *record.Receipt) {
	r.Sign(h.key)
	if h.bad != nil {
		h.bad(r)
	}
}

func (h *hall) Up(record.Origin, uint64, []record.Head) error { return nil }
func (h *hall) Heard(record.Origin, uint64)                   {}
func (h *hall) Gone(record.Origin, uint64)                    {}

func (h *hall) Heads(context.Context, record.Origin) (out []record.Head, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.chains {
		out = append(out, list[len(list)-1].Head())
	}
	return out, nil
}

func (h *hall) Append(ctx context.Context, lane record.LaneID, raw []byte, _ []record.WrappedKey, _ *record.Wrapper) (Outcome, error) {
	select {
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	case <-time.After(h.work):
	}
	out := h.take(raw)
	if h.odd != nil {
		if err := h.odd(lane, &out); err != nil {
			return Outcome{}, err
		}
	}
	return out, nil
}

func (h *hall) take(raw []byte) Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(raw) > 0 {
		e, rest, err := record.DecodeEntry(raw)
		if err != nil {
			return Outcome{Status: wire.Answer_REFUSED, Detail: err.Error()}
		}
		raw = rest
		c := e.Link.Chain()
		list := h.chains[c]
		switch seq := int(e.Link.Seq); {
		case seq > len(list)+1:
			return Outcome{Status: wire.Answer_GAP, At: record.Seq(len(list) + 1)}
		case seq <= len(list) && list[seq-1].Hash() != e.Hash(), seq == len(list)+1 && seq > 1 && list[seq-2].Hash() != e.Link.Prev:
			return Outcome{Status: wire.Answer_FORK, At: e.Link.Seq}
		case seq == len(list)+1:
			h.chains[c] = append(list, e)
		}
		if len(raw) == 0 {
			last := h.chains[c][len(h.chains[c])-1]
			return Outcome{Status: wire.Answer_OK, Seq: last.Link.Seq, Hash: last.Hash(), Index: 1}
		}
	}
	return Outcome{Status: wire.Answer_REFUSED}
}

func (h *hall) held(lane record.LaneID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.chains[chainOf(lane)])
}

// cable joins the two ends; when it is dark everything vanishes in it.
type cable struct {
	dark  atomic.Bool
	tries atomic.Int64
	older bool // the city is of a version that unpacks nothing
	bytes struct{ sent, packed atomic.Int64 }
	serve func(context.Context, wire.UpServer) error
	wg    sync.WaitGroup
}

var errCable = errors.New("the cable broke")

type side[Out, In any] struct {
	c   *cable
	ctx context.Context
	out chan *Out
	in  chan *In
}

func (s side[Out, In]) Send(f *Out) error {
	if s.c.dark.Load() {
		return s.ctx.Err()
	}
	switch f := any(f).(type) {
	case *wire.UpReply:
		if w := f.GetWelcome(); w != nil && s.c.older {
			w.Unpacks = false
		}
	case *wire.UpFrame:
		if b := f.GetBatch(); b != nil {
			s.c.bytes.sent.Add(int64(len(b.Entries)))
			if b.Entries[0] == packed.Mark {
				s.c.bytes.packed.Add(int64(len(b.Entries)))
			}
		}
	}
	select {
	case s.out <- f:
		return nil
	case <-s.ctx.Done():
		return errCable
	}
}

func (s side[Out, In]) Recv() (*In, error) {
	select {
	case f := <-s.in:
		return f, nil
	case <-s.ctx.Done():
		return nil, errCable
	}
}

func (c *cable) open(ctx context.Context, _ int) (wire.UpClient, func(), error) {
	c.tries.Add(1)
	if c.dark.Load() {
		<-ctx.Done()
		return nil, nil, errCable
	}
	ctx, cancel := context.WithCancel(ctx)
	ups, downs := make(chan *wire.UpFrame, 4), make(chan *wire.UpReply, 4)
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer cancel()
		_ = c.serve(ctx, side[wire.UpReply, wire.UpFrame]{c, ctx, downs, ups}) // the station sees the stream end
	}()
	return side[wire.UpFrame, wire.UpReply]{c, ctx, ups, downs}, cancel, nil
}

// line is a sender and a receiver over a cable.
type line struct {
	*disk
	*hall
	*cable
	s    *Sender
	stop func()
}

// join starts a sender; stop ends it and everything that served it.
func join(t *testing.T, d *disk, h *hall) *line {
	t.Helper()
	c := &cable{serve: (&Receiver{City: h, Log: quiet()}).Serve}
	return joinCable(t, d, h, c)
}

func joinCable(t *testing.T, d *disk, h *hall, c *cable) *line {
	t.Helper()
	s := New(Config{Open: c.open, Boot: 1, Wall: time.Now, Log: quiet()}, d)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	l := &line{d, h, c, s, sync.OnceFunc(func() {
		cancel()
		<-done
		c.wg.Wait()
	})}
	t.Cleanup(l.stop)
	return l
}

// until waits in virtual time.
func until(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
