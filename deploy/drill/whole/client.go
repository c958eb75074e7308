package whole

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"time"
)

// askLimit bounds one exchange: a black hole answers never.
const askLimit = 10 * time.Second

// client asks one base address in the name of an officer or a device.
type client struct {
	base           string
	user, password string
	device         bool
	http           *http.Client

	mu sync.Mutex // one log-in at a time
}

func newClient(base, user, password string, device bool) *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cannot fail without options
	}
	return &client{base: base, user: user, password: password, device: device, http: &http.Client{Jar: jar, Timeout: askLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 20 * time.Second}}}
}

// exchange sends one request; status 0 says that nothing came back.
func (c *client) exchange(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if c.device {
		r.SetBasicAuth(c.user, c.password)
	}
	a, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(a.Body, 16<<20))
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return 0, nil, err
	}
	return a.StatusCode, raw, nil
}

// ask sends one request and reads the answer into into; an officer whose
// session has ended logs in again. Any status but 200 and 201 is an error.
func (c *client) ask(ctx context.Context, method, path string, body []byte, into any) (int, error) {
	status, raw, err := c.signedIn(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return status, fmt.Errorf("%s %s%s: %d %.200s", method, c.base, path, status, raw)
	}
	if into == nil {
		return status, nil
	}
	return status, json.Unmarshal(raw, into)
}

// asks reads a path as it comes.
func (c *client) asks(ctx context.Context, path string) (int, []byte, error) {
	return c.signedIn(ctx, "GET", path, nil)
}

func (c *client) signedIn(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	status, raw, err := c.exchange(ctx, method, path, body)
	if err == nil && status == http.StatusUnauthorized && !c.device {
		if err := c.logIn(ctx); err != nil {
			return 0, nil, err
		}
		return c.exchange(ctx, method, path, body)
	}
	return status, raw, err
}

func (c *client) logIn(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := json.Marshal(map[string]string{"user": c.user, "password": c.password})
	if err != nil {
		return err
	}
	status, raw, err := c.exchange(ctx, "POST", "/api/v1/session", b)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("log-in of %s at %s: %d %.200s", c.user, c.base, status, raw)
	}
	return err
}

// pause waits; false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
