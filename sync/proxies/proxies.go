// Package proxies is whom a node believes when it is told from where a connection came:
// the servers in front of it, by their addresses. Everybody else's word is worth nothing.
package proxies

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// List are the addresses and networks of the servers in front of a node; nil believes nobody.
type List []netip.Prefix

// Parse reads addresses and networks, such as 10.0.0.5 and 10.1.0.0/24; the error
// says which is none.
func Parse(list []string) (l List, err error) {
	for i, s := range list {
		x, err := netip.ParsePrefix(s)
		if a, aerr := netip.ParseAddr(s); aerr == nil {
			x, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, &fault{fmt.Sprintf("trusted_proxies[%d]", i), s}
		}
		l = append(l, x.Masked())
	}
	return l, nil
}

type fault struct{ field, given string }

const form = "write an address or a network, such as 10.0.0.5 or 10.1.0.0/24"

func (f *fault) Error() string {
	return fmt.Sprintf("%s: %q is neither an address nor a network (%s)", f.field, f.given, form)
}

// Fault names the field.
func (f *fault) Fault() (field, wrong, do string) {
	return f.field, fmt.Sprintf("%q is neither an address nor a network", f.given), form
}

func (l List) has(a netip.Addr) bool {
	for _, x := range l {
		if x.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// Has says whether the peer at the other end of a connection is one of them.
func (l List) Has(peer net.Addr) bool {
	if len(l) == 0 {
		return false
	}
	from, err := netip.ParseAddrPort(peer.String())
	return err == nil && l.has(from.Addr())
}

// Source is the address for which one of them speaks: the last one in X-Forwarded-For that
// is none of them. What stands before it anybody may have written. False: it does not say.
func (l List) Source(h http.Header) (netip.Addr, bool) {
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return netip.Addr{}, false // said by nobody who can be believed
		}
		if !l.has(a) || i == 0 {
			return a.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// Locate gives a request the address that it came from, and takes X-Forwarded-For and
// X-Forwarded-Proto away when nobody who is believed wrote them.
func (l List) Locate(r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !l.has(from.Addr()) {
		r.Header.Del("X-Forwarded-For")
		r.Header.Del("X-Forwarded-Proto")
		return
	}
	if a, ok := l.Source(r.Header); ok {
		r.RemoteAddr = net.JoinHostPort(a.String(), "0")
	}
}

// Secure says whether a request that went through Locate came over TLS: to this node, or to
// the front that is believed. Of several words the last is its own.
func Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	said := strings.Join(r.Header.Values("X-Forwarded-Proto"), ",")
	return strings.EqualFold(strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:]), "https")
}
