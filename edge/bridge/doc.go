// Package bridge is the station as a client of a broker that is not ours: the
// Mosquitto or EMQX that a ward has already. It takes what devices publish there
// on wardline/v1/{ward}/{device}/report, hands it to a [Handler], and
// acknowledges a message to that broker only when the handler says that it is
// safe. It publishes nothing.
//
// What it promises, as far as the other broker keeps its own promises:
//
//   - A message of QoS 1 is acknowledged after the handler's sync, never before.
//     A station that is killed in between is sent the message again (DUP), and
//     the ledger knows its id. The client id is fixed and the session is kept
//     (clean session false), so the broker stores what comes while the station
//     is down.
//   - A message that cannot be a report (a topic that does not fit, a payload over
//     the limit, no JSON) is kept by the handler and acknowledged: it never stands
//     in the way of the next one.
//   - What cannot be taken now is not acknowledged. Reading goes on, so that an
//     urgent report behind it gets through, and after a while the bridge connects
//     anew: MQTT 3.1.1 brokers send again only to a new connection.
//   - A device behind the bridge speaks under "bridge/device", never under the name
//     of a device of the station.
//   - Everything is bounded: messages and bytes in work, a message's size (cut while
//     it is read, whatever the broker announces), waits, the time of a write.
//
// What the other broker decides: how much it keeps for an absent client
// (Mosquitto: max_queued_messages, 1,000 by default, and persistence true), how
// many unacknowledged messages it sends ahead (max_inflight_messages, 20 by
// default; a small number lets refused routine reports hold up urgent ones, so set
// it to 0 or 1,000), who may publish. What a device publishes at QoS 0 is taken
// too, kept in memory while it cannot be stored, and lost with the station.
//
// A retained message comes anew with every subscription, once per start of the
// station or loss of the broker's session; being a report it carries its id, so
// it is a repeat, not a second report. A filter that was taken out of the
// configuration stays in the broker's session until it is removed there or
// client_id is changed.
//
// About paho v1.5.1, on which this is built: its own reconnecting sleeps without
// jitter and cannot be interrupted, so each connection here is a new paho client
// and the waiting is ours. Its Ack writes to a channel that a slow connection
// blocks, so it is called from a goroutine of ours, never from the ledger's; an Ack
// that comes after its connection has ended is dropped, which is right, since
// the broker sends the message again. Its memory store would hold the payload of every
// message that is refused for now, and a subscriber has nothing to resume, so the
// store given to it keeps nothing. Its decoder allocates what a packet's header
// announces and indexes with what a SUBACK says, so a guard reads each header first.
package bridge
