package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits of packets that carry no report.
const (
	// maxConnect is a CONNECT without its will: id, user, password, properties.
	maxConnect = 16 << 10
	// maxControl is any other packet that is no PUBLISH: SUBSCRIBE with every
	// filter that a device may have fits a hundred times.
	maxControl = 64 << 10
	// maxProperties are the version 5 properties of one PUBLISH.
	maxProperties = 16 << 10
	// readBuffer holds several reports of usual size, so that one read from the
	// socket brings several.
	readBuffer = 4 << 10
	// readBufferOver is over TLS and WebSocket, which have a buffer of their own.
	readBufferOver = 512
)

// framer takes the packets apart that never reach mochi: PUBLISH and the
// acknowledgements. Its errors that are a packets.Code tell a version 5 client
// why its connection ends; any other comes from the connection itself.
type framer struct {
	br       *bufio.Reader
	version  byte // 4 or 5; 0 before CONNECT
	maxTopic int
	left     int    // bytes of the packet that are still to come
	topic    []byte // the last PUBLISH's topic
	props    []byte // the last PUBLISH's properties
}

func newFramer(r io.Reader, maxTopic, size int) framer {
	return framer{br: bufio.NewReaderSize(r, size), maxTopic: maxTopic}
}

// head is a PUBLISH up to its payload.
type head struct {
	dup, retain bool
	qos         byte
	id          uint16 // 0 with QoS 0
	topic       []byte // until the next packet; cut to the framer's maxTopic
	cut         bool   // the topic was longer
	payload     int    // bytes
}

// next reads a fixed header (MQTT 3.1.1, 2.2); all of the packet before must
// have been read.
func (f *framer) next() (first byte, err error) {
	if first, err = f.br.ReadByte(); err != nil {
		return 0, err
	}
	f.left = 0
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return 0, packets.ErrMalformedVariableByteInteger
		}
		b, err := f.br.ReadByte()
		if err != nil {
			return 0, err
		}
		f.left |= int(b&0x7f) << shift
		if b < 0x80 {
			return first, nil
		}
	}
}

// take reads n bytes of the packet into b.
func (f *framer) take(b []byte, n int) ([]byte, error) {
	if n > f.left {
		return b, packets.ErrMalformedPacket
	}
	f.left -= n
	at := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(f.br, b[at:])
	return b, err
}

func (f *framer) takeByte() (byte, error) {
	if f.left < 1 {
		return 0, packets.ErrMalformedPacket
	}
	f.left--
	return f.br.ReadByte()
}

func (f *framer) takeUint16() (uint16, error) {
	if f.left < 2 {
		return 0, packets.ErrMalformedPacket
	}
	f.left -= 2
	p, err := f.br.Peek(2)
	if err != nil {
		return 0, err
	}
	v := binary.BigEndian.Uint16(p)
	_, err = f.br.Discard(2)
	return v, err
}

// skip reads n bytes of the packet and forgets them.
func (f *framer) skip(n int) error {
	if n > f.left {
		return packets.ErrMalformedPacket
	}
	f.left -= n
	_, err := f.br.Discard(n)
	return err
}

// head reads a PUBLISH up to its payload (MQTT 3.1.1 and 5, 3.3).
func (f *framer) head(first byte) (h head, err error) {
	h = head{dup: first&0x08 != 0, qos: first >> 1 & 3, retain: first&1 != 0}
	if h.qos == 3 {
		return h, packets.ErrMalformedQos // [MQTT-3.3.1-4]
	}
	if h.dup && h.qos == 0 {
		return h, packets.ErrProtocolViolationDupNoQos // [MQTT-3.3.1-2]
	}
	n, err := f.takeUint16()
	if err != nil {
		return h, err
	}
	keep := min(int(n), f.maxTopic)
	if f.topic, err = f.take(f.topic[:0], keep); err != nil {
		return h, err
	}
	h.topic, h.cut = f.topic, keep < int(n)
	if err = f.skip(int(n) - keep); err != nil {
		return h, err
	}
	if h.qos > 0 {
		if h.id, err = f.takeUint16(); err != nil {
			return h, err
		}
		if h.id == 0 {
			return h, packets.ErrProtocolViolationNoPacketID // [MQTT-2.2.1-3]
		}
	}
	if f.version == 5 {
		if err = f.properties(); err != nil {
			return h, err
		}
	}
	h.payload = f.left
	return h, nil
}

