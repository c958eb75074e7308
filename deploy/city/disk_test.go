package city

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wardline/edge"
)

const ward1 = "ward-" + string(Ward)

// stop ends a process of the city in order and waits until it is gone.
func (w *town) stop(name string) {
	w.t.Helper()
	var now fileJSON
	raw, err := os.ReadFile(filepath.Join(w.dir, "city.json"))
	if err != nil || json.Unmarshal(raw, &now) != nil {
		w.t.Fatal(err)
	}
	w.control("stop", map[string][]string{"name": {name}})
	w.wait(name+" has ended", func() bool { return syscall.Kill(now.Stations[0].PID, 0) != nil })
}

func (w *town) startAgain(name string) {
	w.t.Helper()
	w.control("start", map[string][]string{"name": {name}})
	w.wait(name+" answers", func() bool {
		return w.do(http.DefaultClient, "GET", w.file.Stations[0].URL+"/readyz", nil, nil) == 200
	})
}

// send posts reports until each is acknowledged, and gives their ids.
func (w *town) send(base string, n int) (ids []string) {
	w.t.Helper()
	for range n {
		ids = append(ids, w.offer(base, newID()))
	}
	return ids
}

func (w *town) offer(base, id string) string {
	w.t.Helper()
	w.wait("a report is acknowledged at "+base, func() bool {
		s := w.do(http.DefaultClient, "POST", base+"/api/v1/reports", reportOf(id), nil)
		return s == 200 || s == 201
	})
	return id
}

// line is what a station says of its line.
func (w *town) line(base string) (l struct {
	State  string
	Lag    uint64
	Alarms []string
}) {
	var page struct {
		Items []struct{ Line json.RawMessage }
	}
	c := w.as(base, "supervisor")
	w.wait("the station tells of its line", func() bool {
		return w.do(c, "GET", base+"/api/v1/stations", nil, &page) == 200 && len(page.Items) == 1 && json.Unmarshal(page.Items[0].Line, &l) == nil
	})
	return l
}

// kinds counts what the city lists.
func (w *town) kinds() map[string]int {
	n := map[string]int{}
	for _, e := range w.entries() {
		n[e.Kind]++
	}
	return n
}

// chains proves that what the city lists is whole: no seq is missing or twice,
// each entry names the one before it.
func (w *town) chains() {
	w.t.Helper()
	type row struct {
		Index                           uint64
		Origin, Incarnation, Lane, Hash string
		Seq                             uint64
		Prev                            string
	}
	type head struct {
		seq  uint64
		hash string
	}
	heads, after, c := map[string]head{}, "", w.as(w.file.Command.URL, "auditor")
	for {
		var p struct {
			Items []row
			Next  *json.Number
		}
		if s := w.do(c, "GET", w.file.Command.URL+"/api/v1/entries?limit=1000"+after, nil, &p); s != 200 {
			w.t.Fatalf("entries: %d", s)
		}
		for _, e := range p.Items {
			k := e.Origin + " " + e.Incarnation + " " + e.Lane
			if e.Seq != heads[k].seq+1 || (e.Seq > 1 && e.Prev != heads[k].hash) {
				w.t.Errorf("chain %s is broken at %d, after %d", k, e.Seq, heads[k].seq)
			}
			heads[k] = head{e.Seq, e.Hash}
		}
		if p.Next == nil {
			return
		}
		after = "&after=" + p.Next.String()
	}
}

func hasAlarm(alarms []string, words string) bool {
	for _, a := range alarms {
		if strings.Contains(a, words) {
			return true
		}
	}
	return false
}

