package city

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Slow is how bad a line is that is not cut: TCP hides a lost packet behind a
// wait, so that loss is stalls here.
type Slow struct {
	// Latency of each direction. Jitter is how much longer, at most and anew for
	// each piece, it takes: the bytes of one connection keep their order, as TCP's
	// do, and connections overtake each other.
	Latency, Jitter time.Duration
	// Rate of each direction and connection in bytes a second; 0 is no limit.
	Rate int
	// Loss is the share of reads, 0 to 1, behind which everything waits as for
	// packets that are sent again.
	Loss float64
	// Way is the one direction that is bad, CutUp or CutDown; empty: both.
	Way Cut
}

const (
	// slowRead is small, so that a small Rate comes in many steps.
	slowRead = 4 << 10
	// underWay bounds the pieces of one direction that are on a slow line.
	underWay = 256
	// resendMin and resendMax bound the wait for a lost packet: RFC 6298 begins at
	// a second and doubles, Linux at 200 ms.
	resendMin, resendMax = 200 * time.Millisecond, 1600 * time.Millisecond
	maxLatency           = 10 * time.Second
)

// Validate names what is wrong.
func (s Slow) Validate() error {
	switch {
	case s.Latency < 0 || s.Latency > maxLatency:
		return errors.New("latency: from 0 to 10s")
	case s.Jitter < 0 || s.Jitter > maxLatency:
		return errors.New("jitter: from 0 to 10s")
	case s.Way != CutNone && s.Way != CutUp && s.Way != CutDown:
		return errors.New("way: up or down; without it both")
	case s.Rate < 0:
		return errors.New("rate: bytes a second, 0 is no limit")
	case !(s.Loss >= 0 && s.Loss <= 1):
		return errors.New("loss: a share from 0 to 1")
	}
	return nil
}

func (p *proxy) slow() Slow {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bad
}

func (p *proxy) setSlow(s Slow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = s
}

// piece is what was read at once, and when it arrives.
type piece struct {
	b   []byte
	due time.Time
}

// pass copies one direction; while it is cut the bytes are read and dropped.
// What is on its way keeps its order.
func (p *proxy) pass(to io.Writer, from io.Reader, way Cut) {
	line := make(chan piece, underWay)
	over := make(chan struct{}) // closed when nothing can be written any more
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(over)
		for k := range line {
			time.Sleep(time.Until(k.due))
			if m := p.now(); m == CutBlackhole || m == way {
				continue
			}
			if _, err := to.Write(k.b); err != nil {
				return
			}
		}
	})
	defer wg.Wait()
	defer close(line)
	buf := make([]byte, 32<<10)
	free := time.Now() // when the line has room for the next piece
	for {
		s := p.slow()
		if s.Way != CutNone && s.Way != way {
			s = Slow{}
		}
		n := len(buf)
		if s.Rate > 0 {
			n = slowRead
		}
		n, err := from.Read(buf[:n])
		if n > 0 {
			if now := time.Now(); free.Before(now) {
				free = now
			}
			if s.Rate > 0 {
				free = free.Add(time.Duration(n) * time.Second / time.Duration(s.Rate))
			}
			if s.Loss > 0 && rand.Float64() < s.Loss {
				free = free.Add(resendMin + rand.N(resendMax-resendMin))
			}
			due := free.Add(s.Latency)
			if s.Jitter > 0 {
				due = due.Add(rand.N(s.Jitter))
			}
			select {
			case line <- piece{append([]byte(nil), buf[:n]...), due}:
			case <-over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}
