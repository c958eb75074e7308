package core

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/uplink"
	"wardline/sync/view"
	"wardline/sync/wire"
)

// city is the core behind a station's uplink.
type city struct{ n *Node }

func (c city) Node() string           { return c.n.c.ID }
func (c city) PublicKey() []byte      { return c.n.sign.Public().(ed25519.PublicKey) }
func (c city) Sign(r *record.Receipt) { r.Sign(c.n.sign) }
func (c city) Wall() time.Time        { return c.n.wall() }

func (c city) Heads(ctx context.Context, o record.Origin) ([]record.Head, error) {
	if err := c.n.raft.ReadIndex(ctx); err != nil {
		return nil, err
	}
	return c.n.machine.Heads(o)
}

func (c city) Append(ctx context.Context, lane record.LaneID, entries []byte, keys []record.WrappedKey, w *record.Wrapper) (uplink.Outcome, error) {
	own, lost := sealing.Rewrap(keys, w, c.n.keys.Wrapper)
	if lost > 0 {
		c.n.log.Error("keys of sealed parts could not be read on the line", "keys", lost)
	}
	l := cluster.Routine
	if lane == record.Urgent {
		l = cluster.Urgent
	}
	r, err := c.n.propose(ctx, l, fsm.Batch(entries, own))
	if err != nil {
		return uplink.Outcome{}, err
	}
	out := uplink.Outcome{Seq: r.Seq, Hash: r.Hash, Index: r.Index, Detail: r.Detail}
	switch r.Status {
	case fsm.OK:
		out.Status = wire.Answer_OK
	case fsm.Gap:
		out.Status, out.At = wire.Answer_GAP, r.Expected
	case fsm.Fork:
		out.Status, out.At = wire.Answer_FORK, r.At
	default:
		out.Status = wire.Answer_REFUSED
	}
	return out, nil
}

func (c city) Up(o record.Origin, boot uint64, _ []record.Head) error {
	c.n.mu.Lock()
	l := c.n.lines[o]
	if l == nil {
		l = &line{boots: map[uint64]int{}}
		c.n.lines[o] = l
	}
	l.boots[boot]++
	l.last = c.n.wall()
	two := len(l.boots) > 1
	c.n.mu.Unlock()
	if two {
		c.n.alarm("clone", o, "two live lines of one station: its disk may have been cloned")
	}
	return nil
}

func (c city) Gone(o record.Origin, boot uint64) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if l := c.n.lines[o]; l != nil {
		l.last = c.n.wall()
		if l.boots[boot]--; l.boots[boot] <= 0 {
			delete(l.boots, boot)
		}
	}
}

// alarm commits that something about a line must be seen; once an hour and origin.
func (n *Node) alarm(what string, o record.Origin, detail string) {
	now := n.wall()
	b := record.Body{ID: record.DerivedID("alarm-live", []byte(what), []byte(o), fmt.Append(nil, now.Unix()/3600)), Kind: record.KindAlarm,
		Origin: record.CoreOrigin, HLC: n.clock.Now(), ReceivedAt: now.UnixMilli(),
		Payload: record.Payload{Reason: what, Data: []byte(detail), Patrol: string(o)}}
	n.log.Error("ALARM: "+detail, "what", what, "origin", o)
	raw, err := b.Encode()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err = n.propose(ctx, cluster.Urgent, fsm.Body(raw, nil))
	}
	if err != nil {
		n.log.Error("the alarm could not be committed", "err", err)
	}
}

// outbox is the core behind a station's downlink.
type outbox struct{ n *Node }

// Limits of one part that goes down.
const (
	partRows  = 64
	partBytes = 256 << 10
)

func (x outbox) Node() string             { return x.n.c.ID }
func (x outbox) Wall() time.Time          { return x.n.wall() }
func (x outbox) Changed() <-chan struct{} { return x.n.machine.Changed() }

func wardOf(o record.Origin) (record.WardCode, error) {
	w, ok := o.Ward()
	if !ok {
		return "", fmt.Errorf("core: %q is no ward's station", o)
	}
	return w, nil
}

func (x outbox) Open(ctx context.Context, o record.Origin, c downlink.Cursor, _ []record.Head) (bool, error) {
	w, err := wardOf(o)
	if err != nil {
		return false, err
	}
	if err := x.n.raft.ReadIndex(ctx); err != nil {
		return false, err
	}
	known, err := x.n.machine.StationKnown(w)
	if err != nil {
		return false, err
	}
	if !known {
		if _, err := x.n.propose(ctx, cluster.Routine, fsm.Station(w)); err != nil {
			return false, err
		}
	}
	_, st, err := x.n.machine.Outbox(w, 0, 0)
	if err != nil {
		return false, err
	}
	if !known || c.Seq < st.Acked || c.Seq > st.Head {
		return true, nil
	}
	if c.Seq == st.Head {
		return st.Head > 0 && c.Hash != st.Hash, nil
	}
	if c.Seq == st.Acked {
		return false, nil // its row is gone, and it was acknowledged
	}
	rows, _, err := x.n.machine.Outbox(w, c.Seq-1, 1)
	return err == nil && (len(rows) == 0 || rows[0].Hash != c.Hash), err
}

