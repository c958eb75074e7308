package core

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"time"

	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// importLimit bounds how long an import may take to be committed.
const importLimit = 60 * time.Second

// readWards reads ward boundaries (GeoJSON, plain or gzip); with keep they are laid
// over those in effect.
func (b backend) readWards(geojson []byte, version uint32, keep bool) (*routing.Wards, routing.Summary, error) {
	w, sum, err := routing.ReadGeoJSON(bytes.NewReader(geojson), routing.Options{Version: version})
	if now := b.n.machine.Wards(); err == nil && keep && now != nil {
		w, err = w.Over(now)
	}
	if err == nil {
		return w, sum, nil
	}
	e := api.Problem(400, "wards", "", "%v", err)
	var in *routing.InputError
	if errors.As(err, &in) {
		e.Field = in.Field
	}
	return nil, sum, e
}

// ImportWards reads ward boundaries, commits them in parts and lets them take effect
// with one entry. Reports that were routed before stay as they were routed.
func (b backend) ImportWards(ctx context.Context, by identity.Officer, geojson []byte, keep bool) (any, error) {
	n := b.n
	version := uint32(n.machine.CityIndex() + 1) // grows with every import
	w, sum, err := b.readWards(geojson, version, keep)
	if err != nil {
		return nil, err
	}
	parts, err := w.EncodeParts()
	if err != nil {
		return nil, api.Problem(400, "wards", "", "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	set := w.ID()
	for i, p := range parts {
		err := b.commit(ctx, by, record.Body{ID: fsm.WardsPartID(set[:], uint32(i)), Kind: record.KindWards,
			Payload: record.Payload{Data: p, Part: uint32(i), Parts: uint32(len(parts)), Rules: version}})
		if err != nil {
			return nil, err
		}
	}
	err = b.commit(ctx, by, record.Body{ID: record.DerivedID("activate-wards", set[:]), Kind: record.KindActivate,
		Payload: record.Payload{Step: "wards", Data: set[:], Parts: uint32(len(parts)), Rules: version}})
	if err != nil {
		return nil, err
	}
	return struct {
		Version uint32          `json:"version"`
		Set     string          `json:"set"`
		Read    routing.Summary `json:"read"`
	}{version, set.String(), sum}, nil
}

// wardRef is a ward in a preview.
type wardRef struct {
	Code record.WardCode `json:"code"`
	Name string          `json:"name"`
}

// wardsPreview is what an import would change.
type wardsPreview struct {
	Read routing.Summary `json:"read"`
	// Drawn get a boundary and had none, Redrawn another one, Renamed another name, Same
	// stay as they are, Lost have a boundary now and would have none, New are not known to the city.
	Drawn   []wardRef `json:"drawn"`
	Redrawn []wardRef `json:"redrawn"`
	Renamed []wardRef `json:"renamed"`
	Lost    []wardRef `json:"lost"`
	New     []wardRef `json:"new"`
	Same    int       `json:"same"`
}

// PreviewWards says what an import of the file would change; nothing is committed.
func (b backend) PreviewWards(ctx context.Context, geojson []byte, keep bool) (any, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	next, sum, err := b.readWards(geojson, 0, keep)
	if err != nil {
		return nil, err
	}
	if next, err = next.Over(routing.Centres()); err != nil {
		return nil, api.Problem(400, "wards", "", "%v", err)
	}
	now := b.n.machine.Wards()
	if now == nil {
		now = routing.Centres()
	}
	p := wardsPreview{Read: sum, Drawn: []wardRef{}, Redrawn: []wardRef{}, Renamed: []wardRef{}, Lost: []wardRef{}, New: []wardRef{}}
	for i := range next.Len() {
		v := next.At(i)
		ref := wardRef{v.Code, v.Name}
		old, known := now.Find(v.Code)
		switch {
		case !known:
			p.New = append(p.New, ref)
		case len(old.Polygons) == 0 && len(v.Polygons) > 0:
			p.Drawn = append(p.Drawn, ref)
		case len(old.Polygons) > 0 && len(v.Polygons) == 0:
			p.Lost = append(p.Lost, ref)
		case !reflect.DeepEqual(old.Polygons, v.Polygons):
			p.Redrawn = append(p.Redrawn, ref)
		case old.Name == v.Name:
			p.Same++
		}
		if known && old.Name != v.Name {
			p.Renamed = append(p.Renamed, wardRef{v.Code, old.Name + " → " + v.Name})
		}
	}
	for i := range now.Len() { // one that came with an earlier file alone goes altogether
		if v := now.At(i); len(v.Polygons) > 0 {
			if _, stays := next.Find(v.Code); !stays {
				p.Lost = append(p.Lost, wardRef{v.Code, v.Name})
			}
		}
	}
	return p, nil
}
