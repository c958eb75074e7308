package broker

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// will is a device's last will; it stands on its status topic.
type will struct {
	payload []byte
	retain  bool
	delay   time.Duration
}

// attach gives a connection its device's session and ends the connection that had
// it. It says whether the session was there before ([MQTT-3.2.2-2]).
func (b *Broker) attach(c *conn, clean bool, life time.Duration) (present bool) {
	s := b.sessionOf(c.dev)
	s.turn.Lock()
	for s.gone {
		s.turn.Unlock()
		s = b.sessionOf(c.dev)
		s.turn.Lock()
	}
	old := s.conn
	if old != nil {
		old.bye(packets.ErrSessionTakenOver)
		b.leave(s, old, CauseLost, old.will)
	}
	s.mu.Lock()
	present = s.life > 0 && !clean && s.dev == c.dev
	if !present {
		n, bytes := s.clearLocked()
		b.forget(n, bytes)
	}
	s.dev, s.conn, s.life, s.sent, s.ready = c.dev, c, life, 0, false
	s.will, s.willAt = nil, time.Time{}
	s.mu.Unlock()
	c.mu.Lock()
	c.sess = s
	c.mu.Unlock()
	b.handler.HandleStatus(Status{Device: c.dev, Online: true, Cause: CauseConnected})
	s.turn.Unlock()
	if old != nil {
		<-old.read // its last report is handed over before our first
	}
	return present
}

// detach is the end of a connection: the session is kept for life, or ends.
func (b *Broker) detach(c *conn, goodbye bool, life time.Duration) {
	s := c.sess
	if s == nil {
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.conn != c {
		return // taken over
	}
	s.mu.Lock()
	s.life = life
	s.mu.Unlock()
	cause, w := CauseLost, c.will
	if goodbye {
		cause, w = CauseGoodbye, nil
	}
	b.mu.Lock()
	if b.closing {
		w = nil // it is the station that goes; nothing is known of the device
	}
	b.mu.Unlock()
	b.leave(s, c, cause, w)
	if life == 0 {
		b.endLocked(s)
	}
}

// leave takes the connection from the session; turn is held.
func (b *Broker) leave(s *session, c *conn, cause Cause, w *will) {
	s.mu.Lock()
	s.conn, s.since = nil, time.Now()
	if w != nil && min(w.delay, s.life) > 0 {
		s.will, s.willAt = w, s.since.Add(min(w.delay, s.life))
		w = nil
	}
	s.mu.Unlock()
	b.handler.HandleStatus(Status{Device: c.dev, Cause: cause})
	if w != nil {
		b.publishWill(c.dev, w)
	}
}

// endLocked ends a session without a connection; turn is held.
func (b *Broker) endLocked(s *session) {
	s.gone = true
	s.mu.Lock()
	w, d := s.will, s.dev
	s.will = nil
	n, bytes := s.clearLocked()
	s.mu.Unlock()
	b.forget(n, bytes)
	b.mu.Lock()
	if b.sessions[s.id] == s {
		delete(b.sessions, s.id)
	}
	b.mu.Unlock()
	if w != nil { // the end of the session ends the delay [MQTT-3.1.3-9]
		b.publishWill(d, w)
	}
}

// forget counts messages that nobody will have.
func (b *Broker) forget(n, bytes int) {
	b.stats.dropped.Add(uint64(n))
	b.queued.Add(-int64(bytes))
}

func (b *Broker) publishWill(d Device, w *will) {
	if w.retain {
		b.retain(d, w.payload)
	}
	b.handler.HandleStatus(Status{Device: d, Payload: w.payload, Cause: CauseWill})
}

// publishedStatus is a publish on the device's status topic.
func (b *Broker) publishedStatus(c *conn, retain bool, payload []byte) {
	s := c.sess
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.conn != c {
		return // taken over: it is no longer this connection that speaks for it
	}
	if retain {
		b.retain(c.dev, payload)
	}
	s.show(b, c, nil, payload, retain)
	c.wakeUp()
	b.handler.HandleStatus(Status{Device: c.dev, Online: true, Payload: append([]byte{}, payload...), Cause: CausePublished})
}

// kept is a retained status.
type kept struct {
	payload []byte
	at      time.Time
}

// retain keeps a device's status; an empty one removes it ([MQTT-3.3.1-10]). When
// there are too many, the one that is unchanged longest goes.
func (b *Broker) retain(d Device, payload []byte) {
	topic := StatusTopic(d.Ward, d.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(payload) == 0 {
		delete(b.retained, topic)
		return
	}
	if _, ok := b.retained[topic]; !ok && len(b.retained) >= b.cfg.MaxRetained {
		oldest, at := "", time.Time{}
		for t, k := range b.retained {
			if oldest == "" || k.at.Before(at) {
				oldest, at = t, k.at
			}
		}
		delete(b.retained, oldest)
	}
	b.retained[topic] = kept{payload: append([]byte{}, payload...), at: time.Now()}
}

// sessionOf finds or makes the session of a device. When there are too many, the
// one that is offline longest ends.
func (b *Broker) sessionOf(d Device) *session {
	for all := false; ; { // all sessions have a connection: MaxClients bounds them

		b.mu.Lock()
		s := b.sessions[d.ID]
		if s == nil && (len(b.sessions) < b.cfg.MaxSessions || all) {
			s = newSession(d)
			b.sessions[d.ID] = s
		}
		b.mu.Unlock()
		if s != nil {
			return s
		}
		all = !b.endOldest()
	}
}

func (b *Broker) endOldest() bool {
	var oldest *session
	var since time.Time
	for _, s := range b.allSessions() {
		s.mu.Lock()
		if s.conn == nil && !s.since.IsZero() && (oldest == nil || s.since.Before(since)) {
			oldest, since = s, s.since
		}
		s.mu.Unlock()
	}
	if oldest == nil {
		return false
	}
	oldest.turn.Lock()
	defer oldest.turn.Unlock()
	if oldest.conn == nil && !oldest.gone {
		b.endLocked(oldest)
	}
	return true
}

// tidy ends sessions that are kept long enough and publishes wills that were
// delayed.
func (b *Broker) tidy(now time.Time) {
	for _, s := range b.allSessions() {
		s.mu.Lock()
		due := s.conn == nil && (now.Sub(s.since) >= s.life || s.will != nil && !now.Before(s.willAt))
		s.mu.Unlock()
		if due {
			b.tidyOne(s, now)
		}
	}
}

func (b *Broker) tidyOne(s *session, now time.Time) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.gone || s.conn != nil || s.since.IsZero() {
		return
	}
	if now.Sub(s.since) >= s.life {
		b.endLocked(s)
		return
	}
	s.mu.Lock()
	w := s.will
	if w != nil && !now.Before(s.willAt) {
		s.will = nil
	} else {
		w = nil
	}
	s.mu.Unlock()
	if w != nil {
		b.publishWill(s.dev, w)
	}
}

func (b *Broker) allSessions() []*session {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*session, 0, len(b.sessions))
	for _, s := range b.sessions {
		all = append(all, s)
	}
	return all
}
