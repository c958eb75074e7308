package trust

import (
	"context"
	"crypto/tls"
	"net"
)

// Dial opens a connection to a machine of the city that speaks proto.
func (h *Holder) Dial(ctx context.Context, addr, proto string, kinds ...Kind) (net.Conn, error) {
	d := net.Dialer{}
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return h.Handshake(ctx, raw, proto, kinds...)
}

// Handshake proves both ends of a connection that was opened to a machine of the city.
// On an error it closes it.
func (h *Holder) Handshake(ctx context.Context, raw net.Conn, proto string, kinds ...Kind) (net.Conn, error) {
	t := tls.Client(raw, h.Client(proto, kinds...))
	if err := t.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the other end is not whom we look for
		return nil, err
	}
	return Conn{t, &h.refused}, nil
}
