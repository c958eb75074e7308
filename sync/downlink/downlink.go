// Package downlink brings what the city has for a ward to its station: the
// outbox, row by row, and after a long absence or a restored disk everything
// open that concerns the ward and the station's own entries that it lacks.
//
// The station saves its cursor with the data; the city forgets a row only when
// the station has acknowledged it. Both ends may die at any point.
package downlink

import (
	"context"
	"time"

	"wardline/sync/record"
	"wardline/sync/wire"
)

// Cursor is the last row of the outbox that a station has.
type Cursor struct {
	Seq  record.Seq
	Hash record.Hash
}

// Entry is an entry at its place in the city's order.
type Entry struct {
	Index uint64
	Raw   []byte // as record.Entry.Append wrote it
}

// Part is what goes down at once. A nil Cursor says that more of the same
// belongs to it.
type Part struct {
	Entries []Entry
	Keys    []record.WrappedKey
	Cursor  *Cursor
	Resync  bool
}

// Outbox is the city's side.
type Outbox interface {
	// Open says where to go on from a cursor: with rows, or with a resync when
	// the cursor is unknown or too old. heads are what is on the station's disk.
	Open(ctx context.Context, o record.Origin, c Cursor, heads []record.Head) (resync bool, err error)
	// Resync calls send with everything that the station needs, and gives the
	// cursor from which rows follow.
	Resync(ctx context.Context, o record.Origin, w *record.Wrapper, send func(Part) error) (Cursor, error)
	// Missing calls send with the station's own entries that its disk lacks.
	Missing(ctx context.Context, o record.Origin, heads []record.Head, w *record.Wrapper, send func(Part) error) error
	// Next calls send with the rows after a cursor, expanded, in parts of bounded
	// size of which the last carries the cursor that it returns; after itself when
	// there are none.
	Next(ctx context.Context, o record.Origin, after Cursor, w *record.Wrapper, send func(Part) error) (Cursor, error)
	// Taken says that the station has everything up to a cursor.
	Taken(ctx context.Context, o record.Origin, c Cursor) error
	Changed() <-chan struct{}
	Node() string
	Wall() time.Time
}

// Sink is the station's side.
type Sink interface {
	Origin() record.Origin
	Heads() []record.Head
	Cursor() (Cursor, error)
	// Apply is durable, with the cursor, when it returns.
	Apply(p Part, w *record.Wrapper) error
}

const (
	// maxAhead is how many parts may be under way without an acknowledgement.
	maxAhead = 8
	// ackEvery is how often the city notes what a station has taken: each note
	// is an entry of the Raft log.
	ackEvery = 500 * time.Millisecond
	// ackQueue is how many acknowledgements may wait.
	ackQueue = 64
)

func toCursor(c *wire.Cursor) Cursor {
	out := Cursor{Seq: record.Seq(c.GetSeq())}
	copy(out.Hash[:], c.GetHash())
	return out
}

func fromCursor(c Cursor) *wire.Cursor { return &wire.Cursor{Seq: uint64(c.Seq), Hash: c.Hash[:]} }

func fromPart(p Part) *wire.DownFrame {
	f := &wire.DownFrame{Resync: p.Resync}
	for _, e := range p.Entries {
		f.Entries = append(f.Entries, &wire.CityEntry{Index: e.Index, Entry: e.Raw})
	}
	for _, k := range p.Keys {
		f.Keys = append(f.Keys, k.Append(nil))
	}
	if p.Cursor != nil {
		f.Cursor = fromCursor(*p.Cursor)
	}
	return f
}

func toPart(f *wire.DownFrame) (Part, error) {
	p := Part{Resync: f.Resync}
	for _, e := range f.Entries {
		p.Entries = append(p.Entries, Entry{e.Index, e.Entry})
	}
	for _, raw := range f.Keys {
		k, err := record.DecodeWrappedKey(raw)
		if err != nil {
			return p, err
		}
		p.Keys = append(p.Keys, k)
	}
	if f.Cursor != nil {
		c := toCursor(f.Cursor)
		p.Cursor = &c
	}
	return p, nil
}
