// Package streetstest writes small files of map tiles, for tests: PMTiles version 3 with
// Mapbox vector tiles (version 2 of that specification), made here byte by byte.
package streetstest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
)

// Feature is a line, or an area when it is closed, in a layer.
type Feature struct {
	Layer string
	Tags  map[string]string
	// Line is longitude and latitude, degrees. Area: its last point is joined with its first.
	Line [][2]float64
	Area bool
}

// Map is a file to be written.
type Map struct {
	Features         []Feature
	Bounds           [4]float64 // west, south, east, north
	MinZoom, MaxZoom uint8
	Credit           string
	// Leaves puts the tiles into directories behind the first one.
	Leaves bool
	// Plain packs nothing.
	Plain bool
	// Mend changes the header before it is written.
	Mend func(header []byte)
}

const extent = 4096

// project gives a place in the tile at z, x and y, in parts of its extent.
func project(p [2]float64, z uint8, x, y uint32) [2]int {
	n := math.Exp2(float64(z))
	lat := p[1] * math.Pi / 180
	px, py := (p[0]+180)/360*n, (1-math.Asinh(math.Tan(lat))/math.Pi)/2*n
	return [2]int{int(math.Round((px - float64(x)) * extent)), int(math.Round((py - float64(y)) * extent))}
}

