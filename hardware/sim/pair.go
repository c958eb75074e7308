package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunk is what a terminal holds at most.
	chunk = 4096
	// roomFor is how long bytes wait for room at an end that nobody reads; after
	// it they are lost, as on a cable.
	roomFor = time.Second
)

// Pair is a serial cable: what is written at one link is read at the other.
type Pair struct {
	stationLink, portLink string
	log                   *slog.Logger
	port                  *end
	lost                  atomic.Int64

	mu      sync.Mutex // guards station and plugged
	station *end       // nil while the adapter is pulled
	plugged chan struct{}
	done    bool
}

// NewPair makes both links, which replace what a crash has left at their
// paths. station is opened by the station, port by whoever plays the device.
// Run joins them; Close, or the end of Run, removes them.
func NewPair(station, port string, log *slog.Logger) (*Pair, error) {
	if station == "" || port == "" || station == port {
		return nil, fmt.Errorf("simulated line: links %q and %q: give two different paths", station, port)
	}
	p := &Pair{stationLink: station, portLink: port, log: log, plugged: make(chan struct{})}
	var err error
	if p.port, err = openEnd(); err != nil {
		return nil, err
	}
	if err := p.port.link(port); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated line: %w", err), p.Close())
	}
	if err := p.Put(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Port is the link at which a device is played; it is there until the end.
func (p *Pair) Port() string { return p.portLink }

// Station is the link that the station opens; it is gone while the adapter is
// pulled.
func (p *Pair) Station() string { return p.stationLink }

// Lost is how many bytes found no room or no adapter.
func (p *Pair) Lost() int64 { return p.lost.Load() }

// Pull takes the adapter out: its terminal hangs up and its link is gone.
func (p *Pair) Pull() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pullLocked()
}

func (p *Pair) pullLocked() error {
	if p.station == nil {
		return nil
	}
	err := errors.Join(os.Remove(p.stationLink), p.station.close())
	p.station, p.plugged = nil, make(chan struct{})
	return err
}

// Put puts an adapter in: a new terminal under the same link.
func (p *Pair) Put() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return os.ErrClosed
	}
	if p.station != nil {
		return nil
	}
	e, err := openEnd()
	if err != nil {
		return err
	}
	if err := e.link(p.stationLink); err != nil {
		return errors.Join(fmt.Errorf("simulated line: %w", err), e.close())
	}
	p.station = e
	close(p.plugged)
	return nil
}

// Close removes both links; bytes on their way are lost. Run closes too.
func (p *Pair) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return nil
	}
	p.done = true
	return errors.Join(p.pullLocked(), os.Remove(p.portLink), p.port.close())
}

// Run carries bytes both ways until ctx ends, then closes the pair.
func (p *Pair) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(p.toStation)
	wg.Go(func() { p.toPort(ctx) })
	<-ctx.Done()
	err := p.Close()
	wg.Wait()
	return err
}

// plug is the adapter's end, or nil and what closes when there is one.
func (p *Pair) plug() (*end, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.station, p.plugged
}

func (p *Pair) toStation() {
	buf := make([]byte, chunk)
	for {
		n, err := p.port.master.Read(buf)
		if e, _ := p.plug(); e != nil {
			p.put(e, buf[:n], "station")
		} else {
			p.lost.Add(int64(n))
		}
		if err != nil {
			p.ended(err)
			return
		}
	}
}

func (p *Pair) toPort(ctx context.Context) {
	buf := make([]byte, chunk)
	for {
		e, plugged := p.plug()
		if e == nil {
			select {
			case <-ctx.Done():
				return
			case <-plugged:
			}
			continue
		}
		n, err := e.master.Read(buf)
		p.put(p.port, buf[:n], "port")
		if err == nil {
			continue
		}
		if now, _ := p.plug(); now == e {
			p.ended(err)
			return
		}
	}
}

// put writes to an end, for as long as there is room.
func (p *Pair) put(e *end, b []byte, name string) {
	if len(b) == 0 {
		return
	}
	n := 0
	err := e.master.SetWriteDeadline(time.Now().Add(roomFor))
	if err == nil {
		n, err = e.master.Write(b)
	}
	if err == nil {
		return
	}
	if p.lost.Add(int64(len(b)-n)) == int64(len(b)-n) {
		p.log.Warn("simulated line loses bytes: nobody reads them", "port", p.portLink, "end", name, "err", err)
	}
}

func (p *Pair) ended(err error) {
	if !errors.Is(err, os.ErrClosed) {
		p.log.Warn("simulated line ended", "port", p.portLink, "err", err)
	}
}
