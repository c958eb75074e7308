package points

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"wardline/sync/routing"
)

const file = `{"type":"FeatureCollection","features":[
	{"type":"Feature","id":"H-1","properties":{"kind":"hydrant","name":"Trụ 12 Trần Hưng Đạo"},"geometry":{"type":"Point","coordinates":[106.7301,10.7200]}},
	{"type":"Feature","properties":{"emergency":"fire_hydrant","ref":77},"geometry":{"type":"Point","coordinates":[106.7300,10.7210,4.5]}},
	{"type":"Feature","properties":{"amenity":"hospital","ten":"Trạm y tế"},"geometry":{"type":"Point","coordinates":[106.7400,10.7200]}},
	{"type":"Feature","properties":{"loai":"Trụ_nước","type":"hydrant"},"geometry":{"type":"Point","coordinates":[107.0,11.0]}}]}`

func TestNear_AFire_GivesTheNearestFirstWithTheirDistance(t *testing.T) {
	list, err := Read([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := Parts(list)
	if err != nil || len(parts) != 1 {
		t.Fatal(len(parts), err)
	}
	s, err := Assemble([]Part{{Version: 3, All: 1, Data: parts[0]}})
	if err != nil || s.Len() != 4 || s.Version != 3 {
		t.Fatalf("%+v %v", s, err)
	}
	fire := routing.Point{LatE7: 107_200_000, LonE7: 1_067_300_000}
	near := s.Near(fire, 2000, 10, "")
	if len(near) != 3 || near[0].ID != "H-1" || near[1].ID != "77" || near[2].Kind != "clinic" {
		t.Fatalf("%+v", near)
	}
	// 0.0001° of longitude at 10.72° N are 11 m, 0.001° of latitude 111 m.
	if near[0].Metres < 10 || near[0].Metres > 12 || near[1].Metres < 110 || near[1].Metres > 113 {
		t.Errorf("%d m and %d m", near[0].Metres, near[1].Metres)
	}
	if n := s.Near(fire, 2000, 1, "clinic"); len(n) != 1 || n[0].Name != "Trạm y tế" {
		t.Errorf("%+v", n)
	}
	if n := (*Set)(nil).Near(fire, 2000, 3, ""); len(n) != 0 {
		t.Error("points where none were imported")
	}
}

func TestRead_WrongFiles_NameTheFeature(t *testing.T) {
	for from, c := range map[string][2]string{
		`"hydrant","name"`:                {`"fountain","name"`, "features[0].properties.kind"},
		`[106.7300,10.7210,4.5]`:          {`[10.72,106.73]`, "features[1].geometry.coordinates"},
		`"Point","coordinates":[106.7400`: {`"Polygon","coordinates":[106.7400`, "features[2].geometry"},
		`Trạm y tế`:                       {strings.Repeat("a", 200), "features[2].properties.name"},
		`FeatureCollection`:               {"Feature", "type"},
		`{"type":"FeatureC`:               {`x{"type":"FeatureC`, "file"},
	} {
		var f *Fault
		if _, err := Read([]byte(strings.Replace(file, from, c[0], 1))); !errors.As(err, &f) || f.Field != c[1] || f.Do == "" {
			t.Errorf("%s: %v, want a fault of %s", c[0], err, c[1])
		}
	}
	if _, err := Read([]byte(`{"type":"FeatureCollection","features":[]}`)); err == nil {
		t.Error("an empty file was taken")
	}
}

func TestAssemble_PartsInAnyOrderAndOldSets_GiveTheNewestWholeOne(t *testing.T) {
	var list []Point
	for i := range 5000 {
		list = append(list, Point{ID: fmt.Sprint(i), Kind: "hydrant", Name: strings.Repeat("x", 80), At: routing.Point{LatE7: int32(i)}})
	}
	raw, err := Parts(list)
	if err != nil || len(raw) < 3 {
		t.Fatal(len(raw), err)
	}
	var parts []Part
	for i, r := range raw {
		if len(r) > MaxPart {
			t.Errorf("part of %d bytes", len(r))
		}
		parts = append(parts, Part{Version: 5, Number: uint32(i), All: uint32(len(raw)), Data: r})
	}
	slices.Reverse(parts)
	parts = append(parts, Part{Version: 2, All: 1, Data: []byte(`[]`)}, Part{Version: 9, Number: 1, All: 2, Data: []byte(`[]`)})
	s, err := Assemble(parts)
	if err != nil || s.Version != 5 || s.Len() != 5000 {
		t.Errorf("%+v %v", s.Version, err)
	}
	if s, err = Assemble(parts[1:]); err != nil || s.Version != 2 {
		t.Errorf("with a part missing: %+v %v", s, err)
	}
	if _, err := Assemble([]Part{{Version: 1, Number: 3, All: 2}}); err == nil {
		t.Error("part 4 of 2 was taken")
	}
}
