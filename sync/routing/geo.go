package routing

import (
	"math"
	"math/bits"
)

const (
	// degree is one degree in the unit of positions, 10⁻⁷ degree.
	degree = 10_000_000
	maxLat = 90 * degree
	maxLon = 180 * degree

	// nanometres is the length of one unit of latitude: a 10⁻⁷ degree on a sphere
	// of the mean earth radius 6,371,008.8 m (IUGG). Against the WGS 84 ellipsoid
	// a distance is wrong by at most 0.6 %, far below a phone's accuracy.
	nanometres = 11_119_508

	// far is more than any distance squared.
	far = int64(math.MaxInt64)
)

// Point is a position in WGS 84, degrees × 10⁷.
type Point struct {
	LatE7, LonE7 int32
}

func (p Point) valid() bool {
	return p.LatE7 >= -maxLat && p.LatE7 <= maxLat && p.LonE7 >= -maxLon && p.LonE7 <= maxLon
}

// unitsOfCM converts centimetres into units of latitude, rounded up.
func unitsOfCM(cm int64) int64 {
	return (cm*10_000_000 + nanometres - 1) / nanometres
}

// metresOf converts units of latitude into metres, rounded up.
func metresOf(units int64) uint32 {
	return uint32((units*nanometres + 999_999_999) / 1_000_000_000)
}

// frame is the plane around one place: x and y in units of latitude, the place
// at the origin, longitude shortened by the cosine of the place's latitude.
type frame struct {
	lat, lon, cos int64
}

func newFrame(p Point) frame {
	return frame{lat: int64(p.LatE7), lon: int64(p.LonE7), cos: cosine(int64(p.LatE7))}
}

func (f *frame) x(lon int32) int64 { return (int64(lon) - f.lon) * f.cos >> 30 }
func (f *frame) y(lat int32) int64 { return int64(lat) - f.lat }

// dist2 is the squared distance to a point; a point half the world away is far.
func (f *frame) dist2(p Point) int64 {
	x, y := f.x(p.LonE7), f.y(p.LatE7)
	if x > maxLon || x < -maxLon {
		return far
	}
	return x*x + y*y // at most 2 × 1.8e9², below 2⁶³
}

// segment2 is the squared distance from the origin to the segment a–b, rounded
// down; the same for b–a. Coordinates stay below 2³⁰ (wards span at most
// maxSpan, the place is at most maxSnap away), so that sums of two products
// stay below 2⁶²; the square of the cross product is held in 128 bits.
func segment2(ax, ay, bx, by int64) int64 {
	dx, dy := bx-ax, by-ay
	length2 := dx*dx + dy*dy
	t := -(ax*dx + ay*dy)
	if t <= 0 {
		return ax*ax + ay*ay
	}
	if t >= length2 {
		return bx*bx + by*by
	}
	cross := ax*dy - ay*dx
	if cross < 0 {
		cross = -cross
	}
	// cross² / length² is below |a|², so the quotient fits and Div64 cannot panic.
	hi, lo := bits.Mul64(uint64(cross), uint64(cross))
	q, _ := bits.Div64(hi, lo, uint64(length2))
	return int64(q)
}

// root is the integer square root, rounded up.
func root(n int64) int64 {
	if n <= 0 {
		return 0
	}
	r := int64(1) << ((bits.Len64(uint64(n)) + 1) / 2) // not below the root
	for {
		next := (r + n/r) / 2
		if next >= r {
			break
		}
		r = next
	}
	if r*r < n {
		r++
	}
	return r
}

// Distance is how far two places are apart, in metres, rounded up; meant for places of
// one city (a plane around the first).
func Distance(a, b Point) uint32 {
	f := newFrame(a)
	d := f.dist2(b)
	if d == far {
		return math.MaxUint32
	}
	return metresOf(root(d))
}
