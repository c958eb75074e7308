package routing

import (
	"encoding/binary"
	"errors"
	"fmt"

	"wardline/sync/record"
)

// codecVersion is the first byte of an encoded set of wards. The layout:
//
//	version (1 byte) · data version · number of wards, then for each ward, by
//	code ascending: code (5 bytes) · name · centre · number of polygons, for each:
//	number of rings, the outer first, for each: number of points · points
//
// Numbers are unsigned varints, a name is its length and its bytes. A position is
// two zigzag varints, latitude and longitude in degrees × 10⁷: a centre whole, a
// ring's point as the difference from the one before it (the first from the centre).
const codecVersion = 1

// ErrEncoding says that bytes are no set of wards of a version that is known here.
var ErrEncoding = errors.New("routing: encoded wards")

// Encode writes the set; the same wards give the same bytes, in whatever order
// they were given to [NewWards].
func (w *Wards) Encode() []byte {
	b := []byte{codecVersion}
	b = binary.AppendUvarint(b, uint64(w.version))
	b = binary.AppendUvarint(b, uint64(len(w.list)))
	for _, v := range w.list {
		b = append(b, v.Code...)
		b = binary.AppendUvarint(b, uint64(len(v.Name)))
		b = append(b, v.Name...)
		b = appendPoint(b, Point{}, v.Centre)
		b = binary.AppendUvarint(b, uint64(len(v.Polygons)))
		for _, p := range v.Polygons {
			b = binary.AppendUvarint(b, uint64(1+len(p.Holes)))
			b = appendRing(b, v.Centre, p.Outer)
			for _, h := range p.Holes {
				b = appendRing(b, v.Centre, h)
			}
		}
	}
	return b
}

func appendPoint(b []byte, from, p Point) []byte {
	b = binary.AppendVarint(b, int64(p.LatE7)-int64(from.LatE7))
	return binary.AppendVarint(b, int64(p.LonE7)-int64(from.LonE7))
}

func appendRing(b []byte, from Point, r Ring) []byte {
	b = binary.AppendUvarint(b, uint64(len(r)))
	for _, p := range r {
		b = appendPoint(b, from, p)
		from = p
	}
	return b
}

// DecodeWards reads what [Wards.Encode] wrote. Nothing is allocated beyond
// what the bytes can hold. Errors wrap [ErrEncoding], or [ErrWards] when the
// bytes are sound and the wards are not.
func DecodeWards(b []byte) (*Wards, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: no bytes", ErrEncoding)
	}
	if b[0] != codecVersion {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrEncoding, b[0], codecVersion)
	}
	r := &wardReader{all: len(b), b: b[1:]}
	version := r.number("data version", 1<<32-1)
	list := make([]Ward, 0, min(r.number("number of wards", MaxWards), uint64(len(b))))
	for range cap(list) {
		v := r.ward()
		if r.err != nil {
			break
		}
		if n := len(list); n > 0 && list[n-1].Code >= v.Code {
			r.fail("code: " + string(v.Code) + " does not come after " + string(list[n-1].Code))
			break
		}
		list = append(list, v)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("something stands after the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	return NewWards(uint32(version), list)
}

// wardReader takes values off the front of b; after the first error it gives zeroes.
type wardReader struct {
	all    int
	b      []byte
	points int
	err    error
}

func (r *wardReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: byte %d: %s", ErrEncoding, r.all-len(r.b), what)
	}
	r.b = nil
}

func (r *wardReader) number(what string, most uint64) uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.fail(what + ": cut short")
		return 0
	}
	if n > most {
		r.fail(fmt.Sprintf("%s: %d, at most %d", what, n, most))
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *wardReader) text(what string, n uint64) string {
	if n > uint64(len(r.b)) {
		r.fail(what + ": cut short")
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *wardReader) degrees(what string, from int32, most int64) int32 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.fail(what + ": cut short")
		return 0
	}
	// The difference of two int32 is below 2³³: beyond that the sum could wrap.
	if n > 1<<33 || n < -(1<<33) || int64(from)+n > most || int64(from)+n < -most {
		r.fail(what + ": out of range")
		return 0
	}
	r.b = r.b[w:]
	return int32(int64(from) + n)
}

func (r *wardReader) point(from Point) Point {
	lat := r.degrees("latitude", from.LatE7, maxLat)
	return Point{LatE7: lat, LonE7: r.degrees("longitude", from.LonE7, maxLon)}
}

func (r *wardReader) ward() Ward {
	v := Ward{Code: record.WardCode(r.text("code", 5))}
	v.Name = r.text("name", r.number("length of the name", MaxName))
	v.Centre = r.point(Point{})
	for range r.number("number of polygons", MaxPolygons) {
		rings := r.number("number of rings", MaxPoints)
		if rings == 0 {
			r.fail("number of rings: 0, want at least the outer one")
		}
		var p Polygon
		for i := range rings {
			ring := r.ring(v.Centre)
			if r.err != nil {
				return v
			}
			if i == 0 {
				p.Outer = ring
			} else {
				p.Holes = append(p.Holes, ring)
			}
		}
		if r.err != nil {
			return v
		}
		v.Polygons = append(v.Polygons, p)
	}
	return v
}

func (r *wardReader) ring(from Point) Ring {
	n := r.number("number of points", MaxPoints)
	if r.points += int(n); r.points > MaxPoints {
		r.fail(fmt.Sprintf("more than %d points", MaxPoints))
	}
	if r.err != nil || n > uint64(len(r.b))/2 { // a point needs two bytes
		r.fail("points: cut short")
		return nil
	}
	ring := make(Ring, n)
	for i := range ring {
		from = r.point(from)
		ring[i] = from
	}
	return ring
}
