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
