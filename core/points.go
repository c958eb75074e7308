package core

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/points"
	"wardline/sync/record"
)

var _ api.Points = backend{}

// pointsNow is the set in effect, put together again when the log has grown.
type pointsNow struct {
	mu  sync.Mutex // guards the rest
	at  uint64     // city index at which it was looked for
	set *points.Set
}

// Points is the set in effect as this node has applied it; nil when none was imported.
func (b backend) Points() (*points.Set, error) {
	n := b.n
	n.points.mu.Lock()
	defer n.points.mu.Unlock()
	now := n.machine.CityIndex()
	if n.points.at == now && now > 0 {
		return n.points.set, nil
	}
	var newest uint64
	var parts []points.Part
	err := n.machine.Points(func(r fsm.Row) error {
		newest = max(newest, r.Index)
		parts = append(parts, points.Part{Version: r.Body.Payload.Rules, Number: r.Body.Payload.Part, All: r.Body.Payload.Parts, Data: r.Body.Payload.Data})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if newest > n.points.at || n.points.set == nil {
		set, err := points.Assemble(parts)
		if err != nil {
			return nil, err
		}
		n.points.set = set
	}
	n.points.at = now
	return n.points.set, nil
}

// ImportPoints commits a set of places of help in parts; it takes effect with its last.
func (b backend) ImportPoints(ctx context.Context, by identity.Officer, geojson []byte) (uint32, int, error) {
	list, err := points.Read(geojson)
	if err != nil {
		var f *points.Fault
		if errors.As(err, &f) {
			return 0, 0, api.Problem(400, "points", f.Field, "%s (%s)", f.Wrong, f.Do)
		}
		return 0, 0, err
	}
	parts, err := points.Parts(list)
	if err != nil {
		return 0, 0, api.Problem(400, "points", "features", "%v", err)
	}
	if err := b.read(ctx); err != nil {
		return 0, 0, err
	}
	version := uint32(b.n.machine.CityIndex() + 1) // grows with every import
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	for i, p := range parts {
		id := record.DerivedID("points-part", binary.BigEndian.AppendUint32(nil, version), binary.BigEndian.AppendUint32(nil, uint32(i)), p)
		err := b.commit(ctx, by, record.Body{ID: id, Kind: record.KindPoints, Payload: record.Payload{Rules: version, Data: p, Part: uint32(i), Parts: uint32(len(parts))}})
		if err != nil {
			return 0, 0, err
		}
	}
	return version, len(list), nil
}
