package broker

import (
	"bytes"
	"slices"

	"wardline/sync/record"
)

// announcement is what a ward's devices are to know now, and who hears that one knows it.
type announcement struct {
	payload []byte
	took    func(device string)
}

// Announce says what all devices of a ward are to know from now on: a retained message
// on its alert topic. Those that read it get it at once, others when they subscribe; one that
// waits for a device is replaced. took, if not nil, is called for a device that
// acknowledged it (QoS 1), from the goroutine that reads its connection, and must not
// block. It returns how many devices it was queued for. An empty payload takes it back.
//
// The payload must not be changed afterwards.
func (b *Broker) Announce(ward record.WardCode, payload []byte, took func(device string)) (devices int) {
	b.mu.Lock()
	if len(payload) == 0 {
		delete(b.said, ward)
	} else {
		b.said[ward] = announcement{payload, took}
	}
	b.mu.Unlock()
	if len(payload) == 0 {
		return 0
	}
	topic := AlertTopic(ward)
	for _, s := range b.allSessions() {
		if s.announce(b, topic, payload, took) {
			devices++
		}
	}
	return devices
}

// announce queues an announcement in place of an older one that is not on its way.
func (s *session) announce(b *Broker, topic string, payload []byte, took func(string)) bool {
	s.mu.Lock()
	qos, ok := s.readsLocked(topic)
	if !ok || qos == 0 && (s.conn == nil || !s.ready) {
		s.mu.Unlock()
		return false
	}
	ok = s.sayLocked(b, &message{topic: topic, payload: payload, qos: qos, took: took})
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.wakeUp()
	}
	return ok
}

func (s *session) sayLocked(b *Broker, m *message) bool {
	for i := len(s.queue) - 1; i >= s.sent; i-- {
		if s.queue[i].topic == m.topic {
			s.removeLocked(b, i)
		}
	}
	return s.addLocked(b, m)
}

// remind queues what the ward's devices are to know for a device that has just subscribed.
func (s *session) remind(b *Broker, c *conn, filters []string) {
	b.mu.Lock()
	a, ok := b.said[c.dev.Ward]
	b.mu.Unlock()
	topic := AlertTopic(c.dev.Ward)
	if !ok || !slices.ContainsFunc(filters, func(f string) bool { return matches(f, topic) }) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	here := func(m *message) bool { return m.topic == topic && bytes.Equal(m.payload, a.payload) } // announced meanwhile
	if qos, reads := s.readsLocked(topic); reads && s.conn == c && !slices.ContainsFunc(s.queue, here) {
		s.sayLocked(b, &message{topic: topic, payload: a.payload, qos: qos, retain: true, took: a.took})
	}
}
