package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pires/go-proxyproto"
)

// Servers in front of the broker that pass connections on: each would count as one address.

const (
	// frontTime is how long the header of the PROXY protocol may take; it is the first
	// that such a server sends, in one piece.
	frontTime = 5 * time.Second
	// maxFrontLine is the longest header of version 1 (PROXY protocol, section 2.1).
	maxFrontLine = 107
	// maxFront is the longest rest of a header of version 2 that is taken: addresses of
	// any kind, and what a front adds on certificates.
	maxFront = 2 << 10
	// frontWarnEvery bounds the log of a front that sends none.
	frontWarnEvery = time.Minute
)

var errNoFront = errors.New("no header of the PROXY protocol")

// fronted is a connection that a server in front passed on.
type fronted struct {
	net.Conn
	from net.Addr
}

// RemoteAddr is for whom the front speaks.
func (f *fronted) RemoteAddr() net.Addr { return f.from }

// acceptFronted takes a connection from a server in front: after its header it is as one
// from the address that the header names.
func (b *Broker) acceptFronted(ctx context.Context, d door, nc net.Conn) {
	from, err := readFront(ctx, nc)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, io.EOF) { // who only looks whether the port is open says nothing
			b.stats.fronts.Add(1)
			b.warnOfFront(nc, err)
		}
		_ = nc.Close() // it is refused
		return
	}
	c := &fronted{Conn: nc, from: from}
	p, _, _ := b.gate.tryEnter(c, time.Now())
	if p == nil {
		p = b.gate.waitAside(ctx, c)
	}
	if p == nil || !b.admit(d, c, p) {
		_ = nc.Close() // it waited too long, or we are stopping
	}
}

// warnOfFront says what to do about a front that does not say for whom it speaks.
func (b *Broker) warnOfFront(nc net.Conn, err error) {
	now, last := time.Now().UnixNano(), b.frontSaid.Load()
	if now-last < int64(frontWarnEvery) || !b.frontSaid.CompareAndSwap(last, now) {
		return
	}
	b.log.Warn("a connection of a server in trusted_proxies was refused; have it send the PROXY protocol (HAProxy: send-proxy-v2, nginx: proxy_protocol on), or take it out of trusted_proxies",
		"proxy", nc.RemoteAddr(), "err", err)
}

// readFront reads the header of the PROXY protocol, version 1 or 2, not a byte more, and returns
// for whom the front speaks: the front itself, when that is what it says (LOCAL, UNKNOWN).
func readFront(ctx context.Context, nc net.Conn) (net.Addr, error) {
	if err := nc.SetReadDeadline(time.Now().Add(frontTime)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Now()) }) // we are stopping
	defer stop()
	raw, err := frontHeader(nc)
	if err != nil {
		return nil, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), len(raw)))
	if err != nil {
		return nil, fmt.Errorf("header of the PROXY protocol: %w", err)
	}
	if from, _, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		return from, nil
	}
	return nc.RemoteAddr(), nil
}

// frontHeader reads the bytes of a header; both versions are longer than the signature of the second.
func frontHeader(r io.Reader) ([]byte, error) {
	b := make([]byte, len(proxyproto.SIGV2), maxFrontLine)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if bytes.Equal(b, proxyproto.SIGV2) {
		b = b[:16] // version and command, family, length: section 2.2
		if _, err := io.ReadFull(r, b[len(proxyproto.SIGV2):]); err != nil {
			return nil, err
		}
		n := int(binary.BigEndian.Uint16(b[14:]))
		if n > maxFront {
			return nil, fmt.Errorf("header of the PROXY protocol: %d bytes, at most %d are taken", n, maxFront)
		}
		b = append(b, make([]byte, n)...)
		_, err := io.ReadFull(r, b[16:])
		return b, err
	}
	if !bytes.HasPrefix(b, []byte("PROXY ")) || bytes.IndexByte(b, '\n') >= 0 {
		return nil, errNoFront
	}
	for b[len(b)-1] != '\n' {
		if len(b) == maxFrontLine {
			return nil, errNoFront
		}
		b = b[:len(b)+1]
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// comesFrom is asked when a WebSocket's request was read: a server in front says for whom. False: that
// address has its share of the gate's places.
func (c *conn) comesFrom(h http.Header) bool {
	if !c.b.cfg.Proxies.Has(c.raw.RemoteAddr()) {
		return true
	}
	a, ok := c.b.cfg.Proxies.Source(h)
	if !ok {
		return true // it speaks for itself
	}
	c.remote = &net.TCPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	return c.pass.move(c.remote, time.Now())
}
