package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"wardline/hardware/panel"
)

// Answer is what came back for one sending of a frame.
type Answer uint8

// The answers.
const (
	// Unanswered: nothing came in the sender's time.
	Unanswered Answer = iota
	// Acked: taken.
	Acked
	// Refused: NAK, asks for a resend.
	Refused
)

// String is the word for logs.
func (a Answer) String() string {
	switch a {
	case Acked:
		return "acked"
	case Refused:
		return "refused"
	}
	return "unanswered"
}

// Sent is one sending of one frame and its answer.
type Sent struct {
	// Event is what the frame says; nil for a heartbeat.
	Event *panel.Event
	// Frame is every byte that was sent.
	Frame []byte
	// Try counts the sendings of this frame, from 1.
	Try    int
	Answer Answer
	// After is how long the answer took, or how long it was waited for.
	After time.Duration
}

// speech is what a protocol says about sending.
type speech interface {
	// frame is the event as it stands on the wire.
	frame(panel.Event) ([]byte, error)
	// beat is the link test.
	beat() []byte
	// answer reads the first answer in b. n is how many bytes it has, 0 while it
	// is not whole; ok is false when it does not answer what was sent.
	answer(b, sent []byte) (a Answer, n int, ok bool)
}

const (
	// maxHeld bounds bytes that are no whole answer: noise.
	maxHeld = 256
	// readSize is more than any answer has.
	readSize = 64
)

// player keeps stop-and-wait on one end of a cable.
type player struct {
	speech
	timeout   time.Duration
	resends   int
	heartbeat time.Duration // 0: none
}

// run sends each event until it is answered, and a link test when the line was
// idle for the heartbeat's interval. It returns nil when events is closed
// and the last one is answered, or when ctx ends.
//
// After the last resend the queue is blocked, as in a receiver: link tests go
// on, and when one is answered the same event is sent again.
func (p *player) run(ctx context.Context, port Port, events <-chan panel.Event, told func(Sent)) error {
	w := &wire{player: p, port: port, told: told, in: make(chan read)}
	if err := port.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("simulated device: %w", err)
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { w.read(stop) })
	defer reader.Wait()
	defer func() {
		close(stop)
		_ = port.SetReadDeadline(time.Unix(1, 0)) // a port that is closed reads no more either
	}()
	for {
		idle, quiet := w.idle()
		select {
		case <-ctx.Done():
			quiet()
			return nil
		case r := <-w.in: // answers nothing
			quiet()
			if r.err != nil {
				return r.err
			}
		case <-idle:
			if _, err := w.exchange(ctx, nil, p.beat(), 1); err != nil {
				return ended(ctx, err)
			}
		case e, ok := <-events:
			quiet()
			if !ok {
				return nil
			}
			if err := w.deliver(ctx, e); err != nil {
				return ended(ctx, err)
			}
		}
	}
}

// ended leaves out an error that is the caller's own wish to end.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

type read struct {
	b   []byte
	err error
}

// wire is one run of a player. Its reader has the port's reading side; all else
// belongs to the goroutine of run.
type wire struct {
	*player
	port Port
	told func(Sent)
	in   chan read
}

func (w *wire) read(stop <-chan struct{}) {
	for {
		b := make([]byte, readSize)
		n, err := w.port.Read(b)
		if n > 0 {
			select {
			case w.in <- read{b: b[:n]}:
			case <-stop:
				return
			}
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		select {
		case w.in <- read{err: fmt.Errorf("simulated device: the cable ended: %w", err)}:
		case <-stop:
		}
		return
	}
}

// idle fires when a link test is due; quiet stops it.
func (w *wire) idle() (<-chan time.Time, func()) {
	if w.heartbeat <= 0 {
		return nil, func() {}
	}
	t := time.NewTimer(w.heartbeat)
	return t.C, func() { t.Stop() }
}

// deliver sends an event until it is taken.
func (w *wire) deliver(ctx context.Context, e panel.Event) error {
	b, err := w.frame(e)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		a, err := w.exchange(ctx, &e, b, try)
		if err != nil || a == Acked {
			return err
		}
		if try%(w.resends+1) == 0 {
			if err := w.unblock(ctx); err != nil {
				return err
			}
		}
	}
}

// unblock sends link tests until one is answered.
func (w *wire) unblock(ctx context.Context) error {
	pause := w.heartbeat
	if pause <= 0 {
		pause = w.timeout
	}
	for try := 1; ; try++ {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		if a, err := w.exchange(ctx, nil, w.beat(), try); err != nil || a == Acked {
			return err
		}
	}
}

// exchange sends a frame once and waits for its answer.
func (w *wire) exchange(ctx context.Context, e *panel.Event, frame []byte, try int) (Answer, error) {
	if err := w.drain(); err != nil {
		return Unanswered, err
	}
	begun := time.Now()
	tell := func(a Answer) { w.told(Sent{Event: e, Frame: frame, Try: try, Answer: a, After: time.Since(begun)}) }
	if err := w.port.SetWriteDeadline(begun.Add(w.timeout)); err != nil {
		return Unanswered, fmt.Errorf("simulated device: %w", err)
	}
	if _, err := w.port.Write(frame); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return Unanswered, fmt.Errorf("simulated device: the cable takes nothing: %w", err)
	}
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	var held []byte
	for {
		select {
		case <-ctx.Done():
			tell(Unanswered)
			return Unanswered, ctx.Err()
		case <-timer.C:
			tell(Unanswered)
			return Unanswered, nil
		case r := <-w.in:
			if r.err != nil {
				tell(Unanswered)
				return Unanswered, r.err
			}
			held = append(held, r.b...)
			for {
				a, n, ok := w.answer(held, frame)
				if ok {
					tell(a)
					return a, nil
				}
				if n == 0 {
					break
				}
				held = held[n:]
			}
			if len(held) > maxHeld {
				held = held[:0]
			}
		}
	}
}

// drain throws away answers that came too late: they answer nothing that is
// still to be sent.
func (w *wire) drain() error {
	for {
		select {
		case r := <-w.in:
			if r.err != nil {
				return r.err
			}
		default:
			return nil
		}
	}
}
