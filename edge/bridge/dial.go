package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// connectWait bounds dialling and the handshakes of TLS, WebSocket and MQTT together.
const connectWait = 15 * time.Second

// dial opens the way to the broker; it ends with ctx.
func dial(ctx context.Context, a address, t *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	switch {
	case a.scheme == "ws" || a.scheme == "wss":
		d := websocket.Dialer{TLSClientConfig: t, Subprotocols: []string{"mqtt"}} // MQTT 3.1.1 section 6
		c, resp, err := d.DialContext(ctx, a.String(), nil)
		if err != nil {
			if resp != nil {
				err = errors.Join(err, resp.Body.Close())
			}
			return nil, err
		}
		return &wsConn{Conn: c.NetConn(), ws: c}, nil
	case t != nil:
		return (&tls.Dialer{Config: t}).DialContext(ctx, "tcp", a.host)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.host)
}

// wsConn carries a byte stream in binary frames, MQTT 3.1.1 section 6. One
// goroutine reads and one writes at a time.
type wsConn struct {
	net.Conn // for addresses and Close
	ws       *websocket.Conn
	r        io.Reader // the frame that is being read
}

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.r == nil {
			kind, r, err := c.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errPacket
			}
			c.r = r
		}
		n, err := c.r.Read(p)
		if err == io.EOF {
			c.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *wsConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *wsConn) SetReadDeadline(t time.Time) error { return c.ws.SetReadDeadline(t) }

// SetWriteDeadline is the frame writer's own; gorilla sets the socket's from it.
func (c *wsConn) SetWriteDeadline(t time.Time) error { return c.ws.SetWriteDeadline(t) }
