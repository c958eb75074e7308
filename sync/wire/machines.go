package wire

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// Proto is gRPC's protocol (ALPN, RFC 7301).
const Proto = "h2"

// machines are the credentials of a line between machines of the city. The
// server's handshake was done at its door (trust.Gate), before gRPC saw the connection.
type machines struct{ h *trust.Holder }

// Machines are a line's credentials, both sides verified.
func Machines(h *trust.Holder) credentials.TransportCredentials { return machines{h} }

// machine is who the other end is.
type machine struct {
	credentials.CommonAuthInfo
	peer trust.Peer
}

// AuthType implements credentials.AuthInfo.
func (machine) AuthType() string { return "tls" }

var proven = credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}

// ClientHandshake implements credentials.TransportCredentials.
func (m machines) ClientHandshake(ctx context.Context, _ string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := m.h.Handshake(ctx, raw, Proto, trust.Node)
	return c, machine{CommonAuthInfo: proven}, err
}

// ServerHandshake implements credentials.TransportCredentials.
func (m machines) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, ok := raw.(trust.Conn)
	if !ok {
		return nil, nil, errors.New("wire: a connection that came through no door")
	}
	p, err := trust.PeerOf(c.ConnectionState().PeerCertificates[0])
	return c, machine{proven, p}, err
}

// Info implements credentials.TransportCredentials.
func (machines) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls", SecurityVersion: "1.3"}
}

// Clone implements credentials.TransportCredentials.
func (m machines) Clone() credentials.TransportCredentials { return m }

// OverrideServerName implements credentials.TransportCredentials; machines have
// their names in their certificates.
func (machines) OverrideServerName(string) error { return nil }

// PeerOf is the machine at the other end of a stream at a server.
func PeerOf(ctx context.Context) (trust.Peer, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if m, ok := p.AuthInfo.(machine); ok {
			return m.peer, nil
		}
	}
	return trust.Peer{}, status.Error(codes.Unauthenticated, "who this is was not proven")
}

type originKey struct{}

// As says whose stream it is, as its certificate proves: a hello of anybody else is refused.
func As(ctx context.Context, o record.Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// may says whether a stream may say hello as o; a stream over a simulated network has no certificate.
func may(ctx context.Context, o record.Origin) error {
	if as, ok := ctx.Value(originKey{}).(record.Origin); ok && as != o {
		return status.Errorf(codes.PermissionDenied, "hello from %s over the line of %s", o, as)
	}
	return nil
}