// properties reads and checks the properties of a PUBLISH. None of them means
// anything to a report; a topic alias was not offered.
func (f *framer) properties() error {
	f.props = f.props[:0]
	n := 0
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return packets.ErrMalformedVariableByteInteger
		}
		b, err := f.takeByte()
		if err != nil {
			return err
		}
		f.props = append(f.props, b)
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n == 0 {
		return nil
	}
	if n > maxProperties {
		return packets.ErrPacketTooLarge
	}
	var err error
	if f.props, err = f.take(f.props, n); err != nil {
		return err
	}
	var p packets.Properties
	if _, err := p.Decode(packets.Publish, bytes.NewBuffer(f.props)); err != nil {
		return packets.ErrMalformedProperties
	}
	switch {
	case p.TopicAliasFlag:
		return packets.ErrTopicAliasInvalid // [MQTT-3.3.2-9]
	case len(p.SubscriptionIdentifier) > 0:
		return packets.ErrProtocolViolationSurplusSubID // [MQTT-3.3.4-6]
	}
	return nil
}

// payload reads what is left of a PUBLISH and returns the first keep bytes.
func (f *framer) payload(keep int) ([]byte, error) {
	b, err := f.take(nil, min(keep, f.left))
	if err != nil {
		return nil, err
	}
	return b, f.skip(f.left)
}

// ack reads a PUBACK, PUBREC, PUBREL or PUBCOMP.
func (f *framer) ack(first byte) (id uint16, err error) {
	want := byte(0)
	if first>>4 == packets.Pubrel {
		want = 2 // [MQTT-3.6.1-1]
	}
	if first&0x0f != want {
		return 0, packets.ErrMalformedFlags
	}
	if id, err = f.takeUint16(); err != nil {
		return 0, err
	}
	return id, f.skip(f.left) // version 5 may give a reason, which changes nothing
}

// appendHeader appends a fixed header (MQTT 3.1.1, 2.2).
func appendHeader(b []byte, first byte, size int) []byte {
	return appendLength(append(b, first), size)
}

func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// appendAck appends a PUBACK, PUBREC or PUBCOMP. The code and the reason are for
// version 5 only; max is the client's largest packet, 0 for none.
func appendAck(b []byte, kind byte, id uint16, version, code byte, reason string, max uint32) []byte {
	if version < 5 || code == 0 {
		return append(b, kind<<4, 2, byte(id>>8), byte(id))
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	if max > 0 && uint32(len(reason))+12 > max { // [MQTT-3.4.2-2]
		reason = ""
	}
	props := 0
	if reason != "" {
		props = 3 + len(reason)
	}
	b = appendHeader(b, kind<<4, 3+len(appendLength(nil, props))+props)
	b = append(b, byte(id>>8), byte(id), code)
	b = appendLength(b, props)
	if reason != "" {
		b = append(b, packets.PropReasonString, byte(len(reason)>>8), byte(len(reason)))
		b = append(b, reason...)
	}
	return b
}

// maxReason is the longest reason told to a client: a field's name and what to do.
const maxReason = 512

// appendPublish appends a PUBLISH without properties.
func appendPublish(b []byte, m *message, version byte, dup bool) []byte {
	first := byte(packets.Publish)<<4 | m.qos<<1
	if dup {
		first |= 0x08
	}
	if m.retain {
		first |= 0x01
	}
	b = appendHeader(b, first, m.size(version))
	b = append(b, byte(len(m.topic)>>8), byte(len(m.topic)))
	b = append(b, m.topic...)
	if m.qos > 0 {
		b = append(b, byte(m.id>>8), byte(m.id))
	}
	if version == 5 {
		b = append(b, 0)
	}
	return append(b, m.payload...)
}

// isProtocol says whether an error is the client's doing.
func isProtocol(err error) (packets.Code, bool) {
	var code packets.Code
	ok := errors.As(err, &code)
	return code, ok
}

// errFirst is a connection that does not begin with CONNECT.
var errFirst = fmt.Errorf("first packet: %w", packets.ErrProtocolViolationRequireFirstConnect)
