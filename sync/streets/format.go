package streets

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
)

// The format is that of the PMTiles specification, version 3.
const (
	headerSize = 127
	// maxDirectory bounds one directory, in bytes as it is read once it is unpacked: its
	// writers hold them to a few hundred kilobytes, also of the whole planet.
	maxDirectory = 1 << 20
	// maxMetadata bounds the description, in bytes.
	maxMetadata = 1 << 20
	// maxTile bounds one tile, in bytes as it lies in the file, and maxPlain unpacked;
	// those of a dense city have some hundred kilobytes.
	maxTile  = 2 << 20
	maxPlain = 8 << 20
	// maxZoom is beyond what any map of streets has.
	maxZoom = 22
	// maxDepth is how many directories lie between the first one and a tile at most.
	maxDepth = 4
)

// Kinds of packing and of tiles, as the header numbers them.
const (
	plain   = 1
	gzipped = 2
	vector  = 1
)

var packings = map[byte]string{0: "an unknown packing", plain: "no packing", gzipped: "gzip", 3: "brotli", 4: "zstd"}
var kinds = map[byte]string{0: "an unknown kind", vector: "vector tiles", 2: "PNG pictures", 3: "JPEG pictures", 4: "WebP pictures", 5: "AVIF pictures"}

// section is a part of the file.
type section struct{ at, size uint64 }

func (s section) within(size int64) bool {
	return s.at <= uint64(size) && s.size <= uint64(size)-s.at
}

// header is the first 127 bytes.
type header struct {
	root, metadata, leaves, tiles section
	internal, packing             byte // of directories and metadata, of tiles
	minZoom, maxZoom              uint8
	bounds                        [4]int32 // west, south, east, north, degrees × 10⁷
}

func parseHeader(b []byte, size int64) (header, error) {
	var h header
	switch {
	case len(b) < headerSize || string(b[:7]) != "PMTiles":
		return h, errors.New("is no PMTiles file")
	case b[7] != 3:
		return h, fmt.Errorf("is PMTiles of version %d, and version 3 is read; convert it with pmtiles convert", b[7])
	}
	u := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	s := func(at int) section { return section{u(at), u(at + 8)} }
	h = header{root: s(8), metadata: s(24), leaves: s(40), tiles: s(56), internal: b[97], packing: b[98], minZoom: b[100], maxZoom: b[101]}
	for i := range h.bounds {
		h.bounds[i] = int32(binary.LittleEndian.Uint32(b[102+4*i:]))
	}
	for _, p := range []struct {
		name string
		s    section
	}{{"first directory", h.root}, {"description", h.metadata}, {"directories", h.leaves}, {"tiles", h.tiles}} {
		if !p.s.within(size) {
			return h, fmt.Errorf("is cut off: its %s should reach to byte %d, and the file has %d; copy it again", p.name, p.s.at+p.s.size, size)
		}
	}
	switch {
	case b[99] != vector:
		return h, fmt.Errorf("holds %s, and only vector tiles are drawn", nameOf(kinds, b[99]))
	case h.internal != plain && h.internal != gzipped, h.packing != plain && h.packing != gzipped:
		return h, fmt.Errorf("is packed with %s and %s, and gzip is read", nameOf(packings, h.internal), nameOf(packings, h.packing))
	case h.minZoom > h.maxZoom || h.maxZoom > maxZoom:
		return h, fmt.Errorf("says that it has the zooms %d to %d", h.minZoom, h.maxZoom)
	}
	return h, nil
}

func nameOf(m map[byte]string, b byte) string {
	if s, ok := m[b]; ok {
		return s
	}
	return fmt.Sprintf("kind %d", b)
}

// entry is a line of a directory: run tiles in a row that share one place in the file,
// or, when run is 0, a further directory.
type entry struct {
	first uint64 // the number of its first tile
	at    uint64
	size  uint32
	run   uint32
}

// parseDirectory reads an unpacked directory: four columns of varints.
func parseDirectory(b []byte) ([]entry, error) {
	r := bytes.NewReader(b)
	next := func(most uint64) (uint64, error) {
		v, err := binary.ReadUvarint(r)
		if err == nil && v > most {
			err = errors.New("a number is too large")
		}
		return v, err
	}
	n, err := next(uint64(len(b)) / 4) // each entry has at least four bytes
	if err != nil {
		return nil, err
	}
	list := make([]entry, n)
	var id uint64
	for i := range list {
		d, err := next(1 << 62)
		if err != nil {
			return nil, err
		}
		if i > 0 && d == 0 || id+d < id {
			return nil, errors.New("its entries are not in order")
		}
		id += d
		list[i].first = id
	}
	for i := range list {
		v, err := next(1 << 31)
		if err != nil {
			return nil, err
		}
		list[i].run = uint32(v)
	}
	for i := range list {
		v, err := next(1 << 31)
		if err != nil {
			return nil, err
		}
		list[i].size = uint32(v)
	}
	for i := range list {
		v, err := next(1 << 62)
		switch {
		case err != nil:
			return nil, err
		case v > 0:
			list[i].at = v - 1
		case i > 0:
			list[i].at = list[i-1].at + uint64(list[i-1].size)
		default:
			return nil, errors.New("its first entry has no place")
		}
	}
	return list, nil
}

// find is the entry under which a tile, or the directory that has it, stands.
func find(list []entry, id uint64) (entry, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].first > id }) - 1
	if i < 0 || list[i].run > 0 && id-list[i].first >= uint64(list[i].run) {
		return entry{}, false
	}
	return list[i], true
}

// number is a tile's place in the order of all tiles: zoom by zoom, within one along a
// Hilbert curve.
func number(z uint8, x, y uint32) uint64 {
	var id uint64
	for i := range z {
		id += 1 << (2 * i)
	}
	for s := uint32(1) << z >> 1; s > 0; s >>= 1 {
		var rx, ry uint32
		if x&s > 0 {
			rx = 1
		}
		if y&s > 0 {
			ry = 1
		}
		id += uint64(s) * uint64(s) * uint64((3*rx)^ry)
		if ry == 0 {
			if rx == 1 {
				x, y = s-1-x&(s-1), s-1-y&(s-1)
			}
			x, y = y, x
		}
	}
	return id
}

// unpack gives what is packed, at most so many bytes of it.
func unpack(b []byte, packing byte, most int) ([]byte, error) {
	if packing == plain {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(most)+1))
	if err == nil && len(out) > most {
		err = fmt.Errorf("has more than %d bytes", most)
	}
	return out, err
}
