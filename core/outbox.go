package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/downlink"
	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/view"
)

// outbox is the core behind a station's downlink.
type outbox struct{ l *Line }

// Limits of one part that goes down.
const (
	partRows  = 64
	partBytes = 256 << 10
)

func (x outbox) Node() string             { return x.l.d.ID }
func (x outbox) Wall() time.Time          { return x.l.d.Wall() }
func (x outbox) Changed() <-chan struct{} { return x.l.d.Machine.Changed() }

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
	if err := x.l.d.Cluster.ReadIndex(ctx); err != nil {
		return false, err
	}
	known, err := x.l.d.Machine.StationKnown(w)
	if err != nil {
		return false, err
	}
	if !known {
		if _, err := x.l.d.Cluster.Propose(ctx, cluster.Routine, fsm.Station(w)); err != nil {
			return false, err
		}
	}
	_, st, err := x.l.d.Machine.Outbox(w, 0, 0)
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
	rows, _, err := x.l.d.Machine.Outbox(w, c.Seq-1, 1)
	return err == nil && (len(rows) == 0 || rows[0].Hash != c.Hash), err
}

// errTaken ends a stream whose rows another one took: two stations with one
// name, or an older stream of the same. A new stream asks where it stands.
var errTaken = errors.New("core: the outbox's next rows were acknowledged over another line")

// packer fills parts of bounded size and hands them on.
type packer struct {
	x    outbox
	ward record.WardCode
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
	if s == nil || !verifierGoes(&r, p.ward) {
		return nil
	}
	k, err := p.x.l.d.Machine.Key(r.Index, s.Key)
	if err != nil || k == nil {
		return err
	}
	keys, _ := sealing.Rewrap([]record.WrappedKey{*k}, p.x.l.d.Keys, p.w)
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
	rows, st, err := x.l.d.Machine.Outbox(ward, after.Seq, partRows)
	if err != nil {
		return after, err
	}
	if after.Seq < st.Acked {
		return after, errTaken
	}
	if len(rows) == 0 {
		return after, nil
	}
	p := &packer{x: x, ward: ward, w: w, send: send}
	for _, row := range rows {
		for _, ref := range row.Refs {
			switch {
			case ref.Accounts:
				err = x.l.d.Machine.Accounts(p.add)
			case ref.Whole.Zero():
				err = x.l.d.Machine.Whole(ref.Index, p.add)
			default:
				err = x.incident(ref.Whole, ref.Index, p)
			}
			if err != nil {
				return after, err
			}
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
	list, err := x.l.d.Machine.Incident(id)
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
	held, err := x.l.d.Machine.Heads(o)
	if err != nil {
		return err
	}
	ward, err := wardOf(o)
	if err != nil {
		return err
	}
	p := &packer{x: x, ward: ward, w: w, send: send}
	for _, h := range held {
		have := record.Seq(0)
		for _, m := range heads {
			if m.Incarnation == h.Incarnation && m.Lane == h.Lane {
				have = m.Seq
			}
		}
		for have < h.Seq {
			rows, err := x.l.d.Machine.ChainEntries(record.ChainID{Origin: o, Incarnation: h.Incarnation, Lane: h.Lane}, have+1, 256)
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

// Resync sends the rules, wards, accounts and devices in effect, the warnings that hold, the places of help, what is erased at the ward,
// and every open incident that concerns it.
func (x outbox) Resync(ctx context.Context, o record.Origin, w *record.Wrapper, send func(downlink.Part) error) (downlink.Cursor, error) {
	ward, err := wardOf(o)
	if err != nil {
		return downlink.Cursor{}, err
	}
	_, st, err := x.l.d.Machine.Outbox(ward, 0, 0)
	if err != nil {
		return downlink.Cursor{}, err
	}
	cur := downlink.Cursor{Seq: st.Head, Hash: st.Hash}
	if err := x.l.d.View.CatchUp(ctx, x.l.d.Machine.CityIndex()); err != nil {
		return cur, err
	}
	p := &packer{x: x, ward: ward, w: w, send: send, part: downlink.Part{Resync: true}}
	if err := x.l.d.Machine.Active(p.add); err != nil {
		return cur, err
	}
	if err := x.l.d.Machine.DevicesOf(ward, p.add); err != nil {
		return cur, err
	}
	if err := x.l.d.Machine.BroadcastsFor(ward, p.add); err != nil {
		return cur, err
	}
	if err := x.l.d.Machine.ErasuresOf(ward, p.add); err != nil { // before what may have come later
		return cur, err
	}
	if err := x.l.d.Machine.Points(p.add); err != nil {
		return cur, err
	}
	if planted.ResyncEmpty {
		return cur, p.flush(nil)
	}
	q := view.Query{Status: "open", Unit: record.WardUnit(ward), Limit: 100}
	for {
		page, err := x.l.d.View.List(q)
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
	_, err = x.l.d.Cluster.Propose(ctx, cluster.Routine, fsm.DownAck(w, c.Seq))
	return err
}
