// Package whole is a drill with the whole city: `wardline city` with its
// separate processes, real sockets and disks, under load, with faults that a seed
// draws; then everything heals, and the promise is checked from outside.
//
// It knows only what a stranger may know: city.json, the HTTP interface, MQTT,
// the panels' ends of their cables, signals and the disks as files. What was
// acknowledged it writes down itself, outside Wardline, at the moment when the
// acknowledgement arrives.
//
// A seed gives the same faults at the same times and the same reports in the
// same order. It does not give the same timing of five processes: run a seed that
// failed several times.
package whole
