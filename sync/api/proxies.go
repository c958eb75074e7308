package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of the servers in front of a node that are believed when
// they say from where a request came; everybody else's word is worth nothing.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks, such as 10.0.0.5 and 10.1.0.0/24; the error
// says which is none.
func ParseProxies(list []string) (p Proxies, err error) {
	for i, s := range list {
		x, err := netip.ParsePrefix(s)
		if a, aerr := netip.ParseAddr(s); aerr == nil {
			x, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, &proxyFault{fmt.Sprintf("trusted_proxies[%d]", i), s}
		}
		p = append(p, x.Masked())
	}
	return p, nil
}

type proxyFault struct{ field, given string }

const proxyForm = "write an address or a network, such as 10.0.0.5 or 10.1.0.0/24"

func (f *proxyFault) Error() string {
	return fmt.Sprintf("%s: %q is neither an address nor a network (%s)", f.field, f.given, proxyForm)
}

// Fault names the field.
func (f *proxyFault) Fault() (field, wrong, do string) {
	return f.field, fmt.Sprintf("%q is neither an address nor a network", f.given), proxyForm
}

func (p Proxies) has(a netip.Addr) bool {
	for _, x := range p {
		if x.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// locate gives a request the address that it came from: behind proxies that are
// believed, the last one in X-Forwarded-For that is none of them. What stands before
// it anybody may have written.
func (p Proxies) locate(r *http.Request) {
	if len(p) == 0 {
		return
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !p.has(from.Addr()) {
		return
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return // said by nobody who can be believed
		}
		if !p.has(a) || i == 0 {
			r.RemoteAddr = net.JoinHostPort(a.Unmap().String(), "0")
			return
		}
	}
}
