package core

import (
	"bytes"
	"context"
	"errors"
	"time"

	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// importLimit bounds how long an import may take to be committed.
const importLimit = 60 * time.Second

// ImportWards reads ward boundaries (GeoJSON, plain or gzip), commits them in
// parts and lets them take effect with one entry. Reports that were routed
// before stay as they were routed.
func (b backend) ImportWards(ctx context.Context, by identity.Officer, geojson []byte) (any, error) {
	n := b.n
	version := uint32(n.machine.CityIndex() + 1) // grows with every import
	w, sum, err := routing.ReadGeoJSON(bytes.NewReader(geojson), routing.Options{Version: version})
	if err != nil {
		e := api.Problem(400, "wards", "", "%v", err)
		var in *routing.InputError
		if errors.As(err, &in) {
			e.Field = in.Field
		}
		return nil, e
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
