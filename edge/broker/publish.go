package broker

import (
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// publish takes one PUBLISH: a report, a status, or one that must not be.
func (c *conn) publish(first byte) error {
	if c.in.left > c.b.cfg.MaxDrain {
		return packets.ErrPacketTooLarge
	}
	h, err := c.in.head(first)
	if err != nil {
		return err
	}
	p := Publish{Ward: c.dev.Ward, Device: c.dev.ID, Kind: c.dev.Kind, ClientID: c.dev.ID, Version: c.version,
		QoS: h.qos, Dup: h.dup, Size: h.payload, Remote: c.remote}
	keep, status := c.b.cfg.MaxPayload, false
	switch {
	case !h.cut && string(h.topic) == c.reports:
		p.Topic = c.reports
	case !h.cut && string(h.topic) == c.statuses:
		p.Topic, status = c.statuses, true
		keep = min(keep, c.b.cfg.MaxStatus)
	default:
		p.Topic, p.Problem = strings.ToValidUTF8(string(h.topic), "\uFFFD"), ProblemTopic
	}
	if h.payload > keep && p.Problem == NoProblem {
		p.Problem = ProblemOversize
	}
	if err := c.waitRoom(); err != nil {
		return err
	}
	if h.qos == 2 && c.sess.knows(c, h.id) {
		return c.repeat(h)
	}
	keep = min(keep, h.payload)
	if err := c.b.pending.Acquire(c.ctx, int64(keep)); err != nil {
		return errClosed
	}
	if p.Payload, err = c.in.payload(keep); err != nil {
		c.b.pending.Release(int64(keep))
		return err
	}
	p.ReceivedAt = time.Now()
	c.b.stats.publishes.Add(1)
	n := c.push(slot{id: h.id, qos: h.qos, problem: p.Problem, bytes: keep})
	answer := func(a Answer) { c.answered(n, a) }
	if h.qos == 2 {
		if answer, err = c.sess.receive(c, h.id, n, p.Problem); err != nil {
			c.answered(n, Later())
			return err
		}
	}
	if status && p.Problem == NoProblem {
		c.b.publishedStatus(c, h.retain, p.Payload)
		answer(Accepted())
		return nil
	}
	c.b.handler.HandleReport(p, answer)
	return nil
}

func (c *conn) push(s slot) (n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.push(s)
}

// repeat takes a QoS 2 publish that the session has already: its payload is not
// read again, it only waits for the answer of the first.
func (c *conn) repeat(h head) error {
	if _, err := c.in.payload(0); err != nil {
		return err
	}
	n := c.push(slot{id: h.id, qos: 2})
	a, err := c.sess.await(c, h.id, n)
	if err != nil {
		return err
	}
	if a.Kind != 0 {
		c.answered(n, a)
	}
	return nil
}
