package city

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"wardline/sync/api"
)

// secondWard adds Tân Phú to a running city as
// README.md says: a token, one line on the box, an officer, a device; until a report made there
// stands on the ward's desk and on the command centre's.
func secondWard(w *town) {
	t := w.t
	cmd := w.file.Command.URL
	admin, command := w.login(cmd, "administrator"), w.login(cmd, "command_officer")
	var list api.MachineList
	if s := w.do(admin, "GET", cmd+"/api/v1/machines", nil, &list); s != 200 || len(list.Nodes) != 3 {
		t.Fatalf("machines: %d %+v", s, list)
	}
	var sync []string
	leaders := 0
	for _, n := range list.Nodes {
		if !n.Answers || n.Sync == "" {
			t.Errorf("%+v", n)
		}
		if n.Leads {
			leaders++
		}
		sync = append(sync, n.Sync)
	}
	if leaders != 1 {
		t.Errorf("%d nodes lead: %+v", leaders, list.Nodes)
	}
	var token api.MachineDone
	if s := w.do(admin, "POST", cmd+"/api/v1/machines", []byte(`{"op":"token","name":"station/27031","names":["127.0.0.1"]}`), &token); s != 200 {
		t.Fatalf("token: %d", s)
	}
	home := t.TempDir()
	given := map[string]bool{}
	http1, err := free(anyPort, given)
	if err != nil {
		t.Fatal(err)
	}
	mqtt, err := free(anyPort, given)
	if err != nil {
		t.Fatal(err)
	}
	line := []string{"edge", "init", "--dir", home, "--ward", "27031", "--core", strings.Join(sync, ","), "--token", token.Token, "--http", http1, "--mqtt", mqtt}
	if out, err := exec.Command(w.bin, append(append([]string{}, line[:5]...), "26704", "--core", "x:1", "--token", token.Token)...).CombinedOutput(); err == nil || !strings.Contains(string(out), "the token is for station/27031") {
		t.Errorf("another ward's token: %v %s", err, out)
	}
	box := exec.Command(w.bin, append(line, "--run")...)
	box.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(t.TempDir(), "box.log"))
	if err != nil {
		t.Fatal(err)
	}
	box.Stdout, box.Stderr = log, log
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = box.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		_ = box.Wait()
		if raw, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s", raw[max(0, len(raw)-4000):])
		}
	})
	w.wait("the station is on the line and says how it is", func() bool {
		var out struct{ Items []api.Station }
		if w.do(command, "GET", cmd+"/api/v1/stations", nil, &out) != 200 {
			return false
		}
		for _, s := range out.Items {
			if s.Ward == "27031" && s.Connected && s.Health != nil && s.Health.Room == "all" && s.Health.Free > 0 && s.Health.CertificateUntil != nil {
				return true
			}
		}
		return false
	})
	var lan, kiosk struct{ User, Password, ID string }
	if s := w.do(admin, "POST", cmd+"/api/v1/users", []byte(`{"user":"lan","role":"ward_officer","unit":"ward/27031","must_change":false,"reason":"trực ban"}`), &lan); s != 201 {
		t.Fatalf("officer: %d", s)
	}
	if s := w.do(admin, "PUT", cmd+"/api/v1/devices/kiosk-27031", []byte(`{"ward":"27031","kind":"kiosk"}`), &kiosk); s != 200 {
		t.Fatalf("device: %d", s)
	}
	station := "http://" + http1
	client, err := NewClient(station, answerLimit)
	if err != nil {
		t.Fatal(err)
	}
	w.wait("the officer logs in at the ward", func() bool { return client.SignIn(t.Context(), "lan", lan.Password) == nil })
	id := newID()
	w.wait("the kiosk reports at the ward", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), "POST", station+"/api/v1/reports", strings.NewReader(fmt.Sprintf(`{"id":%q,"category":"fire","text":"cháy nhà"}`, id)))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("kiosk-27031", kiosk.Password)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return a.Body.Close() == nil && (a.StatusCode == 201 || a.StatusCode == 200)
	})
	w.wait("it stands on the ward's desk", func() bool {
		raw, err := client.Call(t.Context(), "GET", "/api/v1/incidents/"+id, nil)
		var in struct{ Lead string }
		return err == nil && json.Unmarshal(raw, &in) == nil && in.Lead == "ward/27031"
	})
	w.wait("it stands on the command centre's", func() bool {
		var in struct{ Lead string }
		return w.do(command, "GET", cmd+"/api/v1/incidents/"+id, nil, &in) == 200 && in.Lead == "ward/27031"
	})
	// The same line again: what was changed in the file meanwhile stays.
	file := filepath.Join(home, "edge.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, "# ours\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(w.bin, line...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if again, err := os.ReadFile(file); err != nil || !strings.HasSuffix(string(again), "# ours\n") {
		t.Errorf("the file was written anew: %v", err)
	}
}
