package api

import (
	"net/http"
	"time"

	"wardline/sync/identity"
	"wardline/sync/proxies"
)

const cookieName = "wardline_session"

func (s *Server) session(r *http.Request) (identity.Officer, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return identity.Officer{}, false
	}
	return s.Sessions.OfficerFrom(c.Value, identity.Source(r.RemoteAddr), identity.Program(r.UserAgent()))
}

func (s *Server) postSession(w http.ResponseWriter, r *http.Request) error {
	var in struct{ User, Password string }
	if err := readJSON(r, &in); err != nil {
		return err
	}
	source, known := s.source(r)
	if wait := s.tries.Take(in.User, source); wait > 0 {
		e := Problem(429, "too-many-tries", "", "too many wrong passwords for this account from here; wait before the next")
		e.RetryAfter = int(wait.Seconds()) + 1
		return e
	}
	o, err := s.Directory.LogIn(r.Context(), in.User, in.Password, known)
	if err != nil {
		return logInProblem(err)
	}
	s.tries.Passed(in.User, source)
	http.SetCookie(w, s.cookie(r, cookieName, s.Sessions.Start(o), identity.SessionLife))
	http.SetCookie(w, s.cookie(r, deskCookie, s.Sessions.NewDesk(), identity.DeskLife))
	return s.answer(w, 200, o)
}

// deskCookie proves that somebody logged in at this browser before.
const deskCookie = "wardline_desk"

// source is where a log-in comes from: a desk that is known, else an address.
func (s *Server) source(r *http.Request) (string, bool) {
	if c, err := r.Cookie(deskCookie); err == nil {
		if desk, known := s.Sessions.Desk(c.Value); known {
			return desk, true
		}
	}
	return identity.Source(r.RemoteAddr), false
}

func (s *Server) cookie(r *http.Request, name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: proxies.Secure(r), MaxAge: int(life.Seconds())}
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) error {
	return s.endSession(w, r)
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	c, err := r.Cookie(cookieName)
	if err == nil {
		err = s.Sessions.End(r.Context(), c.Value, false)
	} else {
		err = nil // nobody was logged in
	}
	http.SetCookie(w, s.cookie(r, cookieName, "", -time.Second))
	if err != nil {
		return err
	}
	w.WriteHeader(204)
	return nil
}

func (s *Server) getMe(w http.ResponseWriter, r *http.Request) error {
	if o, ok := s.session(r); ok {
		return s.answer(w, 200, o)
	}
	if d, ok := s.device(r); ok {
		return s.answer(w, 200, d)
	}
	return Problem(401, "not-logged-in", "", "log in at POST /api/v1/session, or send a device's id and password as HTTP Basic")
}
