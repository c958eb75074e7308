package city

import (
	"net/url"

	"wardline/sync/identity"
)

// search finds by words, place and id, within the asker's scope, and says what is wrong
// with a question.
func (h *held) search(base string) {
	t := h.t
	h.report(base, here+`,"text":"Kho hàng"`)
	h.report(base, here+`,"text":"Nhà kho"`)
	word := newID()[24:] // that nothing else says
	id := h.report(base, here+`,"text":"Cháy nhà kho `+word+`","place_text":"Đường Nguyễn Trãi","reporter":{"name":"Lan Phương"}`)
	type page struct {
		Items []struct {
			Row struct {
				ID string `json:"id"`
			} `json:"row"`
			Found []struct {
				Field string `json:"field"`
			} `json:"found"`
		} `json:"items"`
		Next  *string `json:"next"`
		Index struct {
			State string `json:"state"`
		} `json:"index"`
	}
	find := func(role identity.Role, query string) (p page) {
		t.Helper()
		h.into(h.ask(200, base, role, "GET", "/api/v1/search?"+query, ""), &p)
		return p
	}
	q := "q=" + url.QueryEscape("chay nha kho "+word)
	h.wait("found by its ward, the city and the index", func() bool {
		p := find(identity.CommandOfficer, q+"&priority=P1")
		return len(p.Items) == 1 && len(find(identity.WardOfficer, q).Items) == 1 && p.Index.State == "ready"
	})
	for query, field := range map[string]string{q: "text", "q=" + url.QueryEscape("Nguyễn trãi "+word): "text", "q=" + id: "id", "q=" + id[:23] + "&limit=100": "id",
		q + "&category=fire&priority=P1&status=open&ward=" + string(Ward) + "&from=2001-01-01T00:00:00Z&to=2901-01-01T00:00:00Z": "text"} {
		if p := find(identity.CommandOfficer, query); len(p.Items) == 0 || p.Items[0].Row.ID != id || p.Items[0].Found[0].Field != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
	for _, query := range []string{q + "&status=closed", q + "&ward=26740", q + "&category=medical", q + "&to=2001-01-01T00:00:00Z", "q=" + url.QueryEscape("lan phuong "+word)} {
		if p := find(identity.CommandOfficer, query); len(p.Items) != 0 {
			t.Errorf("%s: %+v", query, p)
		}
	}
	if p := find(identity.CommandOfficer, "q=kho&limit=1"); p.Next == nil {
		t.Errorf("one of several, and no next: %+v", p)
	}
	for _, query := range []string{"", "q=,", "q=x&ward=1", "q=x&category=x", "q=x&priority=1", "q=x&status=x", "q=x&from=x", "q=x&to=x", "q=x&limit=0", "q=x&cursor=x", "q=x&cursor=*"} {
		h.ask(400, base, identity.CommandOfficer, "GET", "/api/v1/search?"+query, "")
	}
	h.ask(401, base, "", "GET", "/api/v1/search?q=x", "")
	h.ask(403, base, identity.Administrator, "GET", "/api/v1/search?q=x", "")
}
