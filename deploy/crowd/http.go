package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"wardline/sync/record"
)

const (
	// maxAnswer bounds an answer's body.
	maxAnswer = 64 << 10
	// askEvery is the pause between two rounds of asking for city receipts, askBatch
	// how many reports one round asks for.
	askEvery = 200 * time.Millisecond
	askBatch = 100
)

// runHTTP posts reports and asks for their city receipts until ctx ends.
func (p *phone) runHTTP(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tr := &http.Transport{MaxIdleConnsPerHost: p.o.Window + 1, MaxConnsPerHost: p.o.Window + 1, IdleConnTimeout: time.Minute}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: answerWithin}
	var wg sync.WaitGroup
	for range p.o.Window {
		wg.Go(func() {
			pause := backoffMin
			for it := p.box.take(ctx); it != nil; it = p.box.take(ctx) {
				wait, err := p.post(ctx, c, it)
				switch {
				case errors.Is(err, errFatal):
					cancel(err)
				case err == nil:
					pause = backoffMin
				default:
					sleep(ctx, max(wait, jittered(pause)))
					pause = min(2*pause, backoffMax)
				}
			}
		})
	}
	wg.Go(func() {
		for sleep(ctx, askEvery) {
			for _, id := range p.box.kept(askBatch) {
				p.ask(ctx, c, id)
			}
		}
	})
	wg.Wait()
	if err := context.Cause(ctx); errors.Is(err, errFatal) {
		return err
	}
	return nil
}

// errFatal: no later try can do better.
var errFatal = errors.New("the door does not take this device")

// exchange sends one request and reads its answer.
func (p *phone) exchange(ctx context.Context, c *http.Client, method, path string, body []byte) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.o.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", errFatal, err)
	}
	r.SetBasicAuth(p.id, p.password)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	return a.StatusCode, a.Header, raw, errors.Join(err, a.Body.Close())
}

// post sends one report. An error means that it is sent again, not before
// the time that the door asks for.
func (p *phone) post(ctx context.Context, c *http.Client, it *item) (wait time.Duration, err error) {
	status, head, raw, err := p.exchange(ctx, c, "POST", "/api/v1/reports", it.body)
	if err != nil {
		p.landed(it, false)
		return 0, err
	}
	switch {
	case status == http.StatusCreated, status == http.StatusOK:
		var a struct {
			Incarnation json.RawMessage `json:"incarnation"`
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			p.landed(it, false)
			return 0, fmt.Errorf("answer to report %s: %w", it.id, err)
		}
		p.landed(it, true)
		p.incarnation(string(a.Incarnation))
		return 0, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
		p.landed(it, false)
		return 0, fmt.Errorf("sim: device %s at %s: %w: %d %s; take id and password from city.json", p.id, p.o.URL, errFatal, status, raw)
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		p.refused(it.id, it.sum, string(raw))
		p.landed(it, false)
		return 0, nil
	}
	p.landed(it, false)
	if s, err := strconv.Atoi(head.Get("Retry-After")); err == nil && s > 0 {
		wait = min(time.Duration(s)*time.Second, backoffMax)
	}
	return wait, fmt.Errorf("report %s: status %d", it.id, status)
}

// ask looks whether a report is in the city. One that cannot be asked for now
// is asked for in a later round.
func (p *phone) ask(ctx context.Context, c *http.Client, id record.ID) {
	status, _, raw, err := p.exchange(ctx, c, "GET", "/api/v1/reports/"+id.String(), nil)
	if err != nil || status != http.StatusOK {
		return
	}
	var a struct {
		Receipts []struct {
			Step string `json:"step"`
		} `json:"receipts"`
	}
	if json.Unmarshal(raw, &a) != nil {
		return
	}
	for _, r := range a.Receipts {
		if r.Step == "city" {
			p.box.inCity(id)
		}
	}
}
