package api

import (
	"context"
	"net/http"
	"net/netip"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Devices takes what an administrator says of devices into the city's log.
type Devices interface {
	Devices(ctx context.Context, after string, limit int) ([]identity.Credential, error)
	AddDevice(ctx context.Context, by identity.Officer, d identity.Device) (secret string, err error)
	RevokeDevice(ctx context.Context, by identity.Officer, id string) error
}

// deviceJSON is a device as an administrator reads it.
type deviceJSON struct {
	ID      string          `json:"id"`
	Ward    record.WardCode `json:"ward,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Revoked bool            `json:"revoked"`
}

func (s *Server) devices() (Devices, error) {
	b, ok := s.Backend.(Devices)
	if !ok {
		return nil, Problem(404, "not-here", "", "devices are added at the core; their stations hear of them")
	}
	return b, nil
}

// maxDevicePage bounds one page of devices.
const maxDevicePage = 1000

func (s *Server) getDevices(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	b, err := s.devices()
	if err != nil {
		return err
	}
	list, err := b.Devices(r.Context(), r.URL.Query().Get("after"), maxDevicePage)
	if err != nil {
		return err
	}
	out := struct {
		Items []deviceJSON `json:"items"`
		Next  *string      `json:"next"`
	}{Items: []deviceJSON{}}
	for _, c := range list {
		out.Items = append(out.Items, deviceJSON{c.ID, c.Ward, c.Kind, c.Revoked})
	}
	if len(list) == maxDevicePage {
		out.Next = &out.Items[len(out.Items)-1].ID
	}
	return s.answer(w, 200, out)
}

func (s *Server) putDevice(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.devices()
	if err != nil {
		return err
	}
	var in struct {
		Ward record.WardCode `json:"ward"`
		Kind string          `json:"kind"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d := identity.Device{ID: r.PathValue("id"), Ward: in.Ward, Kind: in.Kind}
	secret, err := b.AddDevice(r.Context(), o, d)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"id": d.ID, "ward": d.Ward, "kind": d.Kind, "password": secret})
}

func (s *Server) deleteDevice(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.devices()
	if err != nil {
		return err
	}
	if err := b.RevokeDevice(r.Context(), o, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(204)
	return nil
}

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
