package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// door is a listener.
type door struct {
	net.Listener
	network string
	tls     *tls.Config
}

func openDoor(l Listener) (door, error) {
	nl, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return door{}, fmt.Errorf("mqtt listener %s %s: %w", l.Network, l.Addr, err)
	}
	return door{Listener: nl, network: l.Network, tls: l.TLS}, nil
}

// accept takes connections until ctx has ended and Run closes the listener. When the process
// has no more descriptors it waits; devices wait in the kernel's queue.
func (b *Broker) accept(ctx context.Context, d door) error {
	aside, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	for pause := 5 * time.Millisecond; ; {
		nc, err := d.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				err = nc.Close()
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				b.log.Debug("mqtt listener closed", "err", err)
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("mqtt listener %s: %w", d.Addr(), err)
		case err != nil:
			b.log.Warn("mqtt listener cannot accept; trying again", "addr", d.Addr(), "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		if d.network == "tcp" && b.cfg.Proxies.Has(nc.RemoteAddr()) {
			if !b.gate.goAside() {
				_ = nc.Close() // too many wait
				continue
			}
			waiting.Go(func() {
				defer b.gate.comeBack()
				b.acceptFronted(aside, d, nc)
			})
			continue
		}
		p, share := b.gate.enter(ctx, nc)
		switch {
		case share && b.gate.goAside():
			waiting.Go(func() {
				defer b.gate.comeBack()
				if p := b.gate.waitAside(aside, nc); p == nil || !b.admit(d, nc, p) {
					_ = nc.Close() // it waited too long, or we are stopping
				}
			})
		case p == nil || !b.admit(d, nc, p):
			_ = nc.Close() // too many wait, or we are stopping
		}
	}
}

// greet does what comes before MQTT: the TLS handshake and the WebSocket upgrade.
// All of it and the login must be done within Config.ConnectTimeout.
func (d door) greet(c *conn) error {
	until := time.Now().Add(c.b.cfg.ConnectTimeout)
	if err := c.raw.SetDeadline(until); err != nil {
		return err
	}
	if d.tls != nil {
		t := tls.Server(c.raw, d.tls)
		c.Conn = t
		if err := t.HandshakeContext(c.ctx); err != nil {
			c.b.stats.tls.Add(1)
			return fmt.Errorf("tls handshake: %w", err)
		}
	}
	if d.network == "ws" {
		ws, err := upgrade(c.Conn, c.comesFrom)
		if err != nil {
			return err
		}
		c.Conn = &wsConn{Conn: c.Conn, ws: ws}
		return c.raw.SetDeadline(until) // the upgrade clears it
	}
	return nil
}

// maxUpgrade is the longest HTTP request that asks for the upgrade: a browser's is
// below 2 KiB.
const maxUpgrade = 16 << 10

// upgradeBuffers are what WebSocket messages are written in, so that an idle device keeps none.
var upgradeBuffers sync.Pool

// upgrade answers a WebSocket handshake (RFC 6455, 4.2). Any origin may ask: what
// follows is a login with the device's own password, no cookie. may is asked whether whoever
// sent the request may come in.
func upgrade(nc net.Conn, may func(http.Header) bool) (*websocket.Conn, error) {
	br := bufio.NewReaderSize(io.LimitReader(nc, maxUpgrade), 4<<10)
	r, err := http.ReadRequest(br)
	if err != nil {
		return nil, fmt.Errorf("websocket request: %w", err)
	}
	w := &hijacker{nc: nc, br: br, header: make(http.Header)}
	if !may(r.Header) {
		w.WriteHeader(http.StatusTooManyRequests)
		return nil, errors.New("websocket request: the address has too many connections without a log-in")
	}
	u := websocket.Upgrader{Subprotocols: []string{"mqtt"}, CheckOrigin: func(*http.Request) bool { return true },
		ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &upgradeBuffers}
	ws, err := u.Upgrade(w, r, nil)
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	return ws, nil
}

// hijacker is a ResponseWriter for one request, without a server around it.
type hijacker struct {
	nc     net.Conn
	br     *bufio.Reader
	header http.Header
	status int
}

func (h *hijacker) Header() http.Header { return h.header }

func (h *hijacker) WriteHeader(status int) {
	h.status = status
	_, _ = fmt.Fprintf(h.nc, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n", status, http.StatusText(status)) // the connection ends anyway
}

func (h *hijacker) Write(p []byte) (int, error) {
	if h.status == 0 {
		h.WriteHeader(http.StatusOK)
	}
	return h.nc.Write(p)
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(h.br, bufio.NewWriter(h.nc)), nil
}

// wsConn carries MQTT in binary messages, whose borders mean nothing
// ([MQTT-6.0.0-3]).
type wsConn struct {
	net.Conn
	ws *websocket.Conn
	r  io.Reader // the message that is being read
}

var errNotBinary = errors.New("websocket message is not binary")

func (w *wsConn) Read(p []byte) (int, error) {
	for {
		if w.r == nil {
			kind, r, err := w.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage { // [MQTT-6.0.0-1]
				return 0, errNotBinary
			}
			w.r = r
		}
		n, err := w.r.Read(p)
		if err == io.EOF {
			w.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (w *wsConn) Write(p []byte) (int, error) {
	if err := w.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
