package city

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// exerciseMarked: an exercise in one ward,
// while its station is cut off too; its reports are marked, draw no deadlines and no suggestions,
// and are closed together at the end; a real call among them is made real and has deadlines again;
// a report that names an exercise elsewhere, or one that has ended, is real.
func exerciseMarked(w *town) {
	t := w.t
	cmd, st := w.file.Command.URL, w.file.Stations[0].URL
	supervisor, ward, officer := w.login(cmd, "supervisor"), w.login(st, "ward_officer"), w.login(cmd, "command_officer")
	drill := newID()
	type exercises struct {
		Items []struct {
			ID   string
			Runs bool
		}
	}
	make := func(id, wards string) {
		t.Helper()
		body := fmt.Sprintf(`{"id":%q,"name":"Diễn tập PCCC","until":%q,"wards":[%s]}`, id, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z"), wards)
		if s := w.do(supervisor, "POST", cmd+"/api/v1/exercises", []byte(body), nil); s != 200 {
			t.Fatalf("making an exercise: %d", s)
		}
	}
	elsewhere := newID()
	make(drill, `"26704","27487"`) // where the place of the reports lies, and where their device stands
	make(elsewhere, `"27031"`)
	var have exercises
	w.wait("the station hears of it", func() bool {
		return w.do(ward, "GET", st+"/api/v1/exercises", nil, &have) == 200 && len(have.Items) == 2 && have.Items[0].Runs
	})
	say := func(base, exercise string) string {
		t.Helper()
		id := newID()
		var a struct{ Warnings []struct{ Field string } }
		w.wait("a report is taken", func() bool {
			s := w.do(http.DefaultClient, "POST", base+"/api/v1/reports", []byte(strings.Replace(string(reportOf(id)), "{", fmt.Sprintf(`{"exercise":%q,`, exercise), 1)), &a)
			return s == 201 || s == 200
		})
		return id
	}
	type incident struct {
		ID, Status, Exercise string
		Version              string
		Open                 bool
		Deadlines            []struct{ Step string }
		Suggestions          []struct{ Other string }
		Units                []struct{ Unit string }
		Flags                []string
	}
	read := func(c *http.Client, base, id string) (in incident) {
		t.Helper()
		w.wait("the incident stands at "+base, func() bool {
			in = incident{}
			return w.do(c, "GET", base+"/api/v1/incidents/"+id, nil, &in) == 200 && len(in.Units) > 1
		})
		return in
	}
	marked := func(in incident, what string) {
		t.Helper()
		if in.Exercise != drill || len(in.Deadlines) != 0 || len(in.Suggestions) != 0 {
			t.Errorf("%s: %+v", what, in)
		}
	}
	atStation, atCity := say(st, drill), say(cmd, drill)
	marked(read(officer, cmd, atStation), "made at the station")
	marked(read(ward, st, atCity), "made at the city")
	if in := read(officer, cmd, say(cmd, elsewhere)); in.Exercise != "" || len(in.Deadlines) == 0 {
		t.Errorf("an exercise of another ward marks nothing: %+v", in)
	}
	var rows struct {
		Items []struct{ ID, Exercise string }
	}
	if s := w.do(officer, "GET", cmd+"/api/v1/incidents", nil, &rows); s != 200 {
		t.Fatal(s)
	}
	n := 0
	for _, r := range rows.Items {
		if r.Exercise == drill {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d rows are marked: %+v", n, rows)
	}
	var progress struct{ Exercise bool }
	if s := w.do(http.DefaultClient, "GET", cmd+"/api/v1/progress/"+atCity, nil, &progress); s != 200 || !progress.Exercise {
		t.Errorf("the sender is told: %d %v", s, progress)
	}
	// Cut off, the station marks by what it heard.
	w.control("cut", map[string][]string{"mode": {"refuse"}})
	alone := say(st, drill)
	marked(read(ward, st, alone), "made alone")
	w.control("cut", map[string][]string{"mode": {""}})
	marked(read(officer, cmd, alone), "after the cut")
	// A real call among them; a merge with practice would hide it.
	in := read(ward, st, alone)
	act := func(c *http.Client, base, id, fields string) int {
		return w.do(c, "POST", base+"/api/v1/incidents/"+id+"/actions", []byte(fmt.Sprintf(`{"id":%q,%s}`, newID(), fields)), nil)
	}
	if s := act(ward, st, alone, fmt.Sprintf(`"action":"real","seen":%q`, in.Version)); s != 200 {
		t.Fatalf("made real: %d", s)
	}
	w.wait("it has deadlines, at the city and at the ward", func() bool {
		a, b := read(officer, cmd, alone), read(ward, st, alone)
		return a.Exercise == "" && len(a.Deadlines) > 0 && b.Exercise == "" && len(b.Deadlines) > 0
	})
	if s := act(officer, cmd, alone, fmt.Sprintf(`"action":"merge","incidents":[%q]`, atCity)); s != 409 {
		t.Errorf("a real call merged with practice: %d", s)
	}
	var end struct{ Closed, Left int }
	if s := w.do(supervisor, "POST", cmd+"/api/v1/exercises/"+drill+"/end", []byte("{}"), &end); s != 200 || end.Closed != 2 || end.Left != 0 {
		t.Fatalf("the end: %d %+v", s, end)
	}
	w.wait("what was left is closed at the ward too, and the real one open", func() bool {
		return !read(ward, st, atStation).Open && !read(ward, st, atCity).Open && read(ward, st, alone).Open
	})
	w.wait("the station hears of the end", func() bool {
		if w.do(ward, "GET", st+"/api/v1/exercises", nil, &have) != 200 {
			return false
		}
		for _, x := range have.Items {
			if x.ID == drill {
				return !x.Runs
			}
		}
		return false
	})
	if in := read(ward, st, say(st, drill)); in.Exercise != "" || len(in.Deadlines) == 0 {
		t.Errorf("after the end it is real: %+v", in)
	}
}
