package broker

import (
	"math/rand/v2"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// slot is one publish of a connection that waits for its answer, or for the
// answer of one before it.
type slot struct {
	id      uint16
	qos     byte
	done    bool
	problem Problem
	bytes   int // of its payload, to be given back with the answer
	answer  Answer
}

// window holds the publishes of one connection in the order in which they came.
// Answers come in any order, acknowledgements go out in this one
// ([MQTT-4.6.0-2], [MQTT-4.6.0-3]).
type window struct {
	ring []slot // a power of two
	head uint64 // of the oldest; publishes count from 0
	tail uint64 // of the next
}

func (w *window) len() int { return int(w.tail - w.head) }

func (w *window) at(n uint64) *slot { return &w.ring[n&uint64(len(w.ring)-1)] }

func (w *window) push(s slot) (n uint64) {
	if w.len() == len(w.ring) {
		next := make([]slot, max(16, 2*len(w.ring)))
		for i := w.head; i < w.tail; i++ {
			next[i&uint64(len(next)-1)] = *w.at(i)
		}
		w.ring = next
	}
	*w.at(w.tail) = s
	w.tail++
	return w.tail - 1
}

// settle notes an answer; it is nil when the publish had one before.
func (w *window) settle(n uint64, a Answer) *slot {
	if n < w.head || n >= w.tail || w.at(n).done {
		return nil
	}
	s := w.at(n)
	s.done, s.answer = true, a
	return s
}

// pop takes the oldest if it has its answer.
func (w *window) pop() (s slot, ok bool) {
	if w.head == w.tail || !w.at(w.head).done {
		return s, false
	}
	s = *w.at(w.head)
	*w.at(w.head) = slot{} // so that the reason is not kept
	w.head++
	return s, true
}

// answered is the end of a publish: its acknowledgement goes into the buffer once
// all before it have theirs.
func (c *conn) answered(n uint64, a Answer) {
	c.mu.Lock()
	s := c.window.settle(n, a)
	if s == nil {
		c.mu.Unlock()
		return
	}
	bytes := s.bytes
	for {
		s, ok := c.window.pop()
		if !ok {
			break
		}
		c.acknowledgeLocked(s)
	}
	c.room.Signal()
	c.wakeLocked()
	c.mu.Unlock()
	c.b.pending.Release(int64(bytes))
}

func (c *conn) acknowledgeLocked(s slot) {
	kind := byte(packets.Puback)
	if s.qos == 2 {
		kind = packets.Pubrec
	}
	var code byte
	reason := s.answer.Reason
	st := &c.b.stats
	switch {
	case s.answer.Kind == KindMalformed || s.answer.Kind == KindAccepted && s.problem != NoProblem:
		st.malformed.Add(1)
		code = packets.ErrPayloadFormatInvalid.Code
		if s.problem == ProblemTopic {
			code = packets.ErrTopicNameInvalid.Code
		}
		if reason == "" {
			reason = s.problem.String()
		}
	case s.answer.Kind == KindAccepted:
	default: // an answer that is none is no acknowledgement either
		st.later.Add(1)
		if s.qos > 0 && !c.closing {
			c.later++
			c.b.refused.Add(1)
			if c.leaveAt.IsZero() {
				c.leaveLocked(c.b.cfg.LaterTimeout)
			}
		}
		return
	}
	if s.qos == 0 || c.closing {
		return
	}
	if c.noReasons {
		reason = ""
	}
	st.acks.Add(1)
	c.out = appendAck(c.out, kind, s.id, c.version, code, reason, c.maxPacket)
}

// leaveLocked lets the connection end after d and some jitter.
func (c *conn) leaveLocked(d time.Duration) {
	if j := c.b.cfg.RoomJitter; j > 0 {
		d += rand.N(j)
	}
	c.leaveAt = time.Now().Add(d)
	if c.leave != nil {
		c.leave.Reset(d)
		return
	}
	c.leave = time.AfterFunc(d, func() { c.bye(packets.ErrServerBusy) })
}

// waitRoom stops the reading until one more publish may be taken.
func (c *conn) waitRoom() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closing && (c.window.len() >= c.b.cfg.Window || c.later >= c.b.cfg.MaxLater || len(c.out) > maxOut) {
		c.room.Wait()
	}
	if c.closing {
		return errClosed
	}
	return nil
}
