package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"wardline/sync/identity"
)

// SignOn is an OpenID Connect provider at which officers log in.
type SignOn interface {
	// Name stands on the button.
	Name() string
	// Begin is where the browser goes, and what it keeps until it comes back.
	Begin(ctx context.Context) (to, held string, err error)
	// Finish is the name of the account of who came back; an error wraps ErrSignOnRefused, or
	// the provider does not answer.
	Finish(ctx context.Context, held string, answer url.Values) (user string, err error)
	// Leave is where a browser ends its log-in at the provider; empty: nowhere.
	Leave(ctx context.Context) (to string, err error)
}

// ErrSignOnRefused says that what came back from a provider proves nothing.
var ErrSignOnRefused = errors.New("api: the provider's answer proves nothing")

const (
	// signOnCookie is what a browser keeps while its officer is at the provider.
	signOnCookie = "wardline_oidc"
	signOnTime   = 10 * time.Minute
	// afterSignOn is where a browser ends up; the page says what the query names.
	afterSignOn = "/command/"
)

func (s *Server) getSignOn(w http.ResponseWriter, r *http.Request) error {
	if s.SignOn == nil {
		return noSignOn()
	}
	leave, err := s.SignOn.Leave(r.Context())
	if err != nil {
		s.Log.Debug("the provider of log-ins does not answer", "err", err)
	}
	return s.answer(w, 200, map[string]string{"name": s.SignOn.Name(), "logout": leave})
}

func noSignOn() error {
	return Problem(404, "not-found", "", "no provider is configured here; log in with a password")
}

func (s *Server) beginSignOn(w http.ResponseWriter, r *http.Request) error {
	if s.SignOn == nil {
		return noSignOn()
	}
	to, held, err := s.SignOn.Begin(r.Context())
	if err != nil {
		s.Log.Warn("the provider of log-ins does not answer", "err", err)
		return s.backFromSignOn(w, r, "later")
	}
	http.SetCookie(w, s.signOnCookie(r, held, signOnTime))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// signOnCookie is sent along by who comes back, although that is from another site.
func (s *Server) signOnCookie(r *http.Request, held string, life time.Duration) *http.Cookie {
	c := s.cookie(r, signOnCookie, held, life)
	c.SameSite, c.Path = http.SameSiteLaxMode, "/api/v1/oidc"
	return c
}

// finishSignOn begins a session for who comes back, if the account is there. What a
// browser kept is good for one answer.
func (s *Server) finishSignOn(w http.ResponseWriter, r *http.Request) error {
	if s.SignOn == nil {
		return noSignOn()
	}
	held := ""
	if c, err := r.Cookie(signOnCookie); err == nil {
		held = c.Value
	}
	http.SetCookie(w, s.signOnCookie(r, "", -time.Second))
	user, err := s.SignOn.Finish(r.Context(), held, r.URL.Query())
	switch {
	case errors.Is(err, ErrSignOnRefused):
		s.Log.Warn("a log-in by the provider is refused", "err", err)
		return s.backFromSignOn(w, r, "refused")
	case err != nil:
		s.Log.Warn("the provider of log-ins does not answer", "err", err)
		return s.backFromSignOn(w, r, "later")
	}
	o, known := s.Directory.AccountHolder(user)
	if !known {
		return s.backFromSignOn(w, r, "no-account")
	}
	http.SetCookie(w, s.cookie(r, cookieName, s.Sessions.Start(o), identity.SessionLife))
	http.SetCookie(w, s.cookie(r, deskCookie, s.Sessions.NewDesk(), identity.DeskLife))
	return s.backFromSignOn(w, r, "")
}

func (s *Server) backFromSignOn(w http.ResponseWriter, r *http.Request, why string) error {
	to := afterSignOn
	if why != "" {
		s.turned.WithLabelValues("sign-on-" + why).Inc()
		to += "?signon=" + why
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
