package whole

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"wardline/sync/record"
)

// categories of what is reported: two urgent ones, two that may wait.
var categories = []string{"fire", "medical", "feedback", "security"}

// urgentOf says which of them go in the urgent lane by the sample rules.
func urgentOf(category string) bool { return category == "fire" || category == "medical" }

// item is one report on its way.
type item struct {
	id, category string
	body         []byte
	acked        bool
}

// phone is one device: it makes reports, sends each until it is acknowledged
// and, when it keeps them, offers each again until it is in the city.
type phone struct {
	w            *town
	b            *book
	id, password string
	door         string
	keeps        bool
	every        time.Duration
	r            *rand.Rand

	mu   sync.Mutex // guards kept
	kept []*item
}

// draw makes the next report.
func (p *phone) draw() *item { return p.drawOf(categories[p.r.IntN(len(categories))]) }

func (p *phone) drawOf(category string) *item {
	var id record.ID
	for i := range id {
		id[i] = byte(p.r.Uint32())
	}
	it := &item{id: id.String(), category: category}
	text := ""
	if p.r.IntN(2) == 0 {
		text = `,"text":"cháy nhà"`
	}
	it.body = fmt.Appendf(nil, `{"id":%q,"category":%q%s,"location":{"lat":10.72,"lon":106.73,"accuracy_m":20}}`, it.id, it.category, text)
	p.b.sends(it.id)
	return it
}

func (p *phone) took(it *item, door string) {
	p.b.acknowledged(ack{ID: it.id, What: "report", Door: door, By: p.id, Keeps: p.keeps})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keeps && !it.acked {
		p.kept = append(p.kept, it)
	}
	it.acked = true
}

// waiting are the reports that it keeps.
func (p *phone) waiting() []*item {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

func (p *phone) inCity(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(it *item) bool { return it.id == id })
}

// overHTTP reports until making ends, and returns when its last report is
// acknowledged or ctx has ended. What gets no answer at its own door is tried at
// the other one in turn, and some go to both although the first has answered.
func (p *phone) overHTTP(ctx context.Context, making <-chan struct{}) {
	own, other := p.side(p.door), p.side(atCity)
	if p.door == atCity {
		other = p.side(atWard)
	}
	incarnation := ""
	for {
		select {
		case <-making:
			if p.keeps {
				p.offer(ctx, own, other) // as an app does that is opened again
			}
			return
		default:
		}
		it := p.draw()
		now, ok := p.post(ctx, it, own, other)
		if p.r.IntN(12) == 0 {
			p.post(ctx, it, other, own)
		}
		if !ok {
			p.b.fault("liveness: %s sent report %s at the %s until the end, and it was never acknowledged", p.id, it.id, p.door)
			return
		}
		// A new life of the station may stand on an older disk.
		if p.keeps && now != incarnation && now != "" && incarnation != "" {
			p.offer(ctx, own, other)
		}
		if now != "" {
			incarnation = now
		}
		pause(ctx, time.Duration(float64(p.every)*(0.5+p.r.Float64())))
	}
}

// offer sends again what has no city receipt.
func (p *phone) offer(ctx context.Context, own, other side) {
	for _, it := range p.waiting() {
		if p.hasReceipt(ctx, own.c, it.id) {
			p.inCity(it.id)
			continue
		}
		p.post(ctx, it, own, other)
	}
}

// side is a door as a phone knows it.
type side struct {
	c    *client
	door string
}

func (p *phone) side(door string) side {
	base := p.w.file.Command.URL
	if door == atWard {
		base = p.w.file.Station[0].URL
	}
	return side{newClient(base, p.id, p.password, true), door}
}

func (p *phone) hasReceipt(ctx context.Context, c *client, id string) bool {
	var a struct{ Receipts []struct{ Step string } }
	if _, err := c.ask(ctx, "GET", "/api/v1/reports/"+id, nil, &a); err != nil {
		return false
	}
	return slices.ContainsFunc(a.Receipts, func(r struct{ Step string }) bool { return r.Step == "city" })
}

// post sends one report until it is acknowledged; false when ctx ends before.
// The incarnation is the station's, empty when the city answered.
func (p *phone) post(ctx context.Context, it *item, at, other side) (incarnation string, ok bool) {
	for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		sent := time.Now()
		status, raw, err := at.c.exchange(ctx, "POST", "/api/v1/reports", it.body)
		took := time.Since(sent)
		if at.door == atWard && urgentOf(it.category) && p.w.sound(sent) {
			p.b.waited(took)
			if took > p.w.o.Bound {
				p.b.fault("urgent: report %s waited %v for its answer (%d, %v) at a ward without a fault of its own, bound %v", it.id, took.Round(time.Millisecond), status, err, p.w.o.Bound)
			}
		}
		switch {
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			var a struct{ Incarnation string }
			if err := json.Unmarshal(raw, &a); err != nil {
				p.b.fault("answer to report %s: %v", it.id, err)
			}
			p.took(it, at.door)
			if at.door != atWard {
				a.Incarnation = ""
			}
			return a.Incarnation, true
		case err == nil && status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			p.b.fault("refused: well-formed report %s got %d %.200s", it.id, status, raw)
			return "", true
		}
		pause(ctx, wait/2+rand.N(wait))
		at, other = other, at
	}
	return "", false
}
