package core

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/downlink"
	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/uplink"
	"wardline/sync/view"
	"wardline/sync/wire"
)

// Cluster is what a line needs of the Raft cluster.
type Cluster interface {
	// Propose commits a command and waits until this node has applied it. An
	// error means that the outcome is unknown or that there is no room now.
	Propose(ctx context.Context, lane cluster.Lane, item []byte) (fsm.Result, error)
	// ReadIndex returns when this node has applied everything committed before.
	ReadIndex(ctx context.Context) error
}

// LineDeps are the parts that a Line joins.
type LineDeps struct {
	ID      string // of the node
	Machine *fsm.Machine
	View    *view.View
	Keys    sealing.Keys
	Sign    ed25519.PrivateKey
	Clock   *record.Clock
	Cluster Cluster
	Wall    func() time.Time
	Log     *slog.Logger
}

// Line joins the city's state to the stations' lines. It stands apart from the
// node so that a drill runs it over a network and a cluster that are simulated.
type Line struct {
	d      LineDeps
	lives  *lives
	alarms chan alarm
}

// maxAlarms bounds the alarms about lines that wait to be committed; each is
// said once an hour and station.
const maxAlarms = 64

// NewLine makes a line; it starts nothing.
func NewLine(d LineDeps) *Line {
	return &Line{d: d, lives: newLives(), alarms: make(chan alarm, maxAlarms)}
}

// Up answers the stations' uplinks.
func (l *Line) Up() *uplink.Receiver {
	return &uplink.Receiver{City: city{l}, Health: l.health, Log: l.d.Log}
}

// Down answers the stations' downlinks.
func (l *Line) Down() *downlink.Sender { return &downlink.Sender{Outbox: outbox{l}, Log: l.d.Log} }

// city is the core behind a station's uplink.
type city struct{ l *Line }

func (c city) Node() string           { return c.l.d.ID }
func (c city) PublicKey() []byte      { return c.l.d.Sign.Public().(ed25519.PublicKey) }
func (c city) Sign(r *record.Receipt) { r.Sign(c.l.d.Sign) }
func (c city) Wall() time.Time        { return c.l.d.Wall() }

func (c city) Heads(ctx context.Context, o record.Origin) ([]record.Head, error) {
	if err := c.l.d.Cluster.ReadIndex(ctx); err != nil {
		return nil, err
	}
	return c.l.d.Machine.Heads(o)
}

func (c city) Append(ctx context.Context, lane record.LaneID, entries []byte, keys []record.WrappedKey, w *record.Wrapper) (uplink.Outcome, error) {
	l := cluster.Routine
	if lane == record.Urgent {
		l = cluster.Urgent
	}
	lost := 0
	batch := func(to *record.Wrapper) []byte {
		var own []record.WrappedKey
		if len(keys) > 0 {
			own, lost = sealing.Rewrap(keys, w, to)
		}
		return fsm.Batch(entries, own)
	}
	if planted.ReceiptFirst {
		return c.receiptFirst(ctx, l, entries, batch)
	}
	r, err := proposeSealed(ctx, c.l.d.Cluster, c.l.d.Keys, l, len(keys) > 0, batch)
	if lost > 0 {
		c.l.d.Log.Error("keys of sealed parts could not be read on the line", "keys", lost)
	}
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
	c.l.lives.up(o, boot)
	return nil
}

func (c city) Heard(o record.Origin, boot uint64) {
	if c.l.lives.heard(o, boot) {
		c.l.raise(alarm{record.AlarmClone, o, "two live lines of one station: two machines run with copies of one disk"})
	}
}

func (c city) Gone(o record.Origin, boot uint64) { c.l.lives.gone(o, boot) }

// alarm is something about a line that must be seen.
type alarm struct {
	what   string
	origin record.Origin
	detail string
}

func (l *Line) raise(a alarm) {
	l.d.Log.Error("ALARM: "+a.detail, "what", a.what, "origin", a.origin)
	select {
	case l.alarms <- a:
	default:
		l.d.Log.Error("too many alarms wait to be committed; this one stands in the log alone", "what", a.what, "origin", a.origin)
	}
}

// alarmPause is the time between two tries to commit an alarm.
const alarmPause = time.Second

// Run commits alarms, until ctx ends.
func (l *Line) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-l.alarms:
			for {
				err := l.commit(ctx, a)
				if err == nil {
					break
				}
				l.d.Log.Warn("an alarm could not be committed now", "what", a.what, "origin", a.origin, "err", err)
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(alarmPause):
				}
			}
		}
	}
}

// commit puts an alarm into the city's log, once an hour and origin.
func (l *Line) commit(ctx context.Context, a alarm) error {
	now := l.d.Wall()
	b := record.Body{ID: record.DerivedID("alarm-live", []byte(a.what), []byte(a.origin), fmt.Append(nil, now.Unix()/3600)), Kind: record.KindAlarm,
		Origin: record.CoreOrigin, HLC: l.d.Clock.Now(), ReceivedAt: now.UnixMilli(),
		Payload: record.Payload{Reason: a.what, Data: []byte(a.detail), Patrol: string(a.origin)}}
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	_, err = l.d.Cluster.Propose(ctx, cluster.Urgent, fsm.Body(raw, nil))
	return err
}
