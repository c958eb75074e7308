package api_test

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/proxies"
	"wardline/sync/record"
)

// TestSession_Cookie_IsHeldAwayFromScriptsAndOtherSites_AndIsNewAtEachLogIn: what a
// stranger put into the browser before is worth nothing after.
func TestSession_Cookie_IsHeldAwayFromScriptsAndOtherSites_AndIsNewAtEachLogIn(t *testing.T) {
	dir, secret := identity.NewDirectory(), identity.NewSecret()
	if err := dir.AddOfficer(identity.Officer{User: "lan", Role: identity.CommandOfficer, Unit: record.Command}, secret); err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Config{Directory: dir, Sessions: identity.NewSessions(time.Now, [32]byte{1}, dir), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	h := s.Handler()
	post := func(password string, set func(*http.Request)) *http.Response {
		r := httptest.NewRequest("POST", "/api/v1/session", strings.NewReader(`{"user":"lan","password":"`+password+`"}`))
		r.RemoteAddr = "10.0.0.9:1"
		set(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	seen := map[string]bool{}
	for _, encrypted := range []bool{false, true} {
		a := post(secret, func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "wardline_session", Value: "put-there-by-a-stranger"})
			if encrypted {
				r.TLS = &tls.ConnectionState{}
			}
		})
		for _, c := range a.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.MaxAge <= 0 || c.Secure != encrypted || c.Domain != "" {
				t.Errorf("%+v", c)
			}
			if seen[c.Value] || c.Value == "put-there-by-a-stranger" {
				t.Error("a cookie's value came again")
			}
			seen[c.Value] = true
		}
	}
	if len(seen) != 4 { // of each log-in the session and the desk
		t.Errorf("%d cookies", len(seen))
	}
	// Another site cannot log anybody in or out.
	for _, set := range []func(*http.Request){func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }} {
		if a := post(secret, set); a.StatusCode != 403 || len(a.Cookies()) != 0 {
			t.Errorf("cross-origin: %d", a.StatusCode)
		}
	}
	// A flood of guesses from the same address keeps strangers out, and not the desk.
	var desk *http.Cookie
	for _, c := range post(secret, func(*http.Request) {}).Cookies() {
		if c.Name == "wardline_desk" {
			desk = c
		}
	}
	status := 0
	for range 8 {
		status = post("wrong", func(*http.Request) {}).StatusCode
	}
	if status != 429 || post(secret, func(*http.Request) {}).StatusCode != 429 {
		t.Errorf("guesses go on: %d", status)
	}
	if a := post(secret, func(r *http.Request) { r.AddCookie(desk) }); a.StatusCode != 200 {
		t.Errorf("the desk on duty was locked out: %d", a.StatusCode)
	}
}

// TestSession_BehindAFrontThatEndsTLS_CookiesAreSecure_OnlyByItsWord: the browser then never
// sends them in the clear; and who stands in front of nobody cannot keep a desk from logging in.
func TestSession_BehindAFrontThatEndsTLS_CookiesAreSecure_OnlyByItsWord(t *testing.T) {
	dir, secret := identity.NewDirectory(), identity.NewSecret()
	if err := dir.AddOfficer(identity.Officer{User: "lan", Role: identity.CommandOfficer, Unit: record.Command}, secret); err != nil {
		t.Fatal(err)
	}
	fronts, err := proxies.Parse([]string{"10.0.0.5"})
	if err != nil {
		t.Fatal(err)
	}
	h := api.New(api.Config{Directory: dir, Sessions: identity.NewSessions(time.Now, [32]byte{1}, dir), Now: time.Now, Log: slog.New(slog.DiscardHandler), Proxies: fronts}).Handler()
	for _, c := range []struct {
		from   string
		said   []string
		secure bool
	}{
		{"10.0.0.5:1", []string{"https"}, true},
		{"10.0.0.5:1", []string{"HTTPS"}, true},
		{"10.0.0.5:1", []string{"http"}, false},
		{"10.0.0.5:1", nil, false},
		{"10.0.0.5:1", []string{"https, http"}, false}, // the browser's own word stands first
		{"10.0.0.5:1", []string{"https", "http"}, false},
		{"10.0.0.5:1", []string{"http", "https"}, true},
		{"10.0.0.9:1", []string{"https"}, false},
	} {
		r := httptest.NewRequest("POST", "/api/v1/session", strings.NewReader(`{"user":"lan","password":"`+secret+`"}`))
		r.RemoteAddr = c.from
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		r.Header["X-Forwarded-Proto"] = c.said
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Result().Cookies()
		if w.Code != 200 || len(got) != 2 {
			t.Fatalf("%+v: %d, %d cookies", c, w.Code, len(got))
		}
		for _, k := range got {
			if k.Secure != c.secure {
				t.Errorf("%+v: %s is secure: %v", c, k.Name, k.Secure)
			}
		}
	}
}
