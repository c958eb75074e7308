package api

import (
	"context"
	"net/http"

	"wardline/sync/identity"
)

type officerKey struct{}

// admit lets those pass whom an endpoint is for, and refuses everybody else: an
// endpoint that is not in the table is for nobody. Who passed as an officer is found
// by officer.
func (s *Server) admit(a identity.Access, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a.Open {
			return h(w, r)
		}
		if a.Device {
			if d, ok := s.device(r); ok && a.AdmitsDevice(d) {
				return h(w, r)
			}
		}
		o, in := s.session(r)
		switch {
		case a.Admits(o) && in:
			return h(w, r.WithContext(context.WithValue(r.Context(), officerKey{}, o)))
		case a.Device:
			return Problem(401, "unknown-device", "", "send the device's id and password as HTTP Basic, or log in as an officer who may do this")
		case !in && a.Right != "":
			return Problem(401, "not-logged-in", "", "log in at POST /api/v1/session")
		case o.MustChange && o.May(a.Right):
			return Problem(403, "must-change", "", "choose a new password first, at POST /api/v1/me/password")
		case in:
			return Problem(403, "not-allowed", "", "the role %s may not do this", o.Role)
		}
		return Problem(403, "not-allowed", "", "this is open to nobody")
	}
}

type officerHandler func(w http.ResponseWriter, r *http.Request, o identity.Officer) error

// officer hands the officer who was admitted to h; a device that was admitted in an
// officer's place is not.
func (s *Server) officer(h officerHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		o, ok := r.Context().Value(officerKey{}).(identity.Officer)
		if !ok {
			return Problem(401, "not-logged-in", "", "log in at POST /api/v1/session")
		}
		return h(w, r, o)
	}
}
