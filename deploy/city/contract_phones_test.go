package city

import (
	"net/http"
	"strings"
	"sync"
)

// phones are the answers to people without a log-in: a phone that registers itself,
// and whoever holds a report's code.
func (h *held) phones(base string) {
	t := h.t
	id := h.routed(base)
	h.ask(200, base, "", "GET", "/api/v1/progress/"+id, "")
	h.ask(404, base, "", "GET", "/api/v1/progress/"+newID(), "")
	h.ask(400, base, "", "GET", "/api/v1/progress/7", "")
	if base == h.stationURL() {
		h.ask(503, base, "", "POST", "/api/v1/devices", `{"kind":"app"}`)
		return
	}
	var phone struct{ ID, Password string }
	h.into(h.ask(201, base, "", "POST", "/api/v1/devices", `{"kind":"app","ward":"26704"}`), &phone)
	as := func(r *http.Request) { r.SetBasicAuth(phone.ID, phone.Password) }
	own := newID()
	h.ask(201, base, "", "POST", "/api/v1/reports", `{"id":"`+own+`","category":"fire"}`, as)
	h.ask(200, h.coreURL(1), "", "GET", "/api/v1/reports/"+own, "", as) // every node knows every phone
	h.ask(404, base, "", "GET", "/api/v1/reports/"+id, "", as)          // another's
	for _, body := range []string{`{"kind":"kiosk"}`, `{"kind":"app","ward":"7"}`, `{}`} {
		h.ask(400, base, "", "POST", "/api/v1/devices", body)
	}
	h.ask(413, base, "", "POST", "/api/v1/devices", `{"kind":"`+strings.Repeat("a", 300_000)+`"}`)
	for range 100 {
		if a := h.call(http.DefaultClient, "POST", base+"/api/v1/devices", []byte(`{"kind":"app"}`)); a.status == 429 {
			h.ask(429, base, "", "POST", "/api/v1/devices", `{"kind":"app"}`)
			h.guesses(base)
			return
		}
	}
	t.Error("one address registered a hundred phones")
}

// guesses asks for codes faster than is answered.
func (h *held) guesses(base string) {
	var wg sync.WaitGroup
	var refused sync.Once
	said := false
	for range 8 {
		wg.Go(func() {
			for range 200 {
				a := h.call(http.DefaultClient, "GET", base+"/api/v1/progress/"+newID(), nil)
				if a.status != 429 {
					continue
				}
				if err := h.doc.Response("GET", a.req.URL.Path, a.status, a.header, a.body); err != nil {
					h.t.Error(err)
				}
				refused.Do(func() { said = true })
				return
			}
		})
	}
	if wg.Wait(); !said {
		h.t.Error("1,600 guesses at once were all answered")
	}
}
