package record

import (
	"fmt"
	"strings"
)

// WardCode is the five-digit code of a commune-level unit, as the General
// Statistics Office numbers them ("26704" is Phú Mỹ).
type WardCode string

// Valid says whether the code is five digits.
func (w WardCode) Valid() bool {
	if len(w) != 5 {
		return false
	}
	for _, c := range []byte(w) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// UnitID names a unit that can be told of an incident: "ward/26704", a
// department such as "PC07", or "command".
type UnitID string

// Command is the command centre, which is told of every incident.
const Command UnitID = "command"

// WardUnit is the unit of a ward's police post.
func WardUnit(w WardCode) UnitID { return UnitID("ward/" + string(w)) }

// Ward is the ward whose police post this unit is; ok is false for a
// department and for the command centre.
func (u UnitID) Ward() (w WardCode, ok bool) {
	s, found := strings.CutPrefix(string(u), "ward/")
	return WardCode(s), found && WardCode(s).Valid()
}

// Category is what kind of event a report is about; a closed list.
type Category string

// The categories that a source may name.
const (
	Security        Category = "security"
	Crime           Category = "crime"
	TrafficAccident Category = "traffic_accident"
	Fire            Category = "fire"
	Emergency       Category = "emergency"
	Medical         Category = "medical"
	Panic           Category = "panic"
	Feedback        Category = "feedback"
)

// Categories lists every category, in the order in which people are shown them.
var Categories = []Category{Panic, Fire, Emergency, Medical, Crime, TrafficAccident, Security, Feedback}

// Valid says whether the category is one of the list.
func (c Category) Valid() bool {
	for _, k := range Categories {
		if c == k {
			return true
		}
	}
	return false
}

// Priority runs from 1 (life in danger) to 4 (no hurry); 0 means not set.
type Priority uint8

// String is the form that people read, "P1" to "P4".
func (p Priority) String() string { return fmt.Sprintf("P%d", uint8(p)) }

// LaneID names one of the logs that an origin writes side by side. Numbers
// are part of the stored format.
type LaneID uint32

// The lanes of a station; the core's own log and its outboxes are lanes too.
const (
	Urgent    LaneID = 1
	Routine   LaneID = 2
	Telemetry LaneID = 3
	// CityLog is the lane in which the core's own entries stand.
	CityLog LaneID = 4
	// downBase is added to a ward's number to name its outbox at the core.
	downBase LaneID = 1 << 20
)

// DownLane is the core's outbox for one ward's station, "down/26704".
func DownLane(w WardCode) LaneID {
	n := LaneID(0)
	for _, c := range []byte(w) {
		n = n*10 + LaneID(c-'0')
	}
	return downBase + n
}

// String is the lane's name as it stands in interfaces.
func (l LaneID) String() string {
	switch l {
	case Urgent:
		return "urgent"
	case Routine:
		return "routine"
	case Telemetry:
		return "telemetry"
	case CityLog:
		return "city"
	}
	if l >= downBase {
		return fmt.Sprintf("down/%05d", uint32(l-downBase))
	}
	return fmt.Sprintf("lane-%d", uint32(l))
}

// Place is a position in WGS 84. Degrees are held as integers × 10⁷ so that
// every node computes the same from them; accuracy is in centimetres.
type Place struct {
	LatE7, LonE7 int32
	AccuracyCM   uint32
	// FixedAt is when the position was taken, milliseconds since the Unix
	// epoch, UTC; 0 means not said.
	FixedAt int64
}
