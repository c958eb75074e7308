package streets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxKept bounds the entries of directories that are kept in memory: 24 bytes each.
const maxKept = 1 << 16

// File is a tile file whose header and first directory hold.
type File struct {
	r      io.ReaderAt
	h      header
	root   []entry
	layers []string
	credit string

	mu    sync.Mutex // guards below
	kept  map[uint64][]entry
	order []uint64 // of kept, the oldest first
	sum   int      // entries in kept
}

// ErrNoTile says that the file has nothing at a place.
var ErrNoTile = errors.New("streets: no tile there")

// Read checks a file of size bytes. Its error says what is wrong with the file, as the
// end of a sentence that begins with the file.
func Read(r io.ReaderAt, size int64) (*File, error) {
	b := make([]byte, min(headerSize, size))
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	h, err := parseHeader(b, size)
	if err != nil {
		return nil, err
	}
	f := &File{r: r, h: h, kept: map[uint64][]entry{}}
	if f.root, err = f.directory(h.root); err != nil {
		return nil, fmt.Errorf("has a first directory that cannot be read: %w", err)
	}
	if err := f.describe(); err != nil {
		return nil, fmt.Errorf("has a description that cannot be read: %w", err)
	}
	return f, nil
}

// tag is markup in a credit.
var tag = regexp.MustCompile(`<[^>]*>`)

// maxCredit bounds what stands in the map's corner, in characters.
const maxCredit = 120

// describe reads the metadata: which layers there are, and who must be named.
func (f *File) describe() error {
	if f.h.metadata.size == 0 {
		return nil
	}
	b, err := f.bytes(f.h.metadata, maxMetadata)
	if err != nil {
		return err
	}
	if b, err = unpack(b, f.h.internal, maxMetadata); err != nil {
		return err
	}
	var m struct {
		Attribution string `json:"attribution"`
		Layers      []struct {
			ID string `json:"id"`
		} `json:"vector_layers"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for _, l := range m.Layers {
		f.layers = append(f.layers, l.ID)
	}
	f.credit = strings.TrimSpace(tag.ReplaceAllString(m.Attribution, ""))
	if utf8.RuneCountInString(f.credit) > maxCredit {
		f.credit = string([]rune(f.credit)[:maxCredit-1]) + "…"
	}
	return nil
}

// bytes reads a part of the file.
func (f *File) bytes(s section, most uint64) ([]byte, error) {
	if s.size > most {
		return nil, fmt.Errorf("has %d bytes, and at most %d are read", s.size, most)
	}
	b := make([]byte, s.size)
	_, err := f.r.ReadAt(b, int64(s.at))
	if errors.Is(err, io.EOF) && s.size > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func (f *File) directory(s section) ([]entry, error) {
	b, err := f.bytes(s, maxDirectory)
	if err != nil {
		return nil, err
	}
	if b, err = unpack(b, f.h.internal, maxDirectory); err != nil {
		return nil, err
	}
	return parseDirectory(b)
}

// leaf is a further directory, kept while there is room.
func (f *File) leaf(e entry) ([]entry, error) {
	f.mu.Lock()
	list, ok := f.kept[e.at]
	f.mu.Unlock()
	if ok {
		return list, nil
	}
	s := section{f.h.leaves.at + e.at, uint64(e.size)}
	if e.at > f.h.leaves.size || s.size > f.h.leaves.size-e.at {
		return nil, errors.New("a directory lies outside the file's directories")
	}
	list, err := f.directory(s)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.kept[e.at]; ok {
		return list, nil
	}
	for len(f.order) > 0 && f.sum+len(list) > maxKept {
		f.sum -= len(f.kept[f.order[0]])
		delete(f.kept, f.order[0])
		f.order = f.order[1:]
	}
	f.kept[e.at], f.order, f.sum = list, append(f.order, e.at), f.sum+len(list)
	return list, nil
}

// Tile gives the tile at a zoom, column and row (Web Mercator, from the north-west), as
// it lies in the file, and whether that is gzip. ErrNoTile where there is none.
func (f *File) Tile(z uint8, x, y uint32) (b []byte, gz bool, err error) {
	if z < f.h.minZoom || z > f.h.maxZoom || x>>z > 0 || y>>z > 0 {
		return nil, false, ErrNoTile
	}
	id, list := number(z, x, y), f.root
	for range maxDepth {
		e, ok := find(list, id)
		if !ok {
			return nil, false, ErrNoTile
		}
		if e.run == 0 {
			if list, err = f.leaf(e); err != nil {
				return nil, false, fmt.Errorf("streets: the directory of tile %d/%d/%d: %w", z, x, y, err)
			}
			continue
		}
		if e.at > f.h.tiles.size || uint64(e.size) > f.h.tiles.size-e.at {
			return nil, false, fmt.Errorf("streets: tile %d/%d/%d lies outside the file's tiles", z, x, y)
		}
		if b, err = f.bytes(section{f.h.tiles.at + e.at, uint64(e.size)}, maxTile); err != nil {
			return nil, false, fmt.Errorf("streets: tile %d/%d/%d: %w", z, x, y, err)
		}
		return b, f.h.packing == gzipped, nil
	}
	return nil, false, fmt.Errorf("streets: tile %d/%d/%d lies deeper than %d directories", z, x, y, maxDepth)
}

// Plain unpacks a tile that Tile gave as gzip.
func Plain(b []byte) ([]byte, error) { return unpack(b, gzipped, maxPlain) }
