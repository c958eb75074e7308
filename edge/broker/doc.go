// Package broker is the ward station's MQTT server, for devices that speak
// MQTT 3.1.1 or 5 over TCP or WebSocket.
//
// What it promises:
//
//   - A report (a publish on wardline/v1/{ward}/{device}/report) goes to the
//     Handler, and its PUBACK or PUBREC is written only after the Handler said
//     Accepted or Malformed, in the order in which the publishes came.
//   - No publish of QoS 1 or 2 is dropped: a client that is too fast is not read
//     from until there is room; one that was refused for now (Later) is
//     disconnected once there is room, so that it sends again.
//   - A QoS 2 report reaches the Handler once per session, however often the
//     client repeats the packet, unless it was refused for now.
//   - A publish that is too large or stands on a topic that is not the device's own
//     reaches the Handler too, marked with its Problem, so that it can be kept and
//     refused instead of jamming its sender for ever.
//   - A device reads only its own topics and its ward's alert.
//   - Everything is bounded: connections, connections that have not said who they
//     are, payload bytes in flight, sessions, messages kept for a device.
//
// What it does not do: it keeps nothing on disk. Sessions end with the process,
// and receipts that were waiting in them are derived again by their author. It
// does not read a report's content, and it is no broker between devices.
//
// It stands on github.com/mochi-mqtt/server, which brings the codec and SUBSCRIBE.
// The log-in is our own (login.go), because mochi's would give each client a
// goroutine and a queue for messages that never come. So is the flow of publishes in
// both directions, taken out of the connection before mochi sees it (conn.go), because of
// what v2.7.9 does before its first hook or whatever a hook says: a publish on an
// invalid topic is dropped without an acknowledgement, so that its sender repeats
// it for ever; a 3.1.1 client is thrown out for a topic that it may not use; an
// error from OnPublish is acknowledged to 3.1.1 clients; one table holds the packet
// ids of both directions, so that a client's PUBACK can remove the PUBREC of its
// own QoS 2 publish; redelivery is not in order; a full queue drops QoS 1; and
// NextImmediate takes a read lock twice, which deadlocks against a writer.
// hooks.go says what of mochi's inside it relies on.
//
// The way of a publish: conn.packet, conn.publish, Handler, conn.answered, and the
// writer, which puts all acknowledgements that are ready into one write.
package broker