// TestCity_RestoredDiskImage_IsNamed_AndTheStationGetsBackWhatItLacks puts an
// old copy of a station's disk back in its place.
func TestCity_RestoredDiskImage_IsNamed_AndTheStationGetsBackWhatItLacks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	st := w.file.Stations[0].URL
	all := w.send(st, 15)
	w.once(all)
	w.stop(ward1)
	disk, image := filepath.Join(w.dir, ward1), filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(disk)); err != nil {
		t.Fatal(err)
	}
	w.startAgain(ward1)
	lost := w.send(st, 15)
	all = append(all, lost...)
	w.once(all)
	// These are on the disk alone when it is swapped; their phones keep them.
	w.control("cut", map[string][]string{"mode": {"blackhole"}})
	kept := w.send(st, 5)
	before := w.kinds()["alarm"]
	w.stop(ward1)
	if err := os.RemoveAll(disk); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(disk, os.DirFS(image)); err != nil {
		t.Fatal(err)
	}
	w.control("cut", map[string][]string{"mode": {""}})
	w.startAgain(ward1)
	w.wait("the rollback is named at the station", func() bool { return hasAlarm(w.line(st).Alarms, "rolled back") })
	ward := w.login(st, "ward_officer")
	for _, id := range lost {
		w.wait("the station has an incident again that its disk had lost", func() bool {
			var in incidentJSON
			return w.do(ward, "GET", st+"/api/v1/incidents/"+id, nil, &in) == 200 && len(in.Reports) == 1 && in.Lead != "" && in.Delivery.City
		})
	}
	for _, id := range kept { // as phones do when the station's incarnation changed
		all = append(all, w.offer(st, id))
	}
	all = append(all, w.send(st, 5)...)
	w.once(all)
	w.wait("the rollback is an entry of the city's log", func() bool { return w.kinds()["alarm"] > before })
	w.chains()
	w.wait("nothing is left on its way", func() bool { return w.line(st).Lag == 0 })
}

// TestCity_ClonedStation_IsNamed_AndBothMachinesReportsAreThereOnce runs a
// second process from a copy of a station's disk.
func TestCity_ClonedStation_IsNamed_AndBothMachinesReportsAreThereOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	st := w.file.Stations[0].URL
	all := w.send(st, 10)
	w.once(all)
	w.stop(ward1)
	image := filepath.Join(w.dir, "clone")
	if err := os.CopyFS(image, os.DirFS(filepath.Join(w.dir, ward1))); err != nil {
		t.Fatal(err)
	}
	w.startAgain(ward1)
	before := w.kinds()["alarm"]
	other := w.twin(image)
	for range 10 {
		all = append(all, w.send(st, 1)...)
		all = append(all, w.send(other, 1)...)
	}
	w.once(all)
	// A clone is certain once both go on after each was heard.
	all = append(all, w.send(st, 1)...)
	all = append(all, w.send(other, 1)...)
	w.once(all)
	w.wait("the clone is named", func() bool { return w.kinds()["alarm"] > before })
	// By what both logs hold, or by two lines at once: the machines share one outbox, and what one has taken the other may miss.
	told := func(base string) bool {
		a := w.line(base).Alarms
		return hasAlarm(a, "two disks") || hasAlarm(a, "two machines")
	}
	w.wait("both machines say so", func() bool { return told(st) && told(other) })
	shown := func(when string) {
		w.t.Helper()
		ward, id := w.login(st, "ward_officer"), w.send(other, 1)[0]
		all = append(all, id)
		w.wait("the ward's desk shows what the other machine took "+when, func() bool {
			var in incidentJSON
			return w.do(ward, "GET", st+"/api/v1/incidents/"+id, nil, &in) == 200 && len(in.Reports) == 1
		})
	}
	shown("while the clone is named")
	w.stop(ward1)
	w.startAgain(ward1)
	all = append(all, w.send(st, 1)...)
	w.wait("nothing is left on its way", func() bool { return w.line(st).Lag == 0 })
	shown("after another life of the first one began")
	for _, base := range []string{st, other} {
		w.wait("nothing is left on its way at "+base, func() bool { return w.line(base).Lag == 0 })
	}
	w.chains()
}

// twin runs a second process over a copy of the first station's disk, with
// ports of its own, and gives its URL.
func (w *town) twin(dir string) string {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "conf", ward1+".json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var c edge.Config
	if err := json.Unmarshal(raw, &c); err != nil {
		w.t.Fatal(err)
	}
	given := map[string]bool{}
	if c.HTTP, err = free("127.0.0.1:0", given); err != nil {
		w.t.Fatal(err)
	}
	c.Dir, c.MQTT, c.MQTTWS, c.Panels, c.Bridges = dir, "", "", nil, nil
	c.TLS = edge.TLS{TokenFile: c.TLS.TokenFile} // the addresses are taken
	file := filepath.Join(w.dir, "conf", "clone.json")
	if err := writeJSON(file, c); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, w.bin, "edge", "--config", file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := os.Create(filepath.Join(w.dir, "clone.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was told to end
		_ = out.Close()
	})
	base := "http://" + c.HTTP
	w.wait("the second machine answers", func() bool { return w.do(http.DefaultClient, "GET", base+"/readyz", nil, nil) == 200 })
	return base
}
