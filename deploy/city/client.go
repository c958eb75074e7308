package city

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"
)

// maxAnswer bounds an answer's body, in bytes.
const maxAnswer = 1 << 20

// Client speaks to one node or station in an officer's name.
type Client struct {
	url  string
	http *http.Client
}

// NewClient makes a client of a base address; limit is how long one answer may take.
func NewClient(url string, limit time.Duration) (*Client, error) {
	jar, err := cookiejar.New(nil)
	return &Client{url, &http.Client{Jar: jar, Timeout: limit}}, err
}

// SignIn begins a session.
func (c *Client) SignIn(ctx context.Context, user, password string) error {
	login, err := json.Marshal(map[string]string{"user": user, "password": password})
	if err != nil {
		return err
	}
	_, err = c.Call(ctx, "POST", "/api/v1/session", login)
	return err
}

// Call sends one request and gives the answer's body. A status of 300 or more is
// an error, with the detail that the answer gives.
func (c *Client) Call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	a, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return nil, err
	}
	if a.StatusCode >= 300 {
		return nil, c.refused(path, a, out)
	}
	return out, nil
}

// refused is an answer's status as an error.
func (c *Client) refused(path string, a *http.Response, body []byte) error {
	var p struct{ Detail string }
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		return errors.New(p.Detail)
	}
	return fmt.Errorf("%s%s: %s", c.url, path, a.Status)
}

// silence is how long a download may bring nothing before it is given up.
const silence = 2 * time.Minute

// Download writes an answer's body of any length to w. What breaks off is an error.
func (c *Client) Download(ctx context.Context, path string, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %s", silence)) })
	defer idle.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	a, err := c.http.Do(r)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if a.StatusCode >= 300 {
		out, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
		return errors.Join(c.refused(path, a, out), err, a.Body.Close())
	}
	_, err = io.Copy(w, readerFunc(func(b []byte) (int, error) {
		n, err := a.Body.Read(b)
		idle.Reset(silence)
		return n, err
	}))
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return fmt.Errorf("%s%s broke off: %w", c.url, path, errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
