package city

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk writes bytes to a panel's line as the panel would and reads the answer.
func talk(t *testing.T, port string, data []byte, want int) []byte {
	t.Helper()
	fd, err := unix.Open(port, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), port)
	defer func() { _ = f.Close() }()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, want)
	if _, err := io.ReadFull(f, out); err != nil {
		t.Fatalf("%s: no answer to %q: %v", port, data, err)
	}
	return out
}

// serialLine presses the button and
// plays a receiver: a duress alarm, its heartbeat, a test, its restore, junk.
func serialLine(w *town) {
	t := w.t
	st, before := w.file.Stations[0].URL, w.kinds()
	known := w.incidents(st)
	ports := map[string]string{}
	for _, p := range w.file.Stations[0].Panels {
		ports[p.Device] = p.Port
	}
	for range 2 { // the second is the same press, sent again
		if got := talk(t, ports["button-1"], []byte("PANIC button-1 7\n"), 5); string(got) != "OK 7\n" {
			t.Fatalf("%q", got)
		}
	}
	for _, frame := range []string{"5011 181234E12101001\x14", "1011           @    \x14", "5011 181234E60201001\x14", "5011 181234R12101001\x14", "nonsense\x14"} {
		if got := talk(t, ports["panel-1"], []byte(frame), 1); got[0] != 0x06 {
			t.Fatalf("%q is answered %x", frame, got)
		}
	}
	want := map[string]int{"report": 2, "routed": 2, "signal": 2, "status": 1}
	w.wait("the city has what the panels said", func() bool {
		got := w.kinds()
		for k, n := range want {
			if got[k]-before[k] != n {
				return false
			}
		}
		return true
	})
	opened, silent := 0, 0
	for id, i := range w.incidents(st) {
		if _, ok := known[id]; ok {
			continue
		}
		opened++
		if i.Silent {
			silent++
		}
		if i.Category != "panic" {
			t.Errorf("category %q", i.Category)
		}
	}
	if opened != 2 || silent != 1 {
		t.Fatalf("a test code opened an incident, or duress is not silent: %d opened, %d silent", opened, silent)
	}
	var bad struct{ Items []struct{ Type string } }
	w.do(w.as(st, "ward_officer"), "GET", st+"/api/v1/malformed", nil, &bad)
	unfit := 0
	for _, x := range bad.Items {
		if x.Type == "unfit_frame" {
			unfit++
		}
	}
	if unfit != 1 {
		t.Fatalf("the unfit frame is not kept and shown: %+v", bad)
	}
}
