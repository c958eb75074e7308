package city

import (
	"net"
	"sync"
)

// Cut is how a line is broken.
type Cut string

// The ways to break a line.
const (
	CutNone      Cut = ""
	CutRefuse    Cut = "refuse"    // connections end and new ones are refused
	CutBlackhole Cut = "blackhole" // everything vanishes, nothing refuses
	CutUp        Cut = "up"        // what goes up vanishes
	CutDown      Cut = "down"      // what goes down vanishes
)

// proxy stands between a station and one core node.
type proxy struct {
	l      net.Listener
	target func() string

	mu    sync.Mutex // guards below
	mode  Cut
	bad   Slow
	conns map[net.Conn]bool
}

func newProxy(addr string, target func() string) (*proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &proxy{l: l, target: target, conns: map[net.Conn]bool{}}
	go p.accept()
	return p, nil
}

func (p *proxy) set(mode Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	holes := p.mode != CutNone && p.mode != mode
	p.mode = mode
	// Connections of before are ended: what was swallowed leaves a hole in their bytes.
	if mode == CutRefuse || holes {
		for c := range p.conns {
			_ = c.Close() // that is what the cut is
		}
	}
}

func (p *proxy) now() Cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *proxy) track(c net.Conn, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.conns[c] = true
	} else {
		delete(p.conns, c)
	}
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		if p.now() == CutRefuse {
			_ = c.Close() // that is what the cut is
			continue
		}
		go p.serve(c)
	}
}

func (p *proxy) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // both ends are gone
	p.track(c, true)
	defer p.track(c, false)
	d, err := net.Dial("tcp", p.target())
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }() // both ends are gone
	p.track(d, true)
	defer p.track(d, false)
	done := make(chan struct{}, 2)
	go func() { p.pass(d, c, CutUp); done <- struct{}{} }()
	go func() { p.pass(c, d, CutDown); done <- struct{}{} }()
	<-done
}
