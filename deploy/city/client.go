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
		var p struct{ Detail string }
		if json.Unmarshal(out, &p) == nil && p.Detail != "" {
			return nil, errors.New(p.Detail)
		}
		return nil, fmt.Errorf("%s%s: %s", c.url, path, a.Status)
	}
	return out, nil
}
