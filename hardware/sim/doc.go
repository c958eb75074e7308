// Package sim holds devices that are not there, over the same wires as real
// ones: Pair is a serial cable made of two pseudo-terminals, Panel and Button
// play an alarm receiver and a panic button on one end of it, Alarms and
// Presses say what happens to them.
//
// What happens comes from a seed: the same seed gives the same events in the
// same order. The players keep to their protocol's stop-and-wait: one frame,
// then its answer, again until it is answered; no event is given up. A
// simulated device is silent until its Run runs, and says everything that it
// sent and what was answered.
//
// It checks nothing about the station and stores nothing.
package sim
