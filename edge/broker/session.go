package broker

import (
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// sendWindow is how many messages go to a client before it has acknowledged the
// first: enough for a slow line, few enough to send again after it broke.
const sendWindow = 32

// session is what a device has beyond one connection (MQTT 3.1.1, 3.1.2.4): its
// subscriptions, the messages that wait for it and the QoS 2 publishes that it
// has begun.
type session struct {
	id string

	// turn is held while a connection takes or leaves the session and while the
	// Handler is told of it, so that it hears of one device in order. It is taken
	// before mu.
	turn sync.Mutex
	gone bool // no longer in the table; guarded by turn

	mu       sync.Mutex // guards what follows
	dev      Device
	conn     *conn         // nil while offline
	ready    bool          // CONNACK is written
	life     time.Duration // how long it is kept without a connection
	since    time.Time     // offline since
	subs     map[string]sub
	queue    []*message // in order; the first sent of them are on their way
	sent     int
	bytes    int
	lastID   uint16
	received map[uint16]*received
	will     *will     // to be published at willAt
	willAt   time.Time // zero for none
}

// sub is a subscription.
type sub struct {
	qos      byte // what we send at: 0 or 1
	noLocal  bool
	asRetain bool // retain as published (MQTT 5, 3.8.3.1)
}

// message is one that waits for a device.
type message struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
	id      uint16              // 0 until it is sent; kept when it is sent again
	took    func(device string) // called when the device has acknowledged it; nil: nobody asks
}

// size is the remaining length of its PUBLISH.
func (m *message) size(version byte) int {
	n := 2 + len(m.topic) + len(m.payload)
	if m.qos > 0 {
		n += 2
	}
	if version == 5 {
		n++
	}
	return n
}

// received is a QoS 2 publish from PUBLISH to PUBREL.
type received struct {
	problem Problem
	answer  Answer // Kind 0 until it has one
	waiting []waiter
}

// waiter is a place in a connection's window that waits for the same answer.
type waiter struct {
	c *conn
	n uint64
}

func newSession(d Device) *session {
	return &session{id: d.ID, dev: d, subs: make(map[string]sub), received: make(map[uint16]*received)}
}

// clearLocked makes the session a new one and returns how many messages that
// drops, and their bytes.
func (s *session) clearLocked() (n, bytes int) {
	n, bytes = len(s.queue), s.bytes
	s.queue, s.sent, s.bytes, s.life = nil, 0, 0, 0
	clear(s.subs)
	clear(s.received)
	return n, bytes
}

// knows says whether a QoS 2 publish has been received before.
func (s *session) knows(c *conn, id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == c && s.received[id] != nil
}

// receive registers a QoS 2 publish, before any PUBREC can be written, and returns
// what answers it.
func (s *session) receive(c *conn, id uint16, n uint64, problem Problem) (func(Answer), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return nil, errClosed
	}
	if len(s.received) >= c.b.cfg.receiveMaximum() {
		return nil, packets.ErrReceiveMaximum
	}
	r := &received{problem: problem, waiting: []waiter{{c, n}}}
	s.received[id] = r
	return func(a Answer) { s.settle(id, r, a) }, nil
}

// settle gives a QoS 2 publish its answer. One that is refused for now, or refused
// for good to a version 5 client, is forgotten: no PUBREL will come for it
// (MQTT 5, 4.3.3).
func (s *session) settle(id uint16, r *received, a Answer) {
	s.mu.Lock()
	if r.answer.Kind != 0 {
		s.mu.Unlock()
		return
	}
	if r.problem != NoProblem && a.Kind == KindAccepted {
		a = Malformed(r.problem.String())
	}
	if a.Kind == 0 {
		a = Later()
	}
	r.answer = a
	waiting := r.waiting
	r.waiting = nil
	last := waiting[len(waiting)-1].c
	if s.received[id] == r && (a.Kind == KindLater || a.Kind == KindMalformed && last.version == 5) {
		delete(s.received, id)
	}
	s.mu.Unlock()
	for _, w := range waiting {
		w.c.answered(w.n, a)
	}
}

// await lets a place in the window wait for the answer of a publish that knows
// has found; the answer's Kind is 0 if it has none yet.
func (s *session) await(c *conn, id uint16, n uint64) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.received[id]
	switch {
	case s.conn != c:
		return Answer{}, errClosed
	case r == nil: // refused a moment ago: so is this one
		return Later(), nil
	case r.answer.Kind == 0:
		r.waiting = append(r.waiting, waiter{c, n})
	}
	return r.answer, nil
}

// released is a PUBREL: whether the publish was there, and whether it has no
// answer yet.
func (s *session) released(c *conn, id uint16) (known, pending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.received[id]
	if s.conn != c || r == nil {
		return false, false
	}
	if r.answer.Kind == 0 {
		return true, true
	}
	delete(s.received, id)
	return true, false
}
