package routing

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"wardline/sync/record"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// stored is the set of testdata/wards-v1.bin: a ward with a hole, one of two
// islands, one without boundary.
func stored(t testing.TB) *Wards {
	hole := square("00001", lat0, lon0, km)
	hole.Polygons[0].Holes = []Ring{{{lat0, lon0}, {lat0 + 100, lon0}, {lat0, lon0 + 200}}}
	isles := square("00003", -lat0, lon0/4, km)
	isles.Polygons = append(isles.Polygons, square("x", -lat0+5*km, lon0/4, km).Polygons...)
	isles.Name = "Đặc khu Côn Đảo"
	isles.Centre = hole.Centre
	for i := range isles.Polygons {
		for k := range isles.Polygons[i].Outer {
			isles.Polygons[i].Outer[k].LonE7 += lon0 - lon0/4
		}
	}
	return mustWards(t, isles, hole, Ward{Code: "00002", Name: "Phường Sài Gòn", Centre: Point{lat0, lon0 + 7}})
}

func TestWards_StoredFormatV1_IsReadForever(t *testing.T) {
	const file = "testdata/wards-v1.bin"
	want := stored(t)
	if *update {
		if err := os.WriteFile(file, want.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeWards(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got.list, want.list)
	}
	if !bytes.Equal(want.Encode(), b) {
		t.Error("the same wards are written differently now: that needs a new version")
	}
}

// rough is a set whose encoding needs several parts.
func rough(t testing.TB) *Wards {
	rng := rand.New(rand.NewPCG(1, 2))
	v := square("00001", lat0, lon0, km)
	for range 150_000 {
		v.Polygons[0].Outer = append(v.Polygons[0].Outer, Point{lat0 + rng.Int32N(km), lon0 + rng.Int32N(km)})
	}
	return mustWards(t, v, square("00002", lat0, lon0+3*km, km))
}

func TestParts_AnyOrderAndTwice_GiveTheSameSet(t *testing.T) {
	w := rough(t)
	parts, err := w.EncodeParts()
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, p := range parts {
		if len(p) > MaxPart {
			t.Errorf("part %d has %d bytes", i, len(p))
		}
		id, index, of, err := PartInfo(p)
		if err != nil || id != w.ID() || index != i || of != len(parts) {
			t.Errorf("part %d: %s %d of %d, %v", i, id, index, of, err)
		}
	}
	parts = append(parts, parts[1])
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(parts), func(i, k int) { parts[i], parts[k] = parts[k], parts[i] })
	got, err := Assemble(parts)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Encode(), w.Encode()) {
		t.Error("another set")
	}
}

func TestParts_FitIntoOneEntry(t *testing.T) {
	parts, err := rough(t).EncodeParts()
	if err != nil {
		t.Fatal(err)
	}
	b := record.Body{Kind: record.KindWards, Origin: record.CoreOrigin, Payload: record.Payload{Data: parts[0], Part: 1, Parts: uint32(len(parts)), Rules: 7}}
	if _, err := b.Encode(); err != nil {
		t.Error(err)
	}
}

