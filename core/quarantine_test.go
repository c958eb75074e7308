package core

import (
	"context"
	"errors"
	"testing"

	"wardline/sync/api"
	"wardline/sync/identity"
)

// malformedIsKept: the desk asks
// any node, and the bytes survive the one that took them.
func malformedIsKept(t *testing.T, city []*testNode) {
	city[0].mustReport(1, "fire")
	const raw = `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"flood"}`
	_, err := backend{city[1].n}.Report(context.Background(), identity.Device{ID: "app-1", Ward: "26704", Kind: "app"}, []byte(raw))
	var p *api.Error
	if !errors.As(err, &p) || p.Status != 400 || p.Field != "category" {
		t.Fatal(err)
	}
	for _, x := range city {
		list, err := backend{x.n}.Malformed(context.Background(), 10)
		if err != nil || len(list) != 1 || string(list[0].Raw) != raw || list[0].Bytes != len(raw) || list[0].Field != "category" || list[0].Device != "app-1" {
			t.Errorf("%s: %+v %v", x.c.ID, list, err)
		}
	}
	same(t, city)
}
