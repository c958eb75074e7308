package city

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var leads = regexp.MustCompile(`(?m)^wardline_core_leader 1$`)

// leader is the core node that says it leads, but for one.
func (w *town) leader(but string) string {
	for _, n := range w.file.Core {
		a, err := http.Get(n.URL + "/metrics")
		if err != nil {
			continue
		}
		raw, err := io.ReadAll(a.Body)
		if cerr := a.Body.Close(); err == nil && cerr == nil && n.ID != but && leads.Match(raw) {
			return n.ID
		}
	}
	return ""
}

func TestInodeOf_EndOfAConnection_IsTheDialersSocket(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := inodeOf(c.LocalAddr(), c.RemoteAddr())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if cerr := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if uint64(got) != st.Ino {
		t.Errorf("socket %d, want %d", got, st.Ino)
	}
	if _, err := inodeOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, l.Addr()); err == nil {
		t.Error("a connection that nobody made has a socket")
	}
}

// TestWires_LeaderCutFromTheOthers_AnotherLeads: the lines between core nodes are cut,
// the station's are not. The others elect, the one that led knows that it does not, and
// after healing all agree on what came meanwhile.
func TestWires_LeaderCutFromTheOthers_AnotherLeads(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := newTown(t)
	w.wire = true
	w.start()
	var first string
	w.wait("a leader", func() bool { first = w.leader(""); return first != "" })
	for _, way := range [][2]string{{first, ""}, {"", first}} {
		w.control("between", url.Values{"from": {way[0]}, "to": {way[1]}, "mode": {"blackhole"}})
	}
	w.wait("another leader than "+first, func() bool { return w.leader(first) != "" })
	w.wait("the end of the first one's lead", func() bool { return w.leader("") != first })
	ids := w.send(w.file.Stations[0].URL, 5)
	w.control("whole", nil)
	w.once(ids)
	auditors := map[string]*http.Client{}
	for _, n := range w.file.Core {
		auditors[n.URL] = w.login(n.URL, "auditor")
	}
	w.wait("one digest at all nodes", func() bool {
		var all []string
		for _, n := range w.file.Core {
			var d struct {
				Index      json.Number
				Log, State string
			}
			if w.do(auditors[n.URL], "GET", n.URL+"/api/v1/digest", nil, &d) != 200 {
				return false
			}
			all = append(all, strings.Join([]string{d.Index.String(), d.Log, d.State}, " "))
		}
		return len(slices.Compact(all)) == 1
	})
	err := Control(w.dir, "between", url.Values{"from": {"core-9"}, "to": {""}, "mode": {"refuse"}})
	if err == nil || !strings.Contains(err.Error(), "core-9") {
		t.Errorf("a line from a node that is not there: %v", err)
	}
}
