package exercise

import (
	"errors"
	"strings"
	"testing"

	"wardline/sync/record"
)

const day = int64(24 * 60 * 60 * 1000)

func TestSet_Marks_OnlyWhileAndWhereItIsHeld(t *testing.T) {
	x := Exercise{ID: record.ID{1}, Name: "PCCC", From: 10 * day, Until: 11 * day, Wards: []record.WardCode{"26704"}, Index: 5}
	s := Set{}
	s.Take(x)
	for _, c := range []struct {
		id   record.ID
		ward record.WardCode
		at   int64
		want bool
	}{
		{x.ID, "26704", 10 * day, true}, {x.ID, "26704", 10*day - 1, false}, {x.ID, "26704", 11 * day, false},
		{x.ID, "27031", 10 * day, false}, {x.ID, "", 10 * day, false}, {record.ID{2}, "26704", 10 * day, false}, {record.ID{}, "26704", 10 * day, false},
	} {
		if got := s.Marks(c.id, c.ward, c.at); got != c.want {
			t.Errorf("%v in %q at %d: %v", c.id, c.ward, c.at, got)
		}
	}
	ended := x
	ended.Ended, ended.Index = 10*day+5, 6
	s.Take(ended)
	s.Take(x) // an older entry that came late
	if s.Marks(x.ID, "26704", 10*day+5) || !s.Marks(x.ID, "26704", 10*day+4) {
		t.Error("the end does not hold")
	}
	x.Wards = nil
	if !x.In("27031") || !x.In("") {
		t.Error("the whole city's is held in every ward")
	}
}

func TestExercise_WrongField_IsNamed(t *testing.T) {
	good := Exercise{ID: record.ID{1}, Name: "PCCC", From: day, Until: 2 * day}
	for field, change := range map[string]func(*Exercise){
		"": func(*Exercise) {}, "id": func(x *Exercise) { x.ID = record.ID{} }, "name": func(x *Exercise) { x.Name = strings.Repeat("đ", MaxName+1) },
		"until": func(x *Exercise) { x.Until = x.From + 15*day }, "wards": func(x *Exercise) { x.Wards = []record.WardCode{"267"} },
	} {
		x := good
		change(&x)
		err := x.Validate()
		if (err == nil) != (field == "") || err != nil && (!errors.Is(err, ErrExercise) || Field(err) != field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	p, err := good.Payload()
	if err != nil {
		t.Fatal(err)
	}
	b := record.Body{Kind: record.KindExercise, Origin: record.CoreOrigin, Actor: record.Actor{Name: "lan"}, Payload: p}
	if x, err := Of(&b, 7); err != nil || x.Name != good.Name || x.Index != 7 || x.By != "lan" {
		t.Errorf("%+v %v", x, err)
	}
	b.Origin = "ward-26704"
	if _, err := Of(&b, 7); err == nil {
		t.Error("a station makes no exercise")
	}
}
