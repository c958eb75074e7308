package routing

import (
	"fmt"
	"math"
	"strconv"
)

// coordinates reads the nested arrays of RFC 7946, section 3.1, out of text that
// is known to be JSON. It is written by hand because encoding/json takes null
// for zero and makes a slice for every position.
type coordinates struct {
	text    []byte
	pos     int
	at      [3]int // polygon, ring, point being read, from 1
	points  int
	room    int // points that may still come
	dropped int // rings without area
}

func (c *coordinates) fail(format string, args ...any) error {
	field := "geometry.coordinates"
	for i, n := range c.at {
		if n > 0 {
			field += fmt.Sprintf(", %s %d", [...]string{"polygon", "ring", "point"}[i], n)
		}
	}
	return &InputError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// peek is the next byte that is not space; 0 at the end.
func (c *coordinates) peek() byte {
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; b {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return b
		}
	}
	return 0
}

// array reads an array and calls item before each of its values, from 1.
func (c *coordinates) array(of string, item func(i int) error) error {
	if c.peek() != '[' {
		return c.fail("want an array of %s here, not %s", of, clip(c.text[c.pos:]))
	}
	c.pos++
	if c.peek() == ']' {
		c.pos++
		return nil
	}
	for i := 1; ; i++ {
		if err := item(i); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.pos++
		case ']':
			c.pos++
			return nil
		default:
			return c.fail("want , or ] after a value, not %s", clip(c.text[c.pos:]))
		}
	}
}

// polygon reads an array of rings; without an outer ring that has an area the
// polygon is empty.
func (c *coordinates) polygon() (Polygon, error) {
	var p Polygon
	err := c.array("rings", func(i int) error {
		c.at[1] = i
		r, err := c.ring()
		if err != nil {
			return err
		}
		if len(r) < 3 || areaOf(r) == 0 {
			c.dropped++
			r = nil
		}
		switch {
		case i == 1:
			p.Outer = r
		case r != nil && p.Outer != nil:
			p.Holes = append(p.Holes, r)
		}
		c.points += len(r)
		c.room -= len(r)
		return nil
	})
	c.at[1] = 0
	if p.Outer == nil {
		p = Polygon{}
	}
	return p, err
}

// ring reads an array of positions, without repetitions and without the last
// when it closes the ring.
func (c *coordinates) ring() (Ring, error) {
	var r Ring
	err := c.array("positions", func(i int) error {
		c.at[2] = i
		p, err := c.position()
		if err != nil {
			return err
		}
		if n := len(r); n > 0 && r[n-1] == p {
			return nil
		}
		if len(r) > c.room {
			return c.fail("more than %d points in the file: simplify the boundaries (1 m is finer than any phone)", MaxPoints)
		}
		r = append(r, p)
		if span := int64(r[0].LonE7) - int64(p.LonE7); span > maxSpan || span < -maxSpan {
			return c.fail("more than %d° of longitude away from the ring's first point: is a coordinate wrong?", maxSpan/degree)
		}
		if span := int64(r[0].LatE7) - int64(p.LatE7); span > maxSpan || span < -maxSpan {
			return c.fail("more than %d° of latitude away from the ring's first point: is a coordinate wrong?", maxSpan/degree)
		}
		return nil
	})
	c.at[2] = 0
	for len(r) > 1 && r[len(r)-1] == r[0] {
		r = r[:len(r)-1]
	}
	return r, err
}

// position reads longitude and latitude; altitude and what else follows is passed over.
func (c *coordinates) position() (Point, error) {
	var v [2]float64
	n := 0
	err := c.array("numbers", func(int) error {
		f, err := c.number()
		if n < 2 {
			v[n] = f
		}
		n++
		return err
	})
	if err != nil {
		return Point{}, err
	}
	if n < 2 {
		return Point{}, c.fail("%d numbers, want longitude and latitude", n)
	}
	lon, lat := v[0], v[1]
	if math.Abs(lat) > 90 && math.Abs(lat) <= 180 && math.Abs(lon) <= 90 {
		return Point{}, c.fail("latitude %v: the longitude must come first (RFC 7946, section 3.1.1)", lat)
	}
	if math.Abs(lon) > 180 || math.Abs(lat) > 90 {
		return Point{}, c.fail("longitude %v, latitude %v are not degrees: convert the file to WGS 84 (EPSG:4326)", lon, lat)
	}
	return Point{LatE7: int32(math.Round(lat * degree)), LonE7: int32(math.Round(lon * degree))}, nil
}

func (c *coordinates) number() (float64, error) {
	c.peek()
	from := c.pos
	for c.pos < len(c.text) && (c.text[c.pos] >= '0' && c.text[c.pos] <= '9' || c.text[c.pos] == '.' || c.text[c.pos] == '-' ||
		c.text[c.pos] == '+' || c.text[c.pos] == 'e' || c.text[c.pos] == 'E') {
		c.pos++
	}
	f, err := strconv.ParseFloat(string(c.text[from:c.pos]), 64)
	if err != nil {
		return 0, c.fail("want a number, not %s", clip(c.text[from:]))
	}
	return f, nil
}
