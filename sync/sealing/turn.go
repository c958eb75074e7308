package sealing

import "time"

// How often wrapping keys change by themselves, in days. An erasure is complete only when the key
// before is destroyed, so that a month is the most that anybody may be told; each change wraps
// every key anew, which a day of a busy city's work must outweigh.
const (
	DefaultTurnDays = 7
	MinTurnDays     = 1
	MaxTurnDays     = 31
)

// Turn is the time between two changes; 0 days is the default.
func Turn(days int) time.Duration {
	if days == 0 {
		days = DefaultTurnDays
	}
	return time.Duration(days) * 24 * time.Hour
}

// GoodTurn says whether a setting is the default or within the bounds.
func GoodTurn(days int) bool { return days == 0 || days >= MinTurnDays && days <= MaxTurnDays }
