package city

import (
	"net/http"
	"strings"
	"sync"

	"wardline/sync/identity"
)

// messages are the answers to a reporter who writes to the desk.
func (h *held) messages(base string) {
	id := newID()
	h.device(201, base, `{"id":"`+id+`",`+here+`}`)
	path := "/api/v1/reports/" + id + "/messages"
	h.wait("the report is known with its lead", func() bool {
		var p struct{ Lead string }
		h.into(h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents/"+id, ""), &p)
		return p.Lead != ""
	})
	say := func(want int, body string) { h.t.Helper(); h.ask(want, base, "", "POST", path, body, h.asDevice) }
	first := `{"id":"` + newID() + `","text":"tôi ở tầng 5"}`
	say(200, first)
	say(200, first) // once
	say(400, `{"id":"`+newID()+`","text":" "}`)
	say(409, `{"id":"`+newID()+`","text":"chưa xong","reopen":true}`)
	say(413, `{"id":"`+newID()+`","text":"`+strings.Repeat("a", 300_000)+`"}`)
	h.ask(401, base, identity.CommandOfficer, "POST", path, first)
	h.ask(404, base, "", "POST", "/api/v1/reports/"+newID()+"/messages", first, h.asDevice)
	act := func(fields string) {
		h.t.Helper()
		var p struct{ Version string }
		h.into(h.ask(200, base, identity.CommandOfficer, "GET", "/api/v1/incidents/"+id, ""), &p)
		h.ask(200, base, identity.CommandOfficer, "POST", "/api/v1/incidents/"+id+"/actions", `{"id":"`+newID()+`","seen":"`+p.Version+`",`+fields+`}`)
	}
	act(`"action":"contact","reason":"message","text":"xe đang tới"`)
	type progress struct {
		Status   string
		Messages []struct{ From, Text string }
	}
	read := func() (p progress) {
		h.into(h.ask(200, base, "", "GET", "/api/v1/reports/"+id, "", h.asDevice), &p)
		return p
	}
	if m := read().Messages; len(m) != 2 || m[0].From != "reporter" || m[1].From != "desk" || m[1].Text != "xe đang tới" {
		h.t.Errorf("messages: %+v", m)
	}
	act(`"action":"close","reason":"done"`)
	say(200, `{"id":"`+newID()+`","text":"chưa xong","reopen":true}`)
	if p := read(); p.Status == "closed" || len(p.Messages) != 3 {
		h.t.Errorf("not open again: %+v", p)
	}
	for range 110 {
		if a := h.call(http.DefaultClient, "POST", base+path, []byte(`{"id":"`+newID()+`","text":"?"}`), h.asDevice); a.status == 429 {
			say(429, `{"id":"`+newID()+`","text":"?"}`)
			return
		}
	}
	h.t.Error("a desk can be buried by one reporter")
}

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
