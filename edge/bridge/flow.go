package bridge

import (
	"context"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"wardline/sync/report"
)

// bounds are what a bridge has in work at most.
type bounds struct {
	// count and bytes bound what was taken and is not answered: what a ledger syncs
	// in a few hundredths of a second, and what a small box can spare.
	count, bytes int
	// held bounds messages of QoS 0 that wait in memory because they could not be
	// stored; they are part of count and must leave room for others.
	held int
	// hold is how long one of them waits at most.
	hold time.Duration
	// payload is the longest message that is read; a longer one is cut to one byte more.
	payload int
}

var defaultBounds = bounds{count: 1024, bytes: 16 << 20, held: 64, hold: 5 * time.Minute, payload: report.MaxPayload}

// slack is for messages that were admitted and are between the socket and take:
// paho has fewer goroutines than that in the way.
const slack = 16

func (b *Bridge) setBounds(n bounds) {
	b.bounds = n
	b.queue, b.answers = make(chan *item, n.count+slack), make(chan *item, n.count+slack)
}

// admit waits, on the connection's reading side, until there is room for a message.
// Every message in work is answered, one way or the other, so the wait ends; it ends
// too when the connection is closed.
func (b *Bridge) admit(closed <-chan struct{}) bool {
	for {
		b.mu.Lock()
		full := b.count >= b.bounds.count || b.bytes >= b.bounds.bytes
		b.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-b.room:
		case <-closed:
			return false
		}
	}
}

// item is a message in work. It is at one place at a time: the queue, the
// handler, the answers, or held.
type item struct {
	s     *session
	m     Message
	msg   mqtt.Message
	qos   byte
	since time.Time
	kind  Kind
	done  atomic.Bool // the handler answered
}

// take is paho's handler: it only enqueues. The queue and the answers have
// room for all that is in work, so that nothing here or in an answer can block.
// How much that is was decided by admit.
func (b *Bridge) take(s *session, msg mqtt.Message) {
	it := &item{s: s, msg: msg, qos: msg.Qos(), since: b.wall()}
	it.m = Message{Topic: msg.Topic(), Payload: msg.Payload(), Cut: len(msg.Payload()) > b.bounds.payload}
	ward, device, misfit := parseTopic(it.m.Topic)
	it.m.Ward, it.m.Misfit, it.m.Device = ward, misfit, b.c.Name
	if device != "" && misfit == "" {
		it.m.Device += "/" + device
	}
	b.mu.Lock()
	b.st.Received++
	if b.closing || b.count >= b.bounds.count+slack { // beyond what was admitted: cannot be
		b.mu.Unlock()
		b.refused(it)
		return
	}
	b.count++
	b.bytes += len(it.m.Payload)
	b.mu.Unlock()
	b.queue <- it
}

// lostEvery is how often a loss is logged; all of them are counted.
const lostEvery = time.Minute

// refused is a message that will not be answered: at QoS 1 and 2 the broker
// sends it again, to the next connection; at QoS 0 it is gone, and counted.
func (b *Bridge) refused(it *item) {
	b.mu.Lock()
	b.st.Later++
	first, now := !b.st.Waiting, b.wall()
	lost := it.qos == 0 && now.Sub(b.lostSaid) >= lostEvery
	if lost {
		b.lostSaid = now
	}
	if it.qos == 0 {
		b.st.Lost++
	} else if !b.closing {
		b.st.Waiting = true
	}
	closing := b.closing
	b.mu.Unlock()
	switch {
	case lost:
		b.log.Warn("bridge: messages of QoS 0 could not be stored and are lost; let their senders use QoS 1")
	case it.qos == 0:
	case !closing:
		if first {
			b.log.Warn("bridge: messages cannot be taken now and wait at the broker")
		}
		it.s.redeliver()
	}
}

func (b *Bridge) release(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count--
	b.bytes -= len(it.m.Payload)
	b.idleLocked()
	select {
	case b.room <- struct{}{}:
	default:
	}
}

func (b *Bridge) idleLocked() {
	if b.closing && b.count == 0 {
		select {
		case <-b.idle:
		default:
			close(b.idle)
		}
	}
}

// drain takes no more and waits a moment for what is in work.
func (b *Bridge) drain() {
	b.mu.Lock()
	was := b.closing
	b.closing = true
	b.idleLocked()
	b.mu.Unlock()
	if was {
		return
	}
	t := time.NewTimer(b.pace.drain)
	defer t.Stop()
	select {
	case <-b.idle:
	case <-t.C:
	}
}

// deliver hands messages to the handler, in order.
func (b *Bridge) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case it := <-b.queue:
			b.handler.Deliver(it.m, func(k Kind) {
				if !it.done.Swap(true) {
					it.kind = k
					b.answers <- it
				}
			})
		}
	}
}

// settle acknowledges. It is its own goroutine because paho's Ack blocks while
// the connection is slow, and the ledger's goroutine must not.
func (b *Bridge) settle(ctx context.Context) {
	var held []*item
	t := time.NewTicker(b.pace.again)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case it := <-b.answers:
			if it.kind == Later && it.qos == 0 && len(held) < b.bounds.held && b.wall().Sub(it.since) < b.bounds.hold && !b.ending() {
				held = append(held, it)
				continue
			}
			b.answered(it)
		case <-t.C:
			for _, it := range held {
				b.queue <- &item{s: it.s, m: it.m, msg: it.msg, since: it.since}
			}
			held = nil
		}
		if b.ending() {
			for _, it := range held {
				b.answered(it)
			}
			held = nil
		}
	}
}

func (b *Bridge) ending() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closing
}

func (b *Bridge) answered(it *item) {
	defer b.release(it)
	if it.kind != Kept && it.kind != Refused {
		b.refused(it)
		return
	}
	b.mu.Lock()
	if it.kind == Kept {
		b.st.Kept++
	} else {
		b.st.Refused++
	}
	b.mu.Unlock()
	it.msg.Ack() // after the end of its connection it goes nowhere, and the broker sends again
}
