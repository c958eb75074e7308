package broker

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// A session's queue: messages for the device, in order, each until it is
// acknowledged. All of them start at the station.

// enqueue puts a message into the queue if the device reads its topic, and says
// whether it did. A device without a subscription, or offline with one of QoS 0,
// gets nothing, as MQTT has it.
func (s *session) enqueue(b *Broker, topic string, payload []byte) bool {
	s.mu.Lock()
	qos, ok := s.readsLocked(topic)
	if !ok || qos == 0 && (s.conn == nil || !s.ready) {
		s.mu.Unlock()
		return false
	}
	ok = s.addLocked(b, &message{topic: topic, payload: payload, qos: qos})
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.wakeUp()
	}
	return ok
}

// readsLocked is the highest QoS with which the device reads a topic.
func (s *session) readsLocked(topic string) (qos byte, ok bool) {
	for filter, sub := range s.subs {
		if matches(filter, topic) {
			qos, ok = max(qos, sub.qos), true
		}
	}
	return qos, ok
}

// addLocked puts a message at the end. When there is no room the oldest that is not
// on its way makes some; if all are, the new one is dropped.
func (s *session) addLocked(b *Broker, m *message) bool {
	n := len(m.topic) + len(m.payload)
	for len(s.queue) >= b.cfg.MaxQueue || s.bytes+n > b.cfg.MaxQueueBytes || b.queued.Load()+int64(n) > b.cfg.MaxAllQueues {
		b.stats.dropped.Add(1)
		if s.sent >= len(s.queue) {
			return false
		}
		s.removeLocked(b, s.sent)
	}
	s.queue = append(s.queue, m)
	s.bytes += n
	b.queued.Add(int64(n))
	return true
}

func (s *session) removeLocked(b *Broker, i int) {
	n := len(s.queue[i].topic) + len(s.queue[i].payload)
	s.bytes -= n
	b.queued.Add(-int64(n))
	s.queue = slices.Delete(s.queue, i, i+1)
	if i < s.sent {
		s.sent--
	}
}

// deliver appends what the client may have now. A message that was sent before the
// connection broke keeps its id and goes with DUP, in the old order
// ([MQTT-4.4.0-1], [MQTT-4.6.0-1]).
func (s *session) deliver(c *conn, buf []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || !s.ready {
		return buf
	}
	for s.sent < len(s.queue) && s.sent < c.sendMax && len(buf) < maxOut {
		m := s.queue[s.sent]
		if c.maxPacket > 0 && m.size(c.version)+5 > int(c.maxPacket) { // [MQTT-3.1.2-24]
			c.b.stats.dropped.Add(1)
			s.removeLocked(c.b, s.sent)
			continue
		}
		again := m.id != 0
		if m.qos > 0 && !again {
			m.id = s.nextIDLocked()
		}
		buf = appendPublish(buf, m, c.version, again)
		if m.qos == 0 {
			s.removeLocked(c.b, s.sent)
			continue
		}
		s.sent++
	}
	return buf
}

// nextIDLocked is a packet id that no waiting message has.
func (s *session) nextIDLocked() uint16 {
	for {
		if s.lastID == math.MaxUint16 {
			s.lastID = 0
		}
		s.lastID++
		if !slices.ContainsFunc(s.queue, func(m *message) bool { return m.id == s.lastID }) {
			return s.lastID
		}
	}
}

// acknowledged takes a PUBACK and says whether it ended a message.
func (s *session) acknowledged(c *conn, id uint16) bool {
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return false
	}
	i := slices.IndexFunc(s.queue[:s.sent], func(m *message) bool { return m.id == id })
	var took func(string)
	if i >= 0 {
		took = s.queue[i].took
		s.removeLocked(c.b, i)
	}
	s.mu.Unlock()
	if took != nil {
		took(c.dev.ID)
	}
	return i >= 0
}

// subscribe notes a subscription and says whether it is new.
func (s *session) subscribe(c *conn, filter string, x sub) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return false
	}
	_, old := s.subs[filter]
	s.subs[filter] = x
	return !old
}

// filters are those of the subscriptions.
func (s *session) filters() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.subs))
}

func (s *session) unsubscribe(c *conn, filter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == c {
		delete(s.subs, filter)
	}
}

// show queues a status for its own device: the retained one for the filters that
// it has just subscribed to, or, with filters nil, one that it has just published.
func (s *session) show(b *Broker, c *conn, filters []string, payload []byte, retain bool) {
	topic := StatusTopic(c.dev.Ward, c.dev.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return
	}
	m, found := &message{topic: topic, payload: payload}, false
	for filter, x := range s.subs {
		if !matches(filter, topic) {
			continue
		}
		if filters == nil && x.noLocal || filters != nil && !slices.Contains(filters, filter) {
			continue
		}
		found = true
		m.qos = max(m.qos, x.qos)
		m.retain = m.retain || retain && (filters != nil || x.asRetain)
	}
	if found {
		s.addLocked(b, m)
	}
}

// matches says whether one of the filters that maySubscribe grants covers topic.
func matches(filter, topic string) bool {
	if filter == topic {
		return true
	}
	own, ok := strings.CutSuffix(filter, "#")
	return ok && strings.HasPrefix(topic, own)
}
