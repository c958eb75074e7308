package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wardline/core"
	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// loneCore runs a city of one node and gives the flags that lead to it.
func loneCore(t *testing.T) (where []string) {
	t.Helper()
	dir := t.TempDir()
	raft := freeAddr(t)
	secret := identity.NewSecret()
	n, err := core.New(core.Config{ID: "core-1", Dir: filepath.Join(dir, "core-1"), HTTP: "127.0.0.1:0", Raft: raft, Sync: "127.0.0.1:0", ReserveMB: 1,
		Peers: []core.Peer{{ID: "core-1", Raft: raft}}, CityKey: filepath.Join(dir, "city.key"),
		Officers: []identity.OfficerAccount{{User: "auditor", Password: secret, Role: identity.Auditor, Unit: record.Command}},
		Devices:  []identity.DeviceAccount{{ID: "app-1", Password: secret, Ward: "26704", Kind: "app"}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	url := "http://" + n.HTTPAddr()
	for i := range 12 {
		body := fmt.Sprintf(`{"id":%q,"category":"fire","text":"cháy"}`, record.DerivedID("cli", []byte{byte(i)}))
		deadline := time.Now().Add(time.Minute)
		for {
			r, err := http.NewRequest("POST", url+"/api/v1/reports", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("app-1", secret)
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if a.StatusCode < 300 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(a.Status)
			}
		}
	}
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--url", url, "--user", "auditor", "--password-file", file}
}

func TestAudit_ExportAndVerify_SayWhatIsWrong(t *testing.T) {
	where := loneCore(t)
	ctx, dir := context.Background(), t.TempDir()
	log, one := filepath.Join(dir, "log.wardline"), filepath.Join(dir, "one.zip")
	id := record.DerivedID("cli", []byte{3})
	if err := Audit(ctx, append([]string{"export", "--out", log}, where...)); err != nil {
		t.Fatal(err)
	}
	if err := Audit(ctx, append([]string{"export", "--incident", id.String(), "--out", one}, where...)); err != nil {
		t.Fatal(err)
	}
	res, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := audit.VerifyFile(ctx, bytes.NewReader(res), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "published-key")
	if err := os.WriteFile(key, []byte(whole.Key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{log}, {one}, {log, "--key", whole.Key.Fingerprint()}, {"--key", key, one}, {"--key", whole.Key.String(), log}} {
		var out bytes.Buffer
		if err := auditVerify(ctx, args, &out); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if pinned := len(args) > 1; strings.Contains(out.String(), "WHOSE") == pinned || !strings.Contains(out.String(), whole.Key.Fingerprint()) {
			t.Errorf("%v: %s", args, out.String())
		}
	}
	at := bytes.Index(res, id[:])
	res[at] ^= 1
	if err := os.WriteFile(log, res, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := auditVerify(ctx, []string{log}, &out); err == nil || !strings.Contains(err.Error(), "is NOT whole: entry ") || out.Len() > 0 {
		t.Error(err, out.String())
	}
	left, err := filepath.Glob(filepath.Join(dir, ".export-*"))
	if err != nil || len(left) != 0 {
		t.Error("left behind:", left, err)
	}
}

func TestAudit_WhatCannotBe_SaysWhatToDo(t *testing.T) {
	where := loneCore(t)
	ctx, out := context.Background(), filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "say what to do"},
		{[]string{"prove"}, "say what to do"},
		{[]string{"export", "--out", out}, "give --data DIR"},
		{append([]string{"export"}, where...), "--out FILE is needed"},
		{append([]string{"export", "--out", out, "--incident", "x"}, where...), "not a UUID"},
		{append([]string{"export", "--out", out, "--incident", record.ID{9}.String()}, where...), "no incident"},
		{append([]string{"export", "--out", filepath.Join(out, "no", "dir")}, where...), "no such file"},
		{[]string{"verify"}, "name one file"},
		{[]string{"verify", "a", "b"}, "name one file"},
		{[]string{"verify", out}, "no such file"},
		{[]string{"verify", os.Args[0], "--key", "abc"}, "wardline audit key"},
		{[]string{"verify", os.Args[0]}, "NOT whole"},
	} {
		if err := Audit(ctx, c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file stands there all the same")
	}
}
