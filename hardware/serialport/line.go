// Package serialport keeps one serial line open and carries frames over it.
//
// A Line opens its path through tarm/serial, feeds what arrives to the
// protocol's decoder, hands each frame to the Handler and writes the frame's
// reply when the Handler says that the frame is synced, not before. Replies go
// out in the order of their frames; the answer to a frame that the sender has
// already given up is not written, because a bare ACK names no frame and would
// be taken for the answer to a later one.
//
// An adapter that is pulled is an event (Handler.State); the line is opened
// again, with growing pauses, for as long as Run runs. A link in the path is
// resolved anew each time. It does not remember frames or recognise resends:
// that is the caller's, who has the disk.
package serialport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"wardline/hardware/panel"
)

const (
	// MaxInFlight is how many frames may wait for their sync. Receivers send one
	// and wait; 16 lets a script send a burst and bounds what a stalled disk holds.
	MaxInFlight = 16
	// chunkSize is what a terminal's line discipline holds at most.
	chunkSize = 4096
	// backoffMin and backoffMax bound the pause between attempts to open: an
	// adapter that was put back is in use within seconds, and one that is
	// away for a week costs nothing.
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
	// settled is how long a line must have been open to be opened again at once.
	settled = time.Second
)

// Frame is a frame with its way back.
type Frame struct {
	panel.Frame
	// Session names this opening of the line, for panel.Frame.RepeatKey.
	Session string
	// At is when its last byte was read.
	At time.Time
	// Answer must be called once for every frame that is not Immediate, from any
	// goroutine: true when it is synced, false when it could not be (nothing is
	// written, the sender sends it again). It never blocks.
	Answer func(synced bool)
}

// State is the line's, told when it changes.
type State struct {
	Open bool
	// Device is what the path led to; Session as in Frame. Set when open.
	Device, Session string
	// Err is why the line is not open.
	Err error
	// Since is when it came to be so.
	Since time.Time
}

// Handler takes what a line yields. All calls come from one goroutine, in
// order, and must not block.
type Handler interface {
	// Frame takes one frame. Immediate frames are already being answered.
	Frame(f Frame)
	// Heard says that n bytes were read, for supervision.
	Heard(at time.Time, n int)
	// State says that the line was opened or lost.
	State(s State)
}

// Line is one serial line.
type Line struct {
	path    string
	profile panel.Profile
	decoder panel.Decoder
	handler Handler
	log     *slog.Logger

	wake     chan struct{}
	inFlight atomic.Int32

	mu    sync.Mutex // guards state
	state State
}

// New checks the profile and starts nothing. The decoder is the profile's and
// belongs to the line.
func New(path string, p panel.Profile, d panel.Decoder, h Handler, log *slog.Logger) (*Line, error) {
	if path == "" {
		return nil, errors.New("serial line: path is empty; give the device, best its link in /dev/serial/by-id")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Line{path: path, profile: p, decoder: d, handler: h, log: log, wake: make(chan struct{}, 1), state: State{Since: time.Now()}}, nil
}

// State is the line's state now. Safe from any goroutine.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Run keeps the line open until ctx ends. It returns after its reader has
// ended, and nil when ctx ended it.
func (l *Line) Run(ctx context.Context) error {
	pause := backoffMin
	for ctx.Err() == nil {
		dev, err := openDevice(l.path, l.profile)
		if err == nil {
			opened := time.Now()
			session := newSession()
			l.change(State{Open: true, Device: dev.name, Session: session, Since: opened})
			err = l.serve(ctx, dev, session)
			if cerr := dev.close(); cerr != nil && ctx.Err() == nil {
				err = errors.Join(err, cerr)
			}
			l.decoder.Reset()
			if time.Since(opened) >= settled {
				pause = backoffMin
			}
		}
		if ctx.Err() != nil {
			break
		}
		l.change(State{Err: err, Since: time.Now()})
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + mrand.N(pause)):
		}
		pause = min(2*pause, backoffMax)
	}
	l.change(State{Err: context.Cause(ctx), Since: time.Now()})
	return nil
}

func newSession() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// change tells a change of state; the same failure again is none.
func (l *Line) change(s State) {
	l.mu.Lock()
	same := !s.Open && !l.state.Open && l.state.Err != nil
	if same {
		s.Since = l.state.Since
	}
	l.state = s
	l.mu.Unlock()
	if same {
		return
	}
	if s.Open {
		l.log.Info("serial line open", "path", l.path, "device", s.Device)
	} else if !errors.Is(s.Err, context.Canceled) {
		l.log.Warn("serial line lost", "path", l.path, "err", s.Err)
	}
	l.handler.State(s)
}

// chunk is what one read gave.
type chunk struct {
	pieces []piece
	n      int
	at     time.Time
	err    error
}

// read reads until the device fails or stop closes, one chunk at a time: what
// is not taken waits in the kernel.
func (d *device) read(out chan<- chunk, stop <-chan struct{}) {
	buf := make([]byte, chunkSize)
	quick := 0
	for {
		begun := time.Now()
		n, err := d.port.Read(buf)
		c := chunk{n: n, at: time.Now()}
		switch {
		case n > 0:
			quick = 0
			c.pieces = d.mark.pieces(append([]byte(nil), buf[:n]...))
		case err == nil || errors.Is(err, io.EOF): // the read's time is over
			if c.at.Sub(begun) < readTimeout/4 {
				quick++
			} else {
				quick = 0
			}
			if d.alive() && quick < quickReads {
				select {
				case <-stop:
					return
				default:
				}
				continue
			}
			c.err = ErrGone
		default:
			c.err = errors.Join(ErrGone, err)
		}
		select {
		case out <- c:
		case <-stop:
			return
		}
		if c.err != nil {
			return
		}
	}
}
