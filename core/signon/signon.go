// Package signon lets officers log in by the city's OpenID Connect provider (OpenID
// Connect Core 1.0, code flow with PKCE, RFC 7636).
//
// It promises: who comes back is who went, from the same browser, once, with an ID token of
// the configured provider for this client and this log-in (state, nonce, issuer, audience,
// signature, time). It gives the name of an account and no more: accounts are made and
// their roles set in the city's log alone.
//
// It keeps nothing: what a log-in needs on its way back is in a cookie that this package
// signs, so that any node takes up what another began. A provider that does not
// answer keeps nobody from the password.
package signon

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"wardline/sync/identity"
)

// Limits of what a provider says and how long it takes.
const (
	askTime   = 10 * time.Second
	maxAnswer = 1 << 20
	// maxAsking are the log-ins that ask the provider at once.
	maxAsking = 8
	// tryLife is how long somebody may take at the provider.
	tryLife = 10 * time.Minute
)

// Errors of a log-in.
var (
	// ErrRefused: the provider refused, or what came back proves nothing.
	ErrRefused = errors.New("signon: the log-in is refused")
	// ErrLater: the provider does not answer, or too many ask it.
	ErrLater = errors.New("signon: the provider does not answer now")
)

// Provider is the city's provider, as a node sees it.
type Provider struct {
	c      Config
	secret string
	key    [32]byte
	now    func() time.Time
	http   *http.Client
	asking chan struct{}

	mu    sync.Mutex // guards found
	found *oidc.Provider
}

// New reads the files that c names; it asks nobody. key signs what a browser keeps
// meanwhile; all nodes have the same.
func New(c Config, key [32]byte, now func() time.Time) (*Provider, error) {
	p := &Provider{c: c, key: key, now: now, asking: make(chan struct{}, maxAsking)}
	raw, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return nil, fmt.Errorf("oidc.client_secret_file: %w", err)
	}
	if p.secret = strings.TrimSpace(string(raw)); p.secret == "" {
		return nil, fmt.Errorf("oidc.client_secret_file: %s is empty", c.ClientSecretFile)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: maxAsking, IdleConnTimeout: time.Minute}
	if c.CAFile != "" {
		raw, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("oidc.ca_file: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("oidc.ca_file: %s holds no certificate", c.CAFile)
		}
	}
	p.http = &http.Client{Timeout: askTime, Transport: bounded{t}}
	return p, nil
}

// bounded cuts an answer that is longer than any provider's.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, maxAnswer), a.Body}
	}
	return a, err
}

// Name is what stands on the button.
func (p *Provider) Name() string { return p.c.Name }

// find asks the provider for its description, once.
func (p *Provider) find(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	found, err := oidc.NewProvider(ctx, p.c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLater, p.c.Issuer, err)
	}
	p.found = found
	return found, nil
}

// turn bounds how many ask, and for how long.
func (p *Provider) turn(ctx context.Context, f func(context.Context, *oidc.Provider) error) error {
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	default:
		return fmt.Errorf("%w: %d log-ins ask it already", ErrLater, maxAsking)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), askTime)
	defer cancel()
	found, err := p.find(ctx)
	if err != nil {
		return err
	}
	return f(ctx, found)
}

func (p *Provider) client(found *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: p.c.ClientID, ClientSecret: p.secret, RedirectURL: p.c.RedirectURL, Endpoint: found.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}
}

// try is a log-in on its way, as the browser keeps it.
type try struct {
	State, Nonce, Verifier string
	Until                  int64 // milliseconds since the Unix epoch, UTC
}

func (p *Provider) mac(body string) []byte {
	h := hmac.New(sha256.New, p.key[:])
	h.Write([]byte(body))
	return h.Sum(nil)
}

// Begin is where the browser goes, and what it keeps until it comes back.
func (p *Provider) Begin(ctx context.Context) (to, held string, err error) {
	err = p.turn(ctx, func(_ context.Context, found *oidc.Provider) error {
		x := try{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), p.now().Add(tryLife).UnixMilli()}
		raw, err := json.Marshal(x)
		if err != nil {
			return err
		}
		body := base64.RawURLEncoding.EncodeToString(raw)
		held = body + "." + base64.RawURLEncoding.EncodeToString(p.mac(body))
		to = p.client(found).AuthCodeURL(x.State, oidc.Nonce(x.Nonce), oauth2.S256ChallengeOption(x.Verifier))
		return nil
	})
	return to, held, err
}

