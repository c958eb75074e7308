package core

import (
	"context"
	"fmt"
	"net"
	"time"

	"wardline/core/pki"
	"wardline/sync/trust"
)

// The protocols between the city's machines (ALPN, RFC 7301).
const protoRaft = "wardline-raft/1"

// ownEvery is how often a node looks whether its own certificate is to be made anew.
const ownEvery = time.Minute

// openTrust opens the authority and makes this node's own certificate.
func (n *Node) openTrust() (err error) {
	file := n.c.AuthorityKey
	if file == "" {
		file = n.c.CityKey
	}
	if n.ca, err = pki.Open(file, 0, n.wall); err != nil {
		return fmt.Errorf("authority_key: %w", err)
	}
	n.trust = trust.NewHolder(n.wall)
	return n.renewOwn()
}

// renewOwn makes this node's certificate anew when half of its life is over.
func (n *Node) renewOwn() error {
	if c := n.trust.Certificate(); c != nil && n.wall().Before(c.Leaf.NotBefore.Add(c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)/2)) {
		return nil
	}
	roots, err := n.ca.Roots(1, 1)
	if err != nil {
		return err
	}
	own, err := n.ca.Own(1, trust.NodeName(n.c.ID), nil)
	if err != nil {
		return err
	}
	n.trust.SetRoots(roots)
	n.trust.SetCertificate(own)
	return nil
}

// keepTrust renews until ctx ends.
func (n *Node) keepTrust(ctx context.Context) error {
	t := time.NewTicker(ownEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := n.renewOwn(); err != nil {
			n.log.Error("this node's certificate cannot be made anew; it holds for a while yet", "err", err)
		}
	}
}

// dialRaft reaches another node for Raft.
func (n *Node) dialRaft(ctx context.Context, addr string) (net.Conn, error) {
	return n.trust.Dial(ctx, addr, protoRaft, trust.Node)
}

// namedDoor is a door with its name in metrics.
type namedDoor struct {
	name string
	gate *trust.Gate
}

func (n *Node) doors() []namedDoor { return []namedDoor{{"raft", n.raftDoor}} }
