package city

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// peerLine is where core nodes reach one of them, when their own lines can be cut too. Each
// of the others has a line of its own through it, and is known by its process: the bytes
// are encrypted, and on one machine all of them come from one address.
type peerLine struct {
	c    *City
	l    net.Listener
	from map[string]*proxy // by who dials
}

// peerLine opens the listener in front of a core node.
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
	go w.accept()
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
	want := "socket:[" + inode + "]"
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

// inodeOf finds the socket from one IPv4 address to another in the kernel's table
// (proc(5), /proc/net/tcp: addresses in hexadecimal, in the machine's byte order).
func inodeOf(from, to net.Addr) (string, error) {
	name := func(a net.Addr) (string, error) {
		t, ok := a.(*net.TCPAddr)
		if !ok || t.IP.To4() == nil {
			return "", fmt.Errorf("%v is no IPv4 address", a)
		}
		ip := t.IP.To4()
		return strings.ToUpper(hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]})) + fmt.Sprintf(":%04X", t.Port), nil
	}
	a, err1 := name(from)
	b, err2 := name(to)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was read
	for s := bufio.NewScanner(f); s.Scan(); {
		if col := strings.Fields(s.Text()); len(col) > 9 && col[1] == a && col[2] == b {
			return col[9], nil
		}
	}
	return "", os.ErrNotExist
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
