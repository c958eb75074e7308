package api

import (
	"net/http"
	"net/netip"

	"wardline/sync/record"
)

// postDevice registers an install of the citizen's page: a credential without a name,
// bound to the ward of the poster that it was opened from, if any.
func (s *Server) postDevice(w http.ResponseWriter, r *http.Request) error {
	installs := s.Directory.Installs()
	if installs == nil {
		return Problem(503, "not-here", "", "phones register with the city; this station cannot do it")
	}
	var in struct {
		Kind string          `json:"kind"`
		Ward record.WardCode `json:"ward"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.Kind != "app" {
		return Problem(400, "invalid-kind", "kind", "only a kind app registers itself; others are added by an administrator")
	}
	if in.Ward != "" && !in.Ward.Valid() {
		return Problem(400, "invalid-ward", "ward", "a ward has five digits; leave it out where none is known")
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		from = netip.AddrPort{} // not over TCP: all such have one bound
	}
	dev, password, ok := installs.Register(from.Addr(), in.Ward)
	if !ok {
		e := Problem(429, "too-many", "", "too many phones registered from this address; try again in a few seconds")
		e.RetryAfter = 10
		return e
	}
	return s.answer(w, 201, map[string]string{"id": dev.ID, "password": password})
}
