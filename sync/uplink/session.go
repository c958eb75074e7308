package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"wardline/sync/packed"
	"wardline/sync/record"
	"wardline/sync/wire"
)

type upSession = wire.Session[wire.UpFrame, wire.UpReply]

// chain is what a session knows of one chain.
type chain struct {
	ChainState
	next   record.Seq
	flight int // batches under way
	// back is where to go on once everything under way is answered, fork where
	// the city holds other entries; 0: neither. Until then nothing more is sent:
	// what would follow a gap is refused as well.
	back, fork record.Seq
	rest       time.Time
}

// rewind goes on from seq once everything under way is answered. To go back
// too far costs only time: what is there already is fine.
func (c *chain) rewind(to record.Seq) {
	if to = max(1, to); c.back == 0 || to < c.back {
		c.back = to
	}
}

// flight is a batch under way.
type flight struct {
	c          *chain
	from, last record.Seq
	hash       record.Hash
}

// session is what the sender knows while one stream lasts.
type session struct {
	s      *Sender
	line   *upSession
	keep   *keeper
	wrap   *record.Wrapper
	node   string
	key    ed25519.PublicKey
	pack   bool // the city unpacks batches
	city   map[record.ChainID]record.Head
	chains map[record.ChainID]*chain
	under  map[uint64]flight
	lanes  map[record.LaneID]int // batches under way
	rest   map[record.LaneID]time.Time
	number uint64
	picks  int
}

// errEnded says that the session ended while something waited for its receipts.
var errEnded = errors.New("uplink: the session ends")

func (x *session) hello(ctx context.Context) error {
	var heads []record.Head
	for _, c := range x.s.store.Chains() {
		heads = append(heads, c.Head)
	}
	h, agree, err := wire.SayHello(x.s.store.Origin(), x.s.c.Boot, heads, x.s.c.Wall().UnixMilli())
	if err != nil {
		return err
	}
	if err := x.line.Send(&wire.UpFrame{Kind: &wire.UpFrame_Hello{Hello: h}}); err != nil {
		return err
	}
	var w *wire.Welcome
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case r := <-x.line.Frames:
		if w = r.GetWelcome(); w == nil {
			return errors.New("uplink: the city answered hello with something else")
		}
	}
	if x.wrap, err = agree.Wrapper(w.Wrapping, true); err != nil {
		return err
	}
	if len(w.PublicKey) != ed25519.PublicKeySize {
		return errors.New("uplink: the city's node has no key to sign receipts with")
	}
	x.node, x.key, x.pack = w.Node, w.PublicKey, w.Unpacks
	if x.s.c.Trust != nil {
		if err := x.s.c.Trust(x.node, x.key); err != nil {
			return err
		}
	}
	for _, m := range w.Heads {
		hd := wire.ToHead(m)
		x.city[record.ChainID{Origin: x.s.store.Origin(), Incarnation: hd.Incarnation, Lane: hd.Lane}] = hd
	}
	have := map[record.ChainID]record.Seq{}
	for _, c := range x.s.store.Chains() {
		have[c.Chain] = c.Head.Seq
	}
	for id, hd := range x.city {
		if hd.Seq > have[id] {
			x.s.store.Ahead(id, have[id], hd.Seq)
		}
	}
	now := x.s.c.Wall()
	x.s.set(func(st *Status) {
		*st = Status{Connected: true, Since: now, LastHeard: now, Node: w.Node, Offset: time.UnixMilli(w.WallMs).Sub(now)}
	})
	x.s.c.Log.Info("the line to the city stands", "node", w.Node)
	return nil
}

func (x *session) run(ctx context.Context) error {
	rests := time.NewTicker(laterPause) // lanes that rest go on with it
	defer rests.Stop()
	for {
		changed := x.s.store.Changed()
		for {
			sent, err := x.sendOne()
			if err != nil {
				return err
			}
			if !sent {
				break
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-x.line.Frames:
			if a := r.GetAnswer(); a != nil {
				if err := x.answered(a); err != nil {
					return err
				}
			}
		case k := <-x.keep.failed:
			if err := x.notKept(k); err != nil {
				return err
			}
		case <-rests.C:
		case <-changed:
		}
	}
}

// refresh takes in what the store holds now.
func (x *session) refresh() {
	for _, c := range x.s.store.Chains() {
		k, ok := x.chains[c.Chain]
		if !ok {
			at := min(x.city[c.Chain].Seq, c.Head.Seq)
			k = &chain{next: at + 1}
			if c.City < at { // its receipt was lost on the way: the last entry again brings it
				k.next = at
			}
			x.chains[c.Chain] = k
		}
		k.ChainState = c
	}
}

// sendOne sends the next batch, urgent first; every eighth is of the others
// when they wait.
func (x *session) sendOne() (bool, error) {
	x.refresh()
	x.picks++
	order := []func(record.LaneID) bool{
		func(l record.LaneID) bool { return l == record.Urgent },
		func(l record.LaneID) bool { return l != record.Urgent },
	}
	if x.picks%8 == 0 {
		order[0], order[1] = order[1], order[0]
	}
	now := time.Now()
	for _, in := range order {
		var best *chain
		for _, c := range x.chains {
			l := c.Chain.Lane
			if in(l) && c.next <= c.Head.Seq && c.back == 0 && c.fork == 0 && x.lanes[l] < window &&
				!now.Before(x.rest[l]) && !now.Before(c.rest) &&
				(best == nil || c.Order < best.Order || (c.Order == best.Order && l < best.Chain.Lane)) {
				best = c
			}
		}
		if best != nil {
			return true, x.send(best)
		}
	}
	return false, nil
}

func (x *session) send(c *chain) error {
	list, keys, err := x.s.store.Read(c.Chain, c.next, maxBatchEntries, maxBatchBytes, x.wrap)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("uplink: the ledger has no entry %d of %v although its head is %d", c.next, c.Chain, c.Head.Seq)
	}
	b := &wire.Batch{Lane: uint32(c.Chain.Lane), Number: x.number}
	for _, e := range list {
		b.Entries = e.Append(b.Entries)
	}
	if x.pack {
		b.Entries = packed.Pack(nil, b.Entries)
	}
	for _, k := range keys {
		b.Keys = append(b.Keys, k.Append(nil))
	}
	last := list[len(list)-1]
	x.under[x.number] = flight{c, c.next, last.Link.Seq, last.Hash()}
	x.number++
	x.lanes[c.Chain.Lane]++
	c.flight++
	c.next = last.Link.Seq + 1
	return x.line.Send(&wire.UpFrame{Kind: &wire.UpFrame_Batch{Batch: b}})
}