func field(b []byte, n int, body []byte) []byte {
	b = binary.AppendUvarint(b, uint64(n)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}

func number(b []byte, n int, v uint64) []byte {
	b = binary.AppendUvarint(b, uint64(n)<<3)
	return binary.AppendUvarint(b, v)
}

// layer encodes the features of one layer that touch the tile; nil when none does.
func layer(name string, list []Feature, z uint8, x, y uint32) []byte {
	var keys, values []string
	index := func(of *[]string, s string) uint64 {
		i := slices.Index(*of, s)
		if i < 0 {
			i, *of = len(*of), append(*of, s)
		}
		return uint64(i)
	}
	var features []byte
	for _, f := range list {
		if f.Layer != name {
			continue
		}
		pts := make([][2]int, len(f.Line))
		touches := [4]int{math.MaxInt, math.MaxInt, math.MinInt, math.MinInt}
		for i, p := range f.Line {
			pts[i] = project(p, z, x, y)
			for a := range 2 {
				touches[a], touches[2+a] = min(touches[a], pts[i][a]), max(touches[2+a], pts[i][a])
			}
		}
		if touches[2] < 0 || touches[3] < 0 || touches[0] > extent || touches[1] > extent {
			continue
		}
		var geometry, tags []byte
		var at [2]int
		for i, p := range pts {
			if i < 2 { // MoveTo once, then LineTo for the rest
				geometry = binary.AppendUvarint(geometry, uint64([]int{1 | 1<<3, 2 | (len(pts)-1)<<3}[i]))
			}
			for a := range 2 {
				d := int64(p[a] - at[a])
				geometry = binary.AppendUvarint(geometry, uint64(d<<1^d>>63))
			}
			at = p
		}
		kind := uint64(2)
		if f.Area {
			kind, geometry = 3, binary.AppendUvarint(geometry, 7|1<<3)
		}
		for _, k := range slices.Sorted(maps.Keys(f.Tags)) {
			tags = binary.AppendUvarint(binary.AppendUvarint(tags, index(&keys, k)), index(&values, f.Tags[k]))
		}
		features = field(features, 2, field(number(field(nil, 2, tags), 3, kind), 4, geometry))
	}
	if features == nil {
		return nil
	}
	b := append(field(nil, 1, []byte(name)), features...)
	for _, k := range keys {
		b = field(b, 3, []byte(k))
	}
	for _, v := range values {
		b = field(b, 4, field(nil, 1, []byte(v)))
	}
	return number(number(b, 5, extent), 15, 2)
}

func (m Map) layers() (names []string) {
	for _, f := range m.Features {
		if !slices.Contains(names, f.Layer) {
			names = append(names, f.Layer)
		}
	}
	return names
}

// Tile is the vector tile at z, x and y, unpacked; nil when nothing is there.
func (m Map) Tile(z uint8, x, y uint32) (b []byte) {
	for _, name := range m.layers() {
		if l := layer(name, m.Features, z, x, y); l != nil {
			b = field(b, 3, l)
		}
	}
	return b
}

func (m Map) pack(b []byte) []byte {
	if m.Plain {
		return b
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

type entry struct{ id, at, size, run uint64 }

func directory(list []entry) (b []byte) {
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := uint64(0)
	for _, e := range list {
		b = binary.AppendUvarint(b, e.id-last)
		last = e.id
	}
	for _, e := range list {
		b = binary.AppendUvarint(b, e.run)
	}
	for _, e := range list {
		b = binary.AppendUvarint(b, e.size)
	}
	for _, e := range list {
		b = binary.AppendUvarint(b, e.at+1)
	}
	return b
}

// Write gives the file. Number says at which place of the format's order a tile stands.
func (m Map) Write(number func(z uint8, x, y uint32) uint64) []byte {
	var list []entry
	var tiles []byte
	for z := m.MinZoom; z <= m.MaxZoom; z++ {
		n := uint32(1) << z
		a, b := project([2]float64{m.Bounds[0], m.Bounds[3]}, z, 0, 0), project([2]float64{m.Bounds[2], m.Bounds[1]}, z, 0, 0)
		for x := uint32(a[0] / extent); x <= min(uint32(b[0]/extent), n-1); x++ {
			for y := uint32(a[1] / extent); y <= min(uint32(b[1]/extent), n-1); y++ {
				if t := m.Tile(z, x, y); t != nil {
					t = m.pack(t)
					list = append(list, entry{number(z, x, y), uint64(len(tiles)), uint64(len(t)), 1})
					tiles = append(tiles, t...)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return int(int64(a.id) - int64(b.id)) })
	var root, leaves []byte
	if m.Leaves {
		var above []entry
		for part := range slices.Chunk(list, 5) {
			d := m.pack(directory(part))
			above = append(above, entry{part[0].id, uint64(len(leaves)), uint64(len(d)), 0})
			leaves = append(leaves, d...)
		}
		root = m.pack(directory(above))
	} else {
		root = m.pack(directory(list))
	}
	type vector struct {
		ID string `json:"id"`
	}
	about := struct {
		Attribution string   `json:"attribution"`
		Layers      []vector `json:"vector_layers"`
	}{m.Credit, nil}
	for _, l := range m.layers() {
		about.Layers = append(about.Layers, vector{l})
	}
	described, err := json.Marshal(about)
	if err != nil {
		panic(err) // texts alone
	}
	described = m.pack(described)
	h := make([]byte, 127)
	copy(h, "PMTiles\x03")
	at := uint64(len(h))
	for i, s := range [][]byte{root, described, leaves, tiles} {
		binary.LittleEndian.PutUint64(h[8+16*i:], at)
		binary.LittleEndian.PutUint64(h[16+16*i:], uint64(len(s)))
		at += uint64(len(s))
	}
	for i := range 3 {
		binary.LittleEndian.PutUint64(h[72+8*i:], uint64(len(list)))
	}
	h[97], h[98], h[99], h[100], h[101] = 2, 2, 1, m.MinZoom, m.MaxZoom
	if m.Plain {
		h[97], h[98] = 1, 1
	}
	for i, v := range m.Bounds {
		binary.LittleEndian.PutUint32(h[102+4*i:], uint32(int32(math.Round(v*1e7))))
	}
	if m.Mend != nil {
		m.Mend(h)
	}
	return slices.Concat(h, root, described, leaves, tiles)
}

// Ward is a map of the ward of the city to try, Phú Mỹ (26704): a river, a park, two main streets, a
// net of small ones and a path.
func Ward() Map {
	m := Map{Bounds: [4]float64{107.0205, 10.579, 107.1005, 10.659}, MinZoom: 8, MaxZoom: 14, Credit: `<a href="#">Bản đồ thử</a>`}
	add := func(layer, kind, name string, area bool, line ...[2]float64) {
		tags := map[string]string{"kind": kind}
		if name != "" {
			tags["name"] = name
		}
		m.Features = append(m.Features, Feature{Layer: layer, Tags: tags, Line: line, Area: area})
	}
	add("water", "river", "Sông Sài Gòn", true, [2]float64{107.0655, 10.659}, [2]float64{107.0725, 10.629}, [2]float64{107.0685, 10.589}, [2]float64{107.0785, 10.589}, [2]float64{107.0835, 10.629}, [2]float64{107.0775, 10.659})
	add("landuse", "park", "Công viên Phú Mỹ", true, [2]float64{107.0425, 10.611}, [2]float64{107.0485, 10.611}, [2]float64{107.0485, 10.606}, [2]float64{107.0425, 10.606})
	for i := range 9 {
		at := 107.0285 + 0.004*float64(i)
		add("roads", "minor_road", "Đường số "+string(rune('1'+i)), false, [2]float64{at, 10.589}, [2]float64{at, 10.639})
		at = 10.594 + 0.004*float64(i)
		add("roads", "minor_road", "", false, [2]float64{107.0255, at}, [2]float64{107.0625, at})
	}
	add("roads", "major_road", "Huỳnh Tấn Phát", false, [2]float64{107.0555, 10.579}, [2]float64{107.0585, 10.609}, [2]float64{107.0515, 10.659})
	add("roads", "highway", "Nguyễn Văn Linh", false, [2]float64{107.0205, 10.617}, [2]float64{107.0405, 10.618}, [2]float64{107.1005, 10.622})
	add("roads", "path", "", false, [2]float64{107.0435, 10.6105}, [2]float64{107.0475, 10.6065})
	return m
}
