package city

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// peerLine is where core nodes reach one of them, when their own lines can be cut too. Each
// of the others has a line of its own through it, and is known by its process: the bytes
// are encrypted, and on one machine all of them come from one address.
type peerLine struct {
	c    *City
	l    net.Listener
	from map[string]*proxy // by who dials
}

// peerLine opens the listener in front of a core node; accept begins when every child is there.
func (c *City) peerLine(to int) error {
	n := c.plan.Cores[to]
	l, err := net.Listen("tcp", n.Raft)
	if err != nil {
		return err
	}
	w := &peerLine{c: c, l: l, from: map[string]*proxy{}}
	for _, o := range c.plan.Cores {
		if o.ID != n.ID {
			w.from[o.ID] = &proxy{target: func() string { return n.RaftListen }, conns: map[net.Conn]bool{}}
		}
	}
	if c.wires == nil {
		c.wires = map[string]*peerLine{}
	}
	c.wires[n.ID] = w
	return nil
}

func (w *peerLine) accept() {
	for {
		c, err := w.l.Accept()
		if err != nil {
			return
		}
		go func() {
			p := w.from[w.c.dialer(c)]
			if p == nil || p.now() == CutRefuse {
				_ = c.Close() // that is what the cut is, or who dialled has died
				return
			}
			p.serve(c)
		}()
	}
}

// dialer is the child whose end of a connection over the loopback address the other
// one is; empty when there is none.
func (c *City) dialer(conn net.Conn) string {
	inode, err := inodeOf(conn.RemoteAddr(), conn.LocalAddr())
	if err != nil {
		return ""
	}
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, n := range c.plan.Cores {
		dir := "/proc/" + strconv.Itoa(c.pid(n.ID)) + "/fd"
		list, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, f := range list {
			if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && to == want {
				return n.ID
			}
		}
	}
	return ""
}

// Of sock_diag(7): inet_diag_req_v2 behind a netlink header, and where the inode stands
// in inet_diag_msg (linux/inet_diag.h).
const (
	diagByFamily = 20
	diagRequest  = unix.SizeofNlMsghdr + 56
	diagInode    = unix.SizeofNlMsghdr + 68
)

// inodeOf asks the kernel for the one socket that leads from an IPv4 address to another.
// /proc/net/tcp says it as well, in seconds where there are ten thousand sockets.
func inodeOf(from, to net.Addr) (inode uint32, err error) {
	a, ok1 := from.(*net.TCPAddr)
	b, ok2 := to.(*net.TCPAddr)
	if !ok1 || !ok2 || a.IP.To4() == nil || b.IP.To4() == nil {
		return 0, fmt.Errorf("%v to %v is not over IPv4", from, to)
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Close(s)) }()
	q := make([]byte, 0, diagRequest)
	q = binary.NativeEndian.AppendUint32(q, diagRequest)
	q = binary.NativeEndian.AppendUint16(q, diagByFamily)
	q = binary.NativeEndian.AppendUint16(q, unix.NLM_F_REQUEST)
	q = append(q, make([]byte, 8)...)                             // the kernel numbers by itself
	q = append(q, unix.AF_INET, unix.IPPROTO_TCP, 0, 0)           // no further attributes
	q = binary.NativeEndian.AppendUint32(q, ^uint32(0))           // in any state
	q = binary.BigEndian.AppendUint16(q, uint16(a.Port))          // its own end
	q = binary.BigEndian.AppendUint16(q, uint16(b.Port))          // the far end
	q = append(append(q, a.IP.To4()...), make([]byte, 12)...)     // 16 bytes, for IPv6 too
	q = append(append(q, b.IP.To4()...), make([]byte, 12)...)     // as above
	q = append(q, 0, 0, 0, 0)                                     // at any interface
	q = append(q, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // no cookie (INET_DIAG_NOCOOKIE)
	if err := unix.Sendto(s, q, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, buf, 0)
	switch {
	case err != nil:
		return 0, err
	case n < diagInode+4 || binary.NativeEndian.Uint16(buf[4:]) != diagByFamily:
		return 0, os.ErrNotExist
	}
	return binary.NativeEndian.Uint32(buf[diagInode:]), nil
}

// between sets how the lines from one core node to another are broken; an empty name
// stands for all.
func (c *City) between(w http.ResponseWriter, from, to string, mode Cut) {
	if len(c.wires) == 0 {
		http.Error(w, "the lines between the core nodes of this city cannot be cut: begin a new one with --wires", 409)
		return
	}
	found := false
	for node, x := range c.wires {
		for who, p := range x.from {
			if (from == "" || from == who) && (to == "" || to == node) {
				p.set(mode)
				found = true
			}
		}
	}
	if !found {
		http.Error(w, fmt.Sprintf("no line leads from %q to %q; the core nodes stand in city.json", from, to), 404)
		return
	}
	c.log.Info("the lines between core nodes were changed", "from", from, "to", to, "cut", string(mode))
}