// packer fills parts of bounded size and hands them on.
type packer struct {
	x    outbox
	w    *record.Wrapper
	send func(downlink.Part) error
	part downlink.Part
	size int
}

func (p *packer) add(r fsm.Row) error {
	if p.size > partBytes {
		if err := p.flush(nil); err != nil {
			return err
		}
	}
	raw := r.Entry.Append(nil)
	p.part.Entries = append(p.part.Entries, downlink.Entry{Index: r.Index, Raw: raw})
	p.size += len(raw)
	s := r.Body.Payload.Sealed
	if s == nil {
		return nil
	}
	k, err := p.x.n.machine.Key(s.Key)
	if err != nil || k == nil {
		return err
	}
	keys, _ := sealing.Rewrap([]record.WrappedKey{*k}, p.x.n.keys.Wrapper, p.w)
	p.part.Keys = append(p.part.Keys, keys...)
	return nil
}

func (p *packer) flush(c *downlink.Cursor) error {
	if len(p.part.Entries) == 0 && c == nil {
		return nil
	}
	part := p.part
	part.Cursor = c
	p.part, p.size = downlink.Part{Resync: p.part.Resync}, 0
	return p.send(part)
}

func (x outbox) Next(_ context.Context, o record.Origin, after downlink.Cursor, w *record.Wrapper, send func(downlink.Part) error) (downlink.Cursor, error) {
	ward, err := wardOf(o)
	if err != nil {
		return after, err
	}
	rows, _, err := x.n.machine.Outbox(ward, after.Seq, partRows)
	if err != nil || len(rows) == 0 {
		return after, err
	}
	p := &packer{x: x, w: w, send: send}
	for _, row := range rows {
		if row.Whole.Zero() {
			err = x.n.machine.Whole(row.Index, p.add)
		} else {
			err = x.incident(row.Whole, row.Index, p)
		}
		if err != nil {
			return after, err
		}
		after = downlink.Cursor{Seq: row.Seq, Hash: row.Hash}
		if p.size > partBytes {
			break
		}
	}
	return after, p.flush(&after)
}

// incident adds an incident as it was at a city index.
func (x outbox) incident(id record.ID, upTo uint64, p *packer) error {
	list, err := x.n.machine.Incident(id)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Index > upTo {
			continue
		}
		if err := p.add(e); err != nil {
			return err
		}
	}
	return nil
}

func (x outbox) Missing(_ context.Context, o record.Origin, heads []record.Head, w *record.Wrapper, send func(downlink.Part) error) error {
	held, err := x.n.machine.Heads(o)
	if err != nil {
		return err
	}
	p := &packer{x: x, w: w, send: send}
	for _, h := range held {
		have := record.Seq(0)
		for _, m := range heads {
			if m.Incarnation == h.Incarnation && m.Lane == h.Lane {
				have = m.Seq
			}
		}
		for have < h.Seq {
			rows, err := x.n.machine.ChainEntries(record.ChainID{Origin: o, Incarnation: h.Incarnation, Lane: h.Lane}, have+1, 256)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				if err := p.add(r); err != nil {
					return err
				}
				have = r.Entry.Link.Seq
			}
		}
	}
	return p.flush(nil)
}

// Resync sends the rules and wards in effect and every open incident that
// concerns the ward.
func (x outbox) Resync(ctx context.Context, o record.Origin, w *record.Wrapper, send func(downlink.Part) error) (downlink.Cursor, error) {
	ward, err := wardOf(o)
	if err != nil {
		return downlink.Cursor{}, err
	}
	_, st, err := x.n.machine.Outbox(ward, 0, 0)
	if err != nil {
		return downlink.Cursor{}, err
	}
	cur := downlink.Cursor{Seq: st.Head, Hash: st.Hash}
	if err := x.n.view.CatchUp(ctx, x.n.machine.CityIndex()); err != nil {
		return cur, err
	}
	p := &packer{x: x, w: w, send: send, part: downlink.Part{Resync: true}}
	if err := x.n.machine.Active(p.add); err != nil {
		return cur, err
	}
	q := view.Query{Status: "open", Unit: record.WardUnit(ward), Limit: 100}
	for {
		page, err := x.n.view.List(q)
		if err != nil {
			return cur, err
		}
		for _, row := range page.Rows {
			if err := x.incident(row.ID, math.MaxUint64, p); err != nil {
				return cur, err
			}
		}
		if page.Next == nil {
			return cur, p.flush(nil)
		}
		q.Cursor = page.Next
	}
}

func (x outbox) Taken(ctx context.Context, o record.Origin, c downlink.Cursor) error {
	w, err := wardOf(o)
	if err != nil {
		return err
	}
	_, err = x.n.propose(ctx, cluster.Routine, fsm.DownAck(w, c.Seq))
	return err
}
