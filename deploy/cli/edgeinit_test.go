package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wardline/configs"
	"wardline/edge"
	"wardline/sync/record"
	"wardline/sync/trust"
)

func stationToken(w record.WardCode) string {
	return trust.Token{Name: trust.StationName(w), Secret: trust.NewSecret(), Authority: record.Hash{1}}.String()
}

// TestEdgeInit_WhatIsWrong_IsSaidBeforeAnythingIsWritten.
func TestEdgeInit_WhatIsWrong_IsSaidBeforeAnythingIsWritten(t *testing.T) {
	token := stationToken("27031")
	for want, args := range map[string]string{
		"--ward \"270\"":                 "--ward 270 --core c:1 --dir DIR --token " + token,
		"--dir is missing":               "--ward 27031 --core c:1 --token " + token,
		"--token is missing":             "--ward 27031 --core c:1 --dir DIR",
		"--token: ":                      "--ward 27031 --core c:1 --dir DIR --token x",
		"the token is for station/27031": "--ward 26704 --core c:1 --dir DIR --token " + token,
		"core[0]":                        "--ward 27031 --core 0.0.0.0:1 --dir DIR --token " + token,
	} {
		dir := filepath.Join(t.TempDir(), "station")
		err := Edge(t.Context(), append([]string{"init"}, strings.Fields(strings.ReplaceAll(args, "DIR", dir))...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("%s: %v was written", args, files)
		}
	}
}

// TestEdgeInit_PortsTakenAndFileThere_TakesTheNextAndKeepsTheFile: what it writes is what
// the station reads; a second token does not touch what was changed in the file.
func TestEdgeInit_PortsTakenAndFileThere_TakesTheNextAndKeepsTheFile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the test is over
	taken := l.Addr().String()
	if next, err := freeAddress("", taken, "http"); err != nil || next == taken {
		t.Errorf("%s is taken, and was given as %s: %v", taken, next, err)
	}
	if given, err := freeAddress("1.2.3.4:5", taken, "http"); err != nil || given != "1.2.3.4:5" {
		t.Errorf("%s %v", given, err)
	}
	dir := t.TempDir()
	args := []string{"init", "--ward", "27031", "--core", "core-1:7001,core-2:7001", "--dir", dir, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--token"}
	first, second := stationToken("27031"), stationToken("27031")
	if err := Edge(t.Context(), append(args, first)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "edge.yaml")
	var c edge.Config
	if err := configs.Read(file, &c); err != nil {
		t.Fatal(err)
	}
	if c.Ward != "27031" || len(c.Core) != 2 || c.HTTP != "127.0.0.1:0" {
		t.Errorf("%+v", c)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, "# ours\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Edge(t.Context(), append(args, second)); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(file); err != nil || !strings.HasSuffix(string(raw), "# ours\n") {
		t.Errorf("the file was written anew: %v", err)
	}
	if raw, err = os.ReadFile(c.TLS.TokenFile); err != nil || strings.TrimSpace(string(raw)) != second {
		t.Errorf("the token: %s %v", raw, err)
	}
	if here("0.0.0.0:8801") != "localhost:8801" || here("10.0.0.5:1") != "10.0.0.5:1" {
		t.Error("a listening address is not what a browser writes")
	}
}