// open reads what a browser kept.
func (p *Provider) open(held string) (x try, err error) {
	body, sum, _ := strings.Cut(held, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || !hmac.Equal(mac, p.mac(body)) {
		return x, fmt.Errorf("%w: no log-in was begun in this browser", ErrRefused)
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err == nil {
		err = json.Unmarshal(raw, &x)
	}
	if err != nil || p.now().UnixMilli() > x.Until {
		return x, fmt.Errorf("%w: it took too long", ErrRefused)
	}
	return x, nil
}

// Finish is the name of the account of who came back with an answer of the provider.
// Errors wrap ErrRefused or ErrLater; none holds what the provider said of a person.
func (p *Provider) Finish(ctx context.Context, held string, answer url.Values) (user string, err error) {
	x, err := p.open(held)
	if err != nil {
		return "", err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(x.State)) != 1:
		return "", fmt.Errorf("%w: the answer belongs to another log-in", ErrRefused)
	case answer.Get("iss") != "" && answer.Get("iss") != p.c.Issuer: // RFC 9207
		return "", fmt.Errorf("%w: the answer is another provider's", ErrRefused)
	case answer.Get("error") != "" || answer.Get("code") == "":
		return "", fmt.Errorf("%w: by the provider", ErrRefused)
	}
	err = p.turn(ctx, func(ctx context.Context, found *oidc.Provider) error {
		client := p.client(found)
		tok, err := client.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(x.Verifier))
		var said *oauth2.RetrieveError
		switch {
		case errors.As(err, &said):
			return fmt.Errorf("%w: the provider does not take the code (%d)", ErrRefused, said.Response.StatusCode)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrLater, err)
		}
		raw, _ := tok.Extra("id_token").(string)
		id, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.c.ClientID, Now: p.now}).Verify(ctx, raw)
		if err != nil {
			return fmt.Errorf("%w: the ID token does not hold", ErrRefused)
		}
		if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(x.Nonce)) != 1 {
			return fmt.Errorf("%w: the ID token belongs to another log-in", ErrRefused)
		}
		user, err = p.user(ctx, found, id, tok)
		return err
	})
	return user, err
}

// user is the claim that names the account: of the ID token, else of the user info, which
// must be about the same person.
func (p *Provider) user(ctx context.Context, found *oidc.Provider, id *oidc.IDToken, tok *oauth2.Token) (string, error) {
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("%w: the ID token does not hold", ErrRefused)
	}
	if _, ok := claims[p.c.Claim]; !ok && found.UserInfoEndpoint() != "" {
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tok))
		if err != nil {
			return "", fmt.Errorf("%w: no user info", ErrLater)
		}
		if info.Subject != id.Subject || info.Claims(&claims) != nil {
			return "", fmt.Errorf("%w: the user info is about somebody else", ErrRefused)
		}
	}
	name, _ := claims[p.c.Claim].(string)
	name = strings.ToLower(name)
	if verified, said := claims["email_verified"].(bool); p.c.Claim == "email" && !(said && verified) {
		return "", fmt.Errorf("%w: the e-mail address is not verified", ErrRefused)
	}
	if !identity.ValidUser(name) {
		return "", fmt.Errorf("%w: the claim %s names no account", ErrRefused, p.c.Claim)
	}
	return name, nil
}

// Leave is where a browser ends its log-in at the provider too, empty where that offers
// no such page (OpenID Connect RP-Initiated Logout 1.0).
func (p *Provider) Leave(ctx context.Context) (to string, err error) {
	err = p.turn(ctx, func(_ context.Context, found *oidc.Provider) error {
		var more struct {
			End string `json:"end_session_endpoint"`
		}
		if err := found.Claims(&more); err != nil || more.End == "" {
			return nil // it offers none
		}
		u, err := url.Parse(more.End)
		if err != nil {
			return nil // as above
		}
		q := u.Query()
		q.Set("client_id", p.c.ClientID)
		u.RawQuery = q.Encode()
		to = u.String()
		return nil
	})
	return to, err
}
