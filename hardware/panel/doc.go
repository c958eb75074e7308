// Package panel is the seam between bytes on an alarm line and what they mean.
//
// A Decoder, one package per protocol beside this one, is fed a byte stream in
// pieces of any size and yields Frames: what was received byte for byte, the
// events in it, and the bytes that answer it. Classify says what an event does
// (opens an incident, attaches to one, is a status or a test), Profile says how
// one line is set, and Supervisor measures how long a line has been silent.
//
// It promises that the same bytes give the same frames however they were cut,
// that nothing complete disappears (a frame that fits no profile is a frame of
// kind Unfit, with its bytes), that memory stays bounded whatever comes in, and
// that a test code never opens an incident.
//
// It opens no port, writes no byte and stores nothing. When an answer may be
// written is said by Frame.Immediate: everything that becomes an entry is
// answered only after the caller has synced it.
package panel
