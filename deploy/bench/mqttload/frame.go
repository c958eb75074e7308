package mqttload

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Packet types of MQTT 3.1.1, section 2.2.1, with their flags.
const (
	typeConnect    = 0x10
	typeConnack    = 0x20
	typePublish1   = 0x32 // QoS 1, neither DUP nor RETAIN
	typePuback     = 0x40
	typeSubscribe  = 0x82
	typeSuback     = 0x90
	typeDisconnect = 0xe0
)

var errPacket = errors.New("mqttload: malformed packet")

// appendLength appends a remaining length (section 2.2.3).
func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// appendConnect appends a CONNECT (section 3.1) with a clean session.
func appendConnect(b []byte, id, user, password string) []byte {
	flags := byte(0x02)
	size := 10 + 2 + len(id)
	if user != "" {
		flags |= 0xc0
		size += 4 + len(user) + len(password)
	}
	b = appendLength(append(b, typeConnect), size)
	b = append(appendString(b, "MQTT"), 4, flags)
	b = binary.BigEndian.AppendUint16(b, keepAlive)
	b = appendString(b, id)
	if user != "" {
		b = appendString(appendString(b, user), password)
	}
	return b
}

// appendPublish appends a PUBLISH of QoS 1 (section 3.3) and says how far from
// its first byte the packet id and the payload begin.
func appendPublish(b []byte, topic string, packet uint16, payload []byte) (out []byte, idAt, payloadAt int) {
	start := len(b)
	b = appendLength(append(b, typePublish1), 2+len(topic)+2+len(payload))
	b = appendString(b, topic)
	idAt = len(b) - start
	b = binary.BigEndian.AppendUint16(b, packet)
	return append(b, payload...), idAt, idAt + 2
}

// appendSubscribe appends a SUBSCRIBE with QoS 1 (section 3.8).
func appendSubscribe(b []byte, packet uint16, filters []string) []byte {
	size := 2
	for _, f := range filters {
		size += 2 + len(f) + 1
	}
	b = appendLength(append(b, typeSubscribe), size)
	b = binary.BigEndian.AppendUint16(b, packet)
	for _, f := range filters {
		b = append(appendString(b, f), 1)
	}
	return b
}

// next cuts one packet off the front of b; ok is false when it is not whole yet.
func next(b []byte) (kind byte, body, rest []byte, ok bool, err error) {
	if len(b) < 2 {
		return 0, nil, b, false, nil
	}
	n, shift, i := 0, 0, 1
	for {
		if i == len(b) {
			return 0, nil, b, false, nil
		}
		n |= int(b[i]&0x7f) << shift
		shift += 7
		i++
		if b[i-1]&0x80 == 0 {
			break
		}
		if shift > 21 {
			return 0, nil, b, false, fmt.Errorf("%w: remaining length", errPacket)
		}
	}
	if n > maxPacket {
		return 0, nil, b, false, fmt.Errorf("%w: %d bytes, at most %d", errPacket, n, maxPacket)
	}
	if len(b) < i+n {
		return 0, nil, b, false, nil
	}
	return b[0], b[i : i+n], b[i+n:], true, nil
}
