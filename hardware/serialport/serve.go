package serialport

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"wardline/hardware/panel"
)

// The states of an answer.
const (
	waiting = iota
	synced
	refused
)

// entry is a frame whose reply has not been written.
type entry struct {
	frame panel.Frame
	at    time.Time
	state *atomic.Int32
}

// session is what one opening of the line holds. One goroutine, Run's, has it.
type session struct {
	*Line
	dev *device
	id  string
	// queue are frames without a reply, oldest first; ready are frames that wait
	// for a place in it, at most those of one chunk.
	queue []*entry
	ready []panel.Frame
	at    time.Time // when ready was read
	heard time.Time // when the last byte was taken
}

// serve carries frames until the device is lost or ctx ends.
func (l *Line) serve(ctx context.Context, dev *device, id string) error {
	s := &session{Line: l, dev: dev, id: id}
	chunks, stop := make(chan chunk), make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { dev.read(chunks, stop) })
	defer reader.Wait()
	defer close(stop)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if err := s.advance(); err != nil {
			return err
		}
		in := chunks
		if len(s.ready) > 0 || l.inFlight.Load() >= MaxInFlight {
			in = nil // what comes waits in the kernel
		}
		timer.Reset(s.next(in != nil))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-in:
			if c.err != nil {
				return c.err
			}
			s.take(c)
		case <-l.wake:
		case <-timer.C:
			if in == nil || l.decoder.Pending() == 0 || time.Since(s.heard) < l.profile.Gap {
				break
			}
			select {
			case c := <-chunks: // came just now
				if c.err != nil {
					return c.err
				}
				s.take(c)
			default:
				s.ready, s.at = append(s.ready, l.decoder.Idle()...), time.Now()
			}
		}
	}
}

// take decodes one chunk.
func (s *session) take(c chunk) {
	s.heard, s.at = time.Now(), c.at
	s.handler.Heard(c.at, c.n)
	for _, p := range c.pieces {
		s.ready = append(s.ready, s.decoder.Feed(p.bytes)...)
		if p.broken {
			s.decoder.Damage()
		}
	}
}

// next is how long until something is due that no event announces.
func (s *session) next(reading bool) time.Duration {
	d := time.Hour
	if reading && s.decoder.Pending() > 0 {
		d = min(d, time.Until(s.heard.Add(s.profile.Gap)))
	}
	if len(s.queue) > 1 {
		for _, e := range s.queue {
			if !e.frame.ReplyNamed && e.state.Load() == waiting {
				d = min(d, time.Until(e.at.Add(s.profile.Timeout)))
				break
			}
		}
	}
	return max(d, time.Millisecond)
}

// advance hands out what is ready and writes what is due.
func (s *session) advance() error {
	for {
		if err := s.replies(); err != nil {
			return err
		}
		if len(s.ready) == 0 || !s.ready[0].Immediate() && s.inFlight.Load() >= MaxInFlight {
			return nil
		}
		f := s.ready[0]
		s.ready = s.ready[1:]
		s.hand(f)
	}
}

// hand gives one frame to the handler and queues it for its reply.
func (s *session) hand(f panel.Frame) {
	e := &entry{frame: f, at: s.at, state: new(atomic.Int32)}
	s.queue = append(s.queue, e)
	answer := func(bool) {}
	if f.Immediate() {
		e.state.Store(synced)
	} else {
		s.inFlight.Add(1)
		answer = s.answer(e.state)
	}
	s.handler.Frame(Frame{Frame: f, Session: s.id, At: e.at, Answer: answer})
}

// answer is the way back of one frame. It outlives the session: a frame of a
// line that was lost frees its place, and its reply is written nowhere.
func (l *Line) answer(state *atomic.Int32) func(bool) {
	return func(ok bool) {
		to := int32(refused)
		if ok {
			to = synced
		}
		if !state.CompareAndSwap(waiting, to) {
			return
		}
		l.inFlight.Add(-1)
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// replies writes what may be written. A reply that names its frame goes as
// soon as that is answered; bare ones keep the order of their frames.
func (s *session) replies() error {
	var kept []*entry
	blocked := false
	for i, e := range s.queue {
		bare := !e.frame.ReplyNamed
		switch e.state.Load() {
		case waiting:
			if bare && s.givenUp(i) {
				s.log.Warn("a frame was not synced in the sender's time; it stays unanswered and will come again", "path", s.path)
				continue
			}
			kept = append(kept, e)
			blocked = blocked || bare
		case refused:
		case synced:
			if bare && blocked {
				kept = append(kept, e)
				continue
			}
			if bare && !e.frame.Immediate() && (s.givenUp(i) || s.sentAgain(i)) {
				continue
			}
			if err := s.dev.write(e.frame.Reply); err != nil {
				return err
			}
		}
	}
	s.queue = kept
	return nil
}

// givenUp says that the sender waits for this answer no longer: its time is
// over and it has sent something since.
func (s *session) givenUp(i int) bool {
	return i < len(s.queue)-1 && time.Since(s.queue[i].at) >= s.profile.Timeout
}

// sentAgain says that the same frame stands further back: its answer is
// the one that counts. Two would acknowledge whatever the sender sends next.
func (s *session) sentAgain(i int) bool {
	for _, e := range s.queue[i+1:] {
		if e.state.Load() != refused && string(e.frame.ResendKey) == string(s.queue[i].frame.ResendKey) {
			return true
		}
	}
	return false
}
