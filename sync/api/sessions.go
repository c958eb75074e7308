package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"wardline/sync/identity"
)

// SessionEnder ends every session of an account wherever it began; only the core can. An
// account that stands in a file alone has none elsewhere.
type SessionEnder interface {
	EndEverywhere(ctx context.Context, by identity.Officer, user string) error
}

// sessionJSON is one session in use.
type sessionJSON struct {
	ID    string `json:"id"`
	Began Time   `json:"began"`
	Seen  Time   `json:"seen"`
	From  string `json:"from,omitempty"`
	With  string `json:"with,omitempty"`
	// This: it is the one that asks.
	This bool `json:"this,omitempty"`
}

func (s *Server) getMySessions(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	return s.listSessions(w, r, o.User)
}

// deleteSessions ends every session of the officer's account, this one with them.
func (s *Server) deleteSessions(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	if err := s.endAll(r.Context(), o, o.User); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, cookieName, "", -time.Second))
	w.WriteHeader(204)
	return nil
}

func (s *Server) deleteMySession(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	return s.endOne(w, r, o.User)
}

func (s *Server) getUserSessions(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	user, err := s.account(r)
	if err != nil {
		return err
	}
	return s.listSessions(w, r, user)
}

func (s *Server) deleteUserSessions(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	user, err := s.account(r)
	if err != nil {
		return err
	}
	if err := s.endAll(r.Context(), o, user); err != nil {
		return err
	}
	w.WriteHeader(204)
	return nil
}

func (s *Server) deleteUserSession(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	user, err := s.account(r)
	if err != nil {
		return err
	}
	return s.endOne(w, r, user)
}

// account is the name of the account in a path.
func (s *Server) account(r *http.Request) (string, error) {
	user := strings.ToLower(r.PathValue("user"))
	if _, ok := s.Directory.OfficerByUser(user); !ok {
		return "", Problem(404, "not-found", "user", "there is no account %s that may log in here", user)
	}
	return user, nil
}

// listSessions lists the sessions that began here: at the core those of all its nodes,
// at a station its own.
func (s *Server) listSessions(w http.ResponseWriter, r *http.Request, user string) error {
	list, err := s.Sessions.List(user)
	if err != nil {
		return err
	}
	out := struct {
		Items  []sessionJSON `json:"items"`
		IdleS  int           `json:"idle_s"`
		LifeS  int           `json:"life_s"`
		Listed string        `json:"listed"`
	}{[]sessionJSON{}, int(s.Sessions.IdleAfter().Seconds()), int(identity.SessionLife.Seconds()), "station"}
	if _, ok := s.Backend.(SessionEnder); ok {
		out.Listed = "city"
	}
	var this [16]byte
	if c, err := r.Cookie(cookieName); err == nil {
		this = s.Sessions.This(c.Value)
	}
	for i := range list {
		x := &list[i]
		out.Items = append(out.Items, sessionJSON{hex.EncodeToString(x.ID[:]), Time(x.Began), Time(x.Seen), x.From, x.With, x.ID == this})
	}
	return s.answer(w, 200, out)
}

func (s *Server) endOne(w http.ResponseWriter, r *http.Request, user string) error {
	raw, err := hex.DecodeString(r.PathValue("session"))
	if err != nil || len(raw) != 16 {
		return Problem(400, "invalid-id", "session", "a session's id is 32 hexadecimal digits, as GET gives it")
	}
	ended, err := s.Sessions.EndListed(r.Context(), user, [16]byte(raw), false)
	switch {
	case err != nil:
		return err
	case !ended:
		return Problem(404, "not-found", "session", "no such session goes on here")
	}
	w.WriteHeader(204)
	return nil
}

// endAll ends every session of an account: at the core also those at the stations, at
// a station its own.
func (s *Server) endAll(ctx context.Context, by identity.Officer, user string) error {
	if _, err := s.Sessions.EndListed(ctx, user, [16]byte{}, true); err != nil {
		return err
	}
	if b, ok := s.Backend.(SessionEnder); ok {
		return b.EndEverywhere(ctx, by, user)
	}
	return nil
}
