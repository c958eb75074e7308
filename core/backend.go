package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/door"
	"wardline/sync/identity"
	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
	"wardline/sync/view"
)

// backend is the node behind the interface.
type backend struct{ n *Node }

// writeLimit bounds how long a write looks for a leader and a majority.
const writeLimit = 10 * time.Second

func unavailable(err error) error {
	e := api.Problem(503, "no-majority", "", "the city cannot commit now; send the same again, it will not count twice")
	switch {
	case errors.Is(err, cluster.ErrBusy):
		e = api.Problem(503, "busy", "", "too much is waiting; send the same again in a moment, it will not count twice")
	case errors.Is(err, cluster.ErrNoSpace):
		e = api.Problem(507, "no-space", "", "the city's disk is below its reserve; only urgent reports are taken")
	}
	e.RetryAfter = 1
	return e
}

// Report is the city's door: answered after the commit.
func (b backend) Report(ctx context.Context, from identity.Device, raw []byte) (api.Answer, error) {
	r, warnings, p := report.Parse(raw)
	if p != nil {
		if err := b.quarantine(ctx, from, raw, p); err != nil {
			return api.Answer{}, err
		}
		return api.Answer{}, api.Refused(p)
	}
	at := b.n.wall().UnixMilli()
	practice, err := b.practice(&r, from.Ward, at)
	if err != nil {
		return api.Answer{}, err
	}
	in, err := door.Body(door.Input{Report: r, Warnings: warnings, Origin: record.CoreOrigin, Device: from.ID, Ward: from.Ward,
		HLC: b.n.clock.Now(), Clock: record.ClockSure, ReceivedAt: at, Practice: practice})
	if err != nil {
		return api.Answer{}, err
	}
	// The warnings are kept in the entry, so that a repeat gets the same answer.
	if in.Body.Payload.Data, err = json.Marshal(in.Warnings); err != nil {
		return api.Answer{}, err
	}
	enc, err := in.Body.Encode()
	if err != nil {
		return api.Answer{}, err
	}
	lane := cluster.Routine
	if b.n.machine.RulesAt(b.n.wall().UnixMilli()).For(r.Category, false).Lane == record.Urgent {
		lane = cluster.Urgent
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	res, err := b.n.proposeSealed(ctx, lane, enc, (*api.SealedKey)(in.Key))
	if err != nil {
		return api.Answer{}, unavailable(err)
	}
	if res.Status == fsm.Refused {
		return api.Answer{}, api.Problem(400, "refused", "", "%s", res.Detail)
	}
	kept, err := record.DecodeBody(res.Body)
	if err != nil {
		return api.Answer{}, err
	}
	a := api.Answer{Repeat: res.Status == fsm.Repeat, ID: r.ID, Incident: kept.Incident, Ward: kept.Payload.Ward, Origin: record.CoreOrigin,
		Incarnation: 1, Lane: record.CityLog.String(), Seq: res.Seq, Hash: res.Hash, ReceivedAt: api.Time(kept.ReceivedAt)}
	if err := json.Unmarshal(kept.Payload.Data, &a.Warnings); err != nil {
		b.n.log.Error("stored warnings cannot be read", "report", r.ID, "err", err)
	}
	if kept.Incident != r.ID {
		a.Warnings = append(a.Warnings, door.OtherContent(kept.Incident))
	}
	return a, nil
}

// Act appends an officer's entry: compare-and-set in the order of commits.
func (b backend) Act(ctx context.Context, body record.Body, key *api.SealedKey) (api.Done, error) {
	body.Origin, body.HLC, body.Clock, body.ReceivedAt = record.CoreOrigin, b.n.clock.Now(), record.ClockSure, b.n.wall().UnixMilli()
	enc, err := body.Encode()
	if err != nil {
		return api.Done{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	res, err := b.n.proposeSealed(ctx, cluster.Urgent, enc, key)
	if err != nil {
		return api.Done{}, unavailable(err)
	}
	if res.Status == fsm.Refused {
		if res.Refusal != nil {
			return api.Done{}, res.Refusal
		}
		return api.Done{}, api.Problem(400, "refused", "", "%s", res.Detail)
	}
	kept, err := record.DecodeBody(res.Body)
	if err != nil {
		return api.Done{}, err
	}
	return api.Done{Link: record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, Seq: res.Seq}, Hash: res.Hash,
		Position: res.Index, At: kept.HLC.Millis()}, nil
}

// read makes sure that this node has applied everything committed before.
func (b backend) read(ctx context.Context) error {
	if planted.StaleRead {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := b.n.raft.ReadIndex(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

func (b backend) Bodies(ctx context.Context, id record.ID) ([]api.Stored, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	return b.Here(id)
}

func (b backend) Here(id record.ID) ([]api.Stored, error) {
	rows, err := b.n.machine.Incident(id)
	out := make([]api.Stored, len(rows))
	for i, r := range rows {
		out[i] = api.Stored{Position: r.Index, Index: r.Index, Link: r.Entry.Link, Body: r.Body}
	}
	return out, err
}

func (b backend) Open(at uint64, s *record.Sealed) ([]byte, error) {
	k, err := b.n.machine.Key(at, s.Key)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, record.ErrSealed
	}
	p, err := b.n.keys.Unwrap(*k)
	if err != nil {
		return nil, err
	}
	return s.Open(p)
}

// level waits until the lists show what was acknowledged before.
func (b backend) level(ctx context.Context) error {
	if err := b.read(ctx); err != nil {
		return err
	}
	c, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := b.n.view.CatchUp(c, b.n.machine.CityIndex()); err != nil {
		e := api.Problem(503, "behind", "", "this node's list is still being built, %d of %d; ask again", b.n.view.Position(), b.n.machine.CityIndex())
		e.RetryAfter = 2
		return e
	}
	return nil
}

func (b backend) List(ctx context.Context, q view.Query) (view.Page, error) {
	if err := b.level(ctx); err != nil {
		return view.Page{}, err
	}
	p, err := b.n.view.List(q)
	if errors.Is(err, view.ErrCursor) {
		return p, api.Problem(400, "invalid-cursor", "cursor", "%v", err)
	}
	return p, err
}

func (b backend) Tally(ctx context.Context, s view.Span) (view.Tally, error) {
	if err := b.level(ctx); err != nil {
		return view.Tally{}, err
	}
	return b.n.view.Tally(s)
}

func (b backend) Log() view.Log     { return cityLog{b.n.machine} }
func (b backend) CityIndex() uint64 { return b.n.machine.CityIndex() }

func (b backend) Line() api.Line {
	return api.Line{State: "local", Since: api.Time(b.n.begun.UnixMilli()), City: b.n.c.ID}
}

func wardName(w record.WardCode) string {
	if x, ok := routing.Centres().Find(w); ok {
		return x.Name
	}
	return string(w)
}

func (b backend) Units(context.Context) ([]api.Unit, error) { return api.AllUnits(), nil }

func (b backend) Source(device string) (view.History, error) { return b.n.view.Source(device) }
func (b backend) Wards() *routing.Wards                      { return b.n.machine.Wards() }
func (b backend) Contacts() []api.Contact                    { return b.n.contacts }

func (b backend) Ready(ctx context.Context) error { return b.read(ctx) }

func (b backend) Entries(ctx context.Context, after uint64, limit int) ([]api.EntryRow, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	rows, err := b.n.machine.After(after, limit)
	out := make([]api.EntryRow, 0, len(rows))
	for _, r := range rows {
		e := api.EntryRow{Index: r.Index, ID: r.Body.ID, Origin: r.Entry.Link.Origin, Incarnation: r.Entry.Link.Incarnation.String(),
			Lane: r.Entry.Link.Lane.String(), Seq: r.Entry.Link.Seq, Hash: r.Entry.Hash(), Prev: r.Entry.Link.Prev, Kind: r.Listed}
		if id := r.Body.Payload.Report; !id.Zero() {
			e.Report = &id
		}
		if id := r.Body.Incident; !id.Zero() {
			e.Incident = &id
		}
		out = append(out, e)
	}
	return out, err
}

func (b backend) Digest(ctx context.Context) (api.Digest, error) {
	if err := b.read(ctx); err != nil {
		return api.Digest{}, err
	}
	d, err := b.n.machine.Digest()
	if err != nil {
		return api.Digest{}, fmt.Errorf("core: digest: %w", err)
	}
	return api.Digest{Node: b.n.c.ID, Index: d.Index, Log: d.Log, State: d.State}, nil
}
