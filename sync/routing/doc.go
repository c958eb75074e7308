// Package routing decides who is told of a report, who leads, and until when
// each step must be done: (rules, wards, report) -> units and deadlines. The
// core's state machine calls it for every report; a station calls the same code
// while the city is away.
//
// It promises that the same input gives the same decision on every node:
// [Route] reads no clock and no file, holds no state, uses no floating point
// and does not depend on the order of a map, of the wards, of a ring's points
// or on a ring's direction. Positions are degrees × 10⁷ in int32, sums are int64.
// [Algorithm] names the version of the reasoning; a change of any decision
// needs a new one.
//
// Rules ([Rules]) and ward boundaries ([Wards]) are data: they travel as log
// entries, boundaries in parts, and take effect by an entry of their own. What
// is compiled in is only the default: sample rules for the owner to confirm,
// and the centres of the city's 168 wards, which route approximately.
//
// The package does not judge whether a time is plausible (the doors do), does
// not write entries, and never re-routes what was routed.
package routing