// answered takes in what became of a batch.
func (x *session) answered(a *wire.Answer) error {
	f, ok := x.under[a.Number]
	if !ok {
		return fmt.Errorf("uplink: answer to batch %d, which was not sent", a.Number)
	}
	delete(x.under, a.Number)
	c, lane, at := f.c, f.c.Chain.Lane, record.Seq(a.At)
	c.flight--
	x.lanes[lane]--
	switch a.Status {
	case wire.Answer_OK:
		if err := x.receipt(f, a.Receipt); err != nil {
			x.s.set(func(st *Status) { st.Forged++ })
			return err
		}
	case wire.Answer_GAP:
		c.rewind(min(at, f.from))
	case wire.Answer_LATER:
		x.rest[lane] = time.Now().Add(laterPause)
		c.rewind(f.from)
	case wire.Answer_FORK:
		switch {
		case at < f.from || at > f.last:
			return fmt.Errorf("uplink: the city names a fork of %v at %d in answer to %d to %d", c.Chain, at, f.from, f.last)
		case at == f.from && at > 1:
			c.rewind(at - min(at-1, stepBack)) // where it began lies further back
		case c.fork == 0 || at < c.fork:
			c.fork = at
		}
	case wire.Answer_REFUSED:
		x.s.store.Refused(c.Chain, f.from, a.Detail)
		c.rest = time.Now().Add(refusedPause)
		c.rewind(f.from)
	default:
		return fmt.Errorf("uplink: answer %v to %v from %d", a.Status, c.Chain, f.from)
	}
	if c.flight > 0 {
		return nil
	}
	return x.settle(c)
}

// settle does what the answers of a chain asked for, now that none is open.
func (x *session) settle(c *chain) error {
	switch {
	case c.fork > 0:
		// What stands before it is the city's too; nothing of it is sent again.
		at := c.fork
		c.next, c.back, c.fork = at, 0, 0
		for idle := x.keep.rest(); idle != nil; { // the receipts of what stays are kept first
			select {
			case k := <-x.keep.failed:
				x.s.c.Log.Warn("a receipt could not be kept before a chain is begun anew; its next one says the same", "err", k.err)
			case <-idle:
				idle = nil
			case <-x.keep.ended:
				return errEnded
			}
		}
		return x.s.store.Reincarnate(c.Chain, at)
	case c.back > 0:
		c.next, c.back = min(c.next, c.back), 0
	}
	return nil
}

func (x *session) receipt(f flight, raw []byte) error {
	r, err := record.DecodeReceipt(raw)
	if err != nil {
		return err
	}
	if err := r.Verify(x.key); err != nil {
		return err
	}
	if r.Chain != f.c.Chain || r.Node != x.node {
		return fmt.Errorf("uplink: a receipt for %v signed by %s in answer to %v at %s", r.Chain, r.Node, f.c.Chain, x.node)
	}
	// The city may hold more of the chain than this batch; what it signs for
	// must be ours as far as we know it.
	if r.Seq > f.last {
		if r.Seq > f.c.Head.Seq { // nobody but a twin sent what stands behind ours
			x.s.store.Ahead(r.Chain, f.c.Head.Seq, r.Seq)
		}
		return nil // proved when the batch that ends there is answered
	}
	if r.Seq < f.last || r.Hash != f.hash {
		return fmt.Errorf("uplink: receipt for %d where %d was sent", r.Seq, f.last)
	}
	x.keep.put(r, f)
	return nil
}

// notKept goes back to what a receipt was for that could not be kept.
func (x *session) notKept(k kept) error {
	x.s.c.Log.Warn("a receipt could not be kept now; it is asked for again", "err", k.err)
	x.rest[k.f.c.Chain.Lane] = time.Now().Add(laterPause)
	k.f.c.rewind(k.f.last)
	if k.f.c.flight > 0 {
		return nil
	}
	return x.settle(k.f.c)
}
