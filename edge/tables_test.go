package edge

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wardline/sync/record"
	"wardline/sync/tables"
)

// TestStation_FlippedBitInATable_IsNamedAndNothingIsServed: Badger itself serves
// whatever the disk gives.
func TestStation_FlippedBitInATable_IsNamedAndNothingIsServed(t *testing.T) {
	dir := t.TempDir()
	st := startStation(t, testConfig(dir))
	for range 30 {
		id := record.NewID(st.wall()).String()
		r, err := http.NewRequest("POST", "http://"+st.HTTPAddr()+"/api/v1/reports", strings.NewReader(`{"id":"`+id+`","category":"fire","text":"cháy nhà"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("app-1", testPassword)
		a, err := http.DefaultClient.Do(r)
		if err != nil || a.StatusCode != http.StatusCreated {
			t.Fatal(a, err)
		}
		if err := a.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	st.stop()
	list, err := filepath.Glob(filepath.Join(dir, "ledger", "*.sst"))
	if err != nil || len(list) == 0 {
		t.Fatal("no table", err)
	}
	flip := func() {
		for _, path := range list {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)/4] ^= 1
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip()
	if err := os.WriteFile(filepath.Join(dir, damagedName), nil, 0o600); err != nil { // else a slow machine finds it a little later
		t.Fatal(err)
	}
	if _, err := New(testConfig(dir), slog.New(slog.NewTextHandler(io.Discard, nil))); !errors.Is(err, tables.ErrDamaged) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("New on a damaged disk: %v", err)
	}
	flip()
	startStation(t, testConfig(dir)).stop()
	if _, err := os.Stat(filepath.Join(dir, damagedName)); err == nil {
		t.Error("a disk that was mended is still called damaged")
	}
}
