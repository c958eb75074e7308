package city

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCity_PlantedNamesAndNumbers_StandNowhereInTheClear: reports name their reporters,
// at both doors, while the line is cut and after; an officer opens one, writes notes,
// and errors are provoked. Then everything that the run wrote, and all that it serves
// without an opening, is searched: logs, figures, lists, live events, the city's log,
// and every file of the Raft logs, the states, the ledgers and the lists.
func TestCity_PlantedNamesAndNumbers_StandNowhereInTheClear(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	cmd, ward := w.file.Command.URL, w.file.Stations[0].URL
	who := [][]byte{[]byte("Quách Thị Bí Mật"), []byte("0987654321")}
	words := [][]byte{[]byte("Lê Văn Được Kể"), []byte("0977111222"), []byte("ngõ không tên 77/7/7")}
	report := func(id string) []byte {
		return fmt.Appendf(nil, `{"id":%q,"category":"fire","text":"nhà Lê Văn Được Kể, gọi 0977111222","place_text":"ngõ không tên 77/7/7","location":{"lat":10.72,"lon":106.73,"accuracy_m":20},"reporter":{"name":"Quách Thị Bí Mật","phone":"0987654321"}}`, id)
	}
	officer, desk := w.login(cmd, "command_officer"), w.login(ward, "ward_officer")
	live := w.listen(officer, cmd)
	var ids []string
	for i := range 8 {
		id, at := newID(), []string{cmd, ward}[i%2]
		w.wait("a report is taken", func() bool {
			s := w.do(http.DefaultClient, "POST", at+"/api/v1/reports", report(id), nil)
			return s == 200 || s == 201
		})
		ids = append(ids, id)
	}
	for _, at := range []string{cmd, ward} { // kept raw, for the desk
		if s := w.do(http.DefaultClient, "POST", at+"/api/v1/reports", []byte(`{"id":"no id","category":"fire","text":"nhà Lê Văn Được Kể","reporter":{"name":"Quách Thị Bí Mật","phone":"0987654321"}}`), nil); s != 400 {
			t.Errorf("malformed input: %d", s)
		}
	}
	for _, x := range []struct {
		c    *http.Client
		base string
	}{{officer, cmd}, {desk, ward}} {
		var kept struct{ Items []struct{ Raw []byte } }
		if w.do(x.c, "GET", x.base+"/api/v1/malformed", nil, &kept) != 200 || len(kept.Items) != 1 || !bytes.Contains(kept.Items[0].Raw, who[0]) {
			t.Errorf("the desk at %s does not read what was refused: %d inputs", x.base, len(kept.Items))
		}
	}
	w.once(ids)
	opened := func(c *http.Client, base, id string) {
		t.Helper()
		var out struct {
			Reporter struct{ Name, Phone string }
			Entry    string
		}
		w.wait("who reported is opened at "+base, func() bool {
			return w.do(c, "POST", base+"/api/v1/incidents/"+id+"/reporter", fmt.Appendf(nil, `{"id":%q,"report":%q,"reason":"call_back"}`, newID(), id), &out) == 200
		})
		if out.Reporter.Name != "Quách Thị Bí Mật" || out.Reporter.Phone != "0987654321" {
			t.Errorf("%+v", out)
		}
		w.wait("the opening stands in the timeline at both ends", func() bool {
			for _, at := range []struct {
				c    *http.Client
				base string
			}{{officer, cmd}, {desk, ward}} {
				var in struct {
					Timeline []struct{ Entry, Kind, By string }
				}
				if w.do(at.c, "GET", at.base+"/api/v1/incidents/"+id, nil, &in) != 200 {
					return false
				}
				found := false
				for _, l := range in.Timeline {
					found = found || l.Entry == out.Entry && l.Kind == "opened" && l.By != ""
				}
				if !found {
					return false
				}
			}
			return true
		})
	}
	opened(officer, cmd, ids[0])
	opened(desk, ward, ids[1])
	if s := w.do(w.login(cmd, "auditor"), "POST", cmd+"/api/v1/incidents/"+ids[0]+"/reporter", fmt.Appendf(nil, `{"id":%q,"report":%q,"reason":"verify"}`, newID(), ids[0]), nil); s != 403 {
		t.Errorf("an auditor opens who reported: %d", s)
	}
	if s := w.do(desk, "POST", ward+"/api/v1/incidents/"+ids[1]+"/actions", fmt.Appendf(nil, `{"id":%q,"action":"note","text":"Quách Thị Bí Mật gọi lại từ 0987654321"}`, newID()), nil); s != 200 {
		t.Errorf("note: %d", s)
	}
	said := map[string][]byte{}
	for _, c := range []struct {
		name, method, url string
		client            *http.Client
		body              []byte
	}{
		{"figures of the core", "GET", w.file.Core[0].URL + "/metrics", officer, nil}, {"figures of the station", "GET", ward + "/metrics", officer, nil},
		{"the sender's own view", "GET", ward + "/api/v1/reports/" + ids[1], http.DefaultClient, nil},
		{"the city's log", "GET", cmd + "/api/v1/entries?limit=1000", w.login(cmd, "auditor"), nil},
		{"an error about an action", "POST", cmd + "/api/v1/incidents/" + ids[0] + "/actions", officer, []byte(`{"id":"0987654321","action":"note","text":"Quách Thị Bí Mật"}`)},
		{"an error about an opening", "POST", cmd + "/api/v1/incidents/" + ids[0] + "/reporter", officer, []byte(`{"id":"` + newID() + `","report":"` + ids[0] + `","reason":"Quách Thị Bí Mật"}`)},
	} {
		said[c.name] = w.read(c.client, c.method, c.url, c.body)
	}
	search := func(name string, raw []byte, planted ...[]byte) {
		t.Helper()
		for _, p := range planted {
			if bytes.Contains(raw, p) {
				t.Errorf("%s: %q", name, p)
			}
		}
		if len(raw) == 0 {
			t.Errorf("%s says nothing", name)
		}
	}
	for name, raw := range said {
		search(name, raw, append(who, words...)...)
	}
	// The words of a report are for the desk; who reported is not.
	search("live events", live(), who...)
	for _, url := range []string{"/api/v1/incidents", "/api/v1/incidents/" + ids[2]} {
		search(url, w.read(officer, "GET", cmd+url, nil), who...)
		search(url, w.read(desk, "GET", ward+url, nil), who...)
	}
	files := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a file that was compacted away meanwhile
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		for _, p := range append(who, words...) {
			if at := bytes.Index(raw, p); at >= 0 {
				t.Errorf("%s, at byte %d: %q", path, at, p)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("%d files were searched: %v", files, err)
	}
}

// read gives an answer's body, whatever its status.
func (w *town) read(c *http.Client, method, url string, body []byte) []byte {
	w.t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if c == http.DefaultClient {
		r.SetBasicAuth(w.file.Devices[0].ID, w.file.Devices[0].Password)
	}
	a, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	raw, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// listen follows the live stream; the function that it gives ends it and says what came.
func (w *town) listen(c *http.Client, base string) func() []byte {
	w.t.Helper()
	long := *c
	long.Timeout = 0
	a, err := long.Get(base + "/api/v1/live")
	if err != nil {
		w.t.Fatal(err)
	}
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&got, a.Body) // it ends when the body is closed
	}()
	return func() []byte {
		_ = a.Body.Close() // the end of listening
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			w.t.Error("the stream does not end")
		}
		return got.Bytes()
	}
}