func TestParts_MissingDamagedOrForeign_AreNamed(t *testing.T) {
	parts, err := rough(t).EncodeParts()
	if err != nil {
		t.Fatal(err)
	}
	other, err := stored(t).EncodeParts()
	if err != nil {
		t.Fatal(err)
	}
	flip := func(p []byte, at int) []byte {
		p = bytes.Clone(p)
		p[at] ^= 1
		return p
	}
	rest := parts[2:]
	for _, c := range []struct {
		name  string
		parts [][]byte
		is    error
		text  string
	}{
		{"none", nil, ErrPartsMissing, "none"},
		{"missing", append([][]byte{parts[0]}, rest...), ErrPartsMissing, "number 1 of"},
		{"foreign", append([][]byte{parts[0], other[0]}, parts[1:]...), ErrPart, "number 0 is of set"},
		{"damaged", append([][]byte{parts[0], flip(parts[1], 5000)}, rest...), ErrPart, "hash"},
		{"twice", append([][]byte{parts[0], flip(parts[1], 5000), parts[1]}, rest...), ErrPart, "twice with different"},
		{"no part", [][]byte{[]byte("hello")}, ErrPart, "5 bytes"},
		{"newer", [][]byte{flip(parts[0], 3)}, ErrPart, "version 0"},
		{"number", [][]byte{flip(other[0], partHead-3)}, ErrPart, "number 1 of 1"},
	} {
		_, err := Assemble(c.parts)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDecodeWards_DamagedBytes_AreRefused(t *testing.T) {
	good := stored(t).Encode()
	for i := range good {
		if _, err := DecodeWards(good[:i]); !errors.Is(err, ErrEncoding) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	if _, err := DecodeWards(append(bytes.Clone(good), 0)); !errors.Is(err, ErrEncoding) {
		t.Errorf("a byte too many: %v", err)
	}
	two := append([]byte{codecVersion, 0, 2}, bytes.Repeat([]byte("00001\x01x\x00\x00\x00"), 2)...)
	if _, err := DecodeWards(two); !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), "00001") {
		t.Errorf("a ward twice: %v", err)
	}
}

func TestNewWards_WhatCannotBe_IsNamed(t *testing.T) {
	bad := func(f func(*Ward)) []Ward {
		w := square("00001", lat0, lon0, km)
		f(&w)
		return []Ward{w, square("00002", lat0, lon0, km)}
	}
	for text, list := range map[string][]Ward{
		"0 wards":                     nil,
		"00002 stands twice":          bad(func(w *Ward) { w.Code = "00002" }),
		`"1" of ward "Ward 00001"`:    bad(func(w *Ward) { w.Code = "1" }),
		"name of ward 00001":          bad(func(w *Ward) { w.Name = "a\nb" }),
		"centre of ward 00001":        bad(func(w *Ward) { w.Centre.LatE7 = maxLat + 1 }),
		"a ring of 2 points":          bad(func(w *Ward) { w.Polygons[0].Outer = w.Polygons[0].Outer[:2] }),
		"polygon 1: a point outside":  bad(func(w *Ward) { w.Polygons[0].Outer[0].LonE7 = maxLon + 1 }),
		"ward 00001 lies more than":   bad(func(w *Ward) { w.Polygons[0].Outer[0].LatE7 = -80 * degree }),
		"ward 00001, polygon 1: a ri": bad(func(w *Ward) { w.Polygons[0].Holes = []Ring{nil} }),
	} {
		if _, err := NewWards(1, list); !errors.Is(err, ErrWards) || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
	}
}

func TestOver_KeepsTheWardsOfTheBaseThatTheFileLacks(t *testing.T) {
	sg := square("26740", 107_765_000, 1_067_009_000, km)
	w, err := mustWards(t, sg).Over(Centres())
	if err != nil {
		t.Fatal(err)
	}
	if w.Len() != 168 || w.Version() != 7 {
		t.Errorf("%d wards, version %d", w.Len(), w.Version())
	}
	if d := Route(nil, w, Input{Place: at(107_765_000, 1_067_009_000, 0)}); d.Lead != "ward/26740" || d.Approximate {
		t.Errorf("%+v", d)
	}
	if d := Route(nil, w, Input{Place: at(106_111_200, 1_070_455_100, 0)}); d.Lead != "ward/26704" || !d.Approximate {
		t.Errorf("%+v", d)
	}
}

func FuzzDecodeWards(f *testing.F) {
	f.Add(stored(f).Encode())
	f.Add(Centres().Encode())
	f.Add([]byte{codecVersion, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := DecodeWards(b)
		if err != nil {
			if !errors.Is(err, ErrEncoding) && !errors.Is(err, ErrWards) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		again, err := DecodeWards(w.Encode())
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Fatalf("does not survive: %v", err)
		}
		p := w.list[0].Centre
		d := Route(nil, w, Input{Category: record.Fire, Place: &record.Place{LatE7: p.LatE7, LonE7: p.LonE7, AccuracyCM: 1 << 31}, DeviceWard: "26704"})
		if d.Lead == "" || len(d.Told) == 0 {
			t.Fatalf("no decision: %+v", d)
		}
	})
}

func FuzzAssemble(f *testing.F) {
	parts, err := stored(f).EncodeParts()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parts[0], parts[0])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if w, err := Assemble([][]byte{a, b}); err == nil && w.Len() == 0 {
			t.Fatal("an empty set")
		}
	})
}
